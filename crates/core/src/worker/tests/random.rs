//! Random histories: nothing panics, every invariant holds, terms never go down, one copy of a driver at a time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What may happen, in any order; numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Opened,
    Registered(u64),
    Standby(u64),
    Closed,
    Reconnect,
    Seen,
    Refused,
    Notice(u64),
    Answer(u64),
    LaunchDriver { driver: u32, attempt: u32, kill_isolated: bool, supervise: bool, term: u64 },
    KillDriver { driver: u32, attempt: u32, term: u64 },
    LaunchExecutor { id: u32, cores: u32, term: u64 },
    KillExecutor { id: u32, term: u64 },
    AppFinished,
    Decommission,
    Acknowledged(u64),
    Process { run: u64, what: u8, code: i32 },
    Alarm(usize),
    Wait(u64),
    Disk(u64),
    Stop,
}

fn happening() -> impl Strategy<Value = Happening> {
    let term = 1..4u64;
    prop_oneof![
        3 => Just(Happening::Opened),
        6 => term.clone().prop_map(Happening::Registered),
        1 => term.clone().prop_map(Happening::Standby),
        2 => Just(Happening::Closed),
        1 => Just(Happening::Reconnect),
        4 => Just(Happening::Seen),
        1 => Just(Happening::Refused),
        1 => term.clone().prop_map(Happening::Notice),
        1 => term.clone().prop_map(Happening::Answer),
        8 => (0..2u32, 1..5u32, any::<bool>(), any::<bool>(), term.clone()).prop_map(
            |(driver, attempt, kill_isolated, supervise, term)| {
                Happening::LaunchDriver { driver, attempt, kill_isolated, supervise, term }
            }
        ),
        3 => (0..2u32, 1..5u32, term.clone())
            .prop_map(|(driver, attempt, term)| Happening::KillDriver { driver, attempt, term }),
        6 => (0..6u32, 1..5u32, term.clone())
            .prop_map(|(id, cores, term)| Happening::LaunchExecutor { id, cores, term }),
        2 => (0..6u32, term).prop_map(|(id, term)| Happening::KillExecutor { id, term }),
        1 => Just(Happening::AppFinished),
        1 => Just(Happening::Decommission),
        4 => (1..20u64).prop_map(Happening::Acknowledged),
        24 => (1..12u64, 0..9u8, -1..2i32).prop_map(|(run, what, code)| Happening::Process { run, what, code }),
        8 => any::<usize>().prop_map(Happening::Alarm),
        4 => (0..70_000u64).prop_map(Happening::Wait),
        1 => (0..200u64).prop_map(Happening::Disk),
        1 => Just(Happening::Stop),
    ]
}

fn event(bench: &Bench, happening: Happening) -> Event {
    let link = bench.link;
    let from = |message| Event::FromMaster { link, message };
    let command = |epoch, body| from(MasterToWorker::Command(Fenced { term: term(epoch), id: CommandId(1), body }));
    let driver_id = |number| DriverId::new(&format!("driver-{number}")).unwrap();
    match happening {
        Happening::Opened => Event::LinkOpened { link },
        Happening::Registered(epoch) => from(MasterToWorker::Registered(Box::new(RegisteredWorker {
            leader: leader(MASTER, epoch),
            master_address: MASTER.to_owned(),
            duplicate: false,
            heartbeat_every: TIMEOUT / 4,
            worker_timeout: TIMEOUT,
        }))),
        Happening::Standby(epoch) => from(MasterToWorker::Standby { leader: Some(leader(OTHER, epoch)) }),
        Happening::Closed => Event::LinkClosed { link },
        Happening::Reconnect => from(MasterToWorker::Reconnect),
        Happening::Seen => from(MasterToWorker::HeartbeatSeen),
        Happening::Refused => from(MasterToWorker::RegistrationRefused { reason: "no".to_owned() }),
        Happening::Notice(epoch) => Event::LeaderNotice(leader(MASTER, epoch)),
        Happening::Answer(epoch) => Event::LeaderAnswer(leader(MASTER, epoch)),
        Happening::LaunchDriver { driver: number, attempt, kill_isolated, supervise, term } => {
            let on_isolation = if kill_isolated { OnIsolation::Kill } else { OnIsolation::Continue };
            let description = DriverDescription { on_isolation, ..driver(supervise) };
            let booking = Booking { cores: Cores(2), memory: description.memory, resources: Addresses::default() };
            let (driver, attempt) = (driver_id(number), Attempt(attempt));
            command(term, WorkerCommand::LaunchDriver { driver, attempt, description: Arc::new(description), booking })
        }
        Happening::KillDriver { driver, attempt, term } => {
            command(term, WorkerCommand::KillDriver { driver: driver_id(driver), attempt: Attempt(attempt) })
        }
        Happening::LaunchExecutor { id, cores, term } => {
            let mut executor = executor(id, cores);
            if id % 2 == 0 {
                executor.resources = Addresses::new([("gpu".to_owned(), vec![(id / 2 % 2).to_string()])]);
            }
            command(
                term,
                WorkerCommand::LaunchExecutor { heap: executor.memory, executor, app: Arc::new(app()), client: None },
            )
        }
        Happening::KillExecutor { id, term } => {
            command(term, WorkerCommand::KillExecutor { executor: executor(id, 1).executor })
        }
        Happening::AppFinished => command(3, WorkerCommand::ApplicationFinished { app: app_id() }),
        Happening::Decommission => Event::Decommission,
        Happening::Acknowledged(report) => from(MasterToWorker::Acknowledged { report: ReportId(report) }),
        Happening::Process { run, what, code } => {
            let (run, message) = (RunId(run), "no".to_owned());
            match what {
                0 => Event::PrepareFailed { run, message },
                1 => Event::StartFailed { run, message },
                8 => Event::TooLate { run },
                2 | 3 => Event::Prepared { run, ready: Ready::default() },
                4..=6 => Event::Started { run, pid: 1 },
                _ => Event::Exited { run, code },
            }
        }
        Happening::Alarm(index) => match bench.alarms.get(index % bench.alarms.len().max(1)) {
            Some((_, timer)) => Event::Timer(*timer),
            None => Event::Timer(Timer::Reports),
        },
        Happening::Wait(_) => Event::Timer(Timer::Isolation),
        Happening::Disk(free) => Event::DiskFree(Memory::mib(free)),
        Happening::Stop => Event::Stop,
    }
}

/// A process as the shell knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Asked,
    Runs,
}

/// What the shell has under way.
#[derive(Default)]
struct Shell {
    processes: BTreeMap<RunId, Known>,
}

impl Shell {
    /// It reports only what it was asked for, and once.
    fn may_report(&self, event: &Event) -> bool {
        match event {
            Event::Started { run, .. } | Event::StartFailed { run, .. } | Event::TooLate { run } => {
                self.processes.get(run) == Some(&Known::Asked)
            }
            Event::Exited { run, .. } => self.processes.get(run) == Some(&Known::Runs),
            _ => true,
        }
    }

    /// No run is spawned twice without an end in between, and none is signalled or forgotten out of turn.
    fn follow(&mut self, event: &Event, effects: &[Effect]) {
        match event {
            Event::Started { run, .. } => {
                self.processes.insert(*run, Known::Runs);
            }
            Event::Exited { run, .. } | Event::StartFailed { run, .. } | Event::TooLate { run } => {
                self.processes.remove(run);
            }
            _ => {}
        }
        for effect in effects {
            match effect {
                Effect::Spawn { run, .. } => {
                    assert_eq!(self.processes.insert(*run, Known::Asked), None, "{run} is spawned twice");
                }
                Effect::Terminate { run } | Effect::Kill { run } => {
                    assert!(self.processes.contains_key(run), "{run} is signalled without a process");
                }
                Effect::Forget { run } => {
                    assert_eq!(self.processes.get(run), None, "{run} is forgotten while it runs");
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_keep_every_invariant(history in prop::collection::vec(happening(), 1..250)) {
        let mut config = config();
        config.behaviour.decommission_enabled = true;
        config.behaviour.disk_floor = Memory::mib(100);
        config.behaviour.retained_drivers = 3;
        config.behaviour.retained_executors = 3;
        let mut bench = Bench::new(config);
        bench.event(Event::Start);
        let mut shell = Shell::default();
        let mut saved = None;
        for happening in history {
            if let Happening::Wait(length) = &happening {
                bench.now += length;
            }
            let event = event(&bench, happening);
            if !shell.may_report(&event) {
                continue;
            }
            let before = bench.worker.heard().map(Term::rank);
            let effects = bench.event(event.clone()).to_vec();
            shell.follow(&event, &effects);
            let after = bench.worker.heard().map(Term::rank);
            prop_assert!(after >= before, "the term went down");
            for effect in &effects {
                if let Effect::SaveTerm { term, .. } = effect {
                    saved = Some(term.rank());
                }
            }
            prop_assert_eq!(saved, after, "what was heard of is saved");
        }
    }
}
