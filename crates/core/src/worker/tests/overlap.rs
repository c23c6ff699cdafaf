//! `on_isolation = kill` against the clock: whatever the times are, the program is gone before any master may start it
//! elsewhere.
//!
//! ```text
//! worker     beat ─ beat ─ beat ─ …  ▒▒ stands still ▒▒  …          each answered until the old leader's own deadline
//! old leader ─────────────────── deposed ── deadline
//! new leader                        └ elected ─ announces ────────────────── worker_timeout ──▶ gives the worker up
//! keeper     told with each answer: SIGTERM at, SIGKILL at
//! ```

use proptest::prelude::*;

use super::*;
use crate::master::{self, Master, MasterConfig};
use crate::record::{DriverRecord, PlacementRecord, Recovered, WorkerRecord};
use crate::time::Mono;
use crate::worker::isolation::{Deadlines, SIGKILL_HELPS_WITHIN, deadlines, isolation_margin};

/// How far the deadline of a leader stays before the end of its lease (protocol 2).
const DEADLINE_BEFORE_END: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
struct Times {
    worker_timeout: Duration,
    terminate_timeout: Duration,
    lease: Duration,
    /// When the old leader is deposed, by mistake: it lives and renews, and hears of it as late as possible.
    deposed: Duration,
    /// From there until the new leader counts.
    takes_over: Duration,
    /// When the worker begins to stand still, and for how long.
    still: (Duration, Duration),
    answer_takes: Duration,
}

prop_compose! {
    fn times()(
        timeout in 12_000u64..900_000, terminate in 0u64..60_000, lease in 0.0..=1.0f64, deposed in 0u64..300_000,
        takes_over in 0u64..2000, still in (0u64..400_000, 0u64..2_000_000), answer in 0u64..3000,
    ) -> Times {
        let worker_timeout = Duration::from_millis(timeout);
        let (shortest, longest) = (Duration::from_secs(3), isolation_margin(worker_timeout));
        Times {
            worker_timeout,
            terminate_timeout: Duration::from_millis(terminate),
            lease: shortest + longest.checked_sub(shortest).unwrap().mul_f64(lease),
            deposed: Duration::from_millis(deposed),
            takes_over: Duration::from_millis(takes_over),
            still: (Duration::from_millis(still.0), Duration::from_millis(still.1)),
            answer_takes: Duration::from_millis(answer),
        }
    }
}

const ZERO: Mono = Mono(1000);

/// When the program is killed at the latest: by its worker, or by its keeper.
fn killed_at(times: &Times) -> Mono {
    let mut config = config();
    config.behaviour.driver_terminate_timeout = times.terminate_timeout;
    let mut bench = Bench::new(config);
    bench.timeout = times.worker_timeout;
    bench.event(Event::Start);
    bench.register();
    bench.launch_driver(1, DriverDescription { on_isolation: OnIsolation::Kill, ..driver(true) });
    let run = bench.run();
    let spawned = bench.event(Event::Prepared { run, ready: Ready::default() }).to_vec();
    let mut limit = told(&spawned).expect("told with the start");
    bench.event(Event::Started { run, pid: 1 });
    let deadline = ZERO + times.deposed + times.lease.checked_sub(DEADLINE_BEFORE_END).unwrap();
    let (still_from, still_until) = (ZERO + times.still.0, ZERO + times.still.0 + times.still.1);
    let end = ZERO + times.deposed + times.takes_over + times.worker_timeout * 2;
    while let Some((at, timer)) = next_alarm(&mut bench).filter(|(at, _)| *at < end) {
        let now = at.max(Mono(bench.now));
        let now = if (still_from..still_until).contains(&now) { still_until } else { now };
        if now >= limit.kill_at {
            return limit.kill_at;
        }
        bench.now = now.0;
        let mut effects = bench.event(Event::Timer(timer)).to_vec();
        let beats = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Send { message: WorkerToMaster::Heartbeat { .. }, .. }));
        // What the old leader hears before its deadline it answers, however late that arrives.
        if beats && now <= deadline {
            bench.now = (now + times.answer_takes).0;
            effects.extend(bench.say(MasterToWorker::HeartbeatSeen).to_vec());
        }
        if effects.contains(&Effect::Kill { run }) {
            return Mono(bench.now).min(limit.kill_at);
        }
        limit = told(&effects).unwrap_or(limit);
    }
    limit.kill_at
}

fn told(effects: &[Effect]) -> Option<Limit> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Spawn { launch, .. } => launch.limit,
        Effect::Limit { limit, .. } => Some(*limit),
        _ => None,
    })
}

fn next_alarm(bench: &mut Bench) -> Option<(Mono, Timer)> {
    let next = bench.alarms.iter().enumerate().min_by_key(|(index, (at, _))| (*at, *index))?.0;
    Some(bench.alarms.remove(next))
}

/// When a new leader starts the driver on another worker: it has heard nothing of the first one since it counts.
fn relaunched_at(times: &Times) -> Mono {
    let mut master =
        Master::new(MasterConfig { worker_timeout: times.worker_timeout, ..MasterConfig::new().unwrap() }, 1);
    let mut alarms: Vec<(Mono, master::Timer)> = Vec::new();
    let mut handle = |at: Mono, event: master::Event| {
        let mut effects = Vec::new();
        master.handle(Now { mono: at, wall: Wall(at.0) }, event, &mut effects);
        let launches = |effect: &master::Effect| {
            matches!(effect, master::Effect::ToWorker { message: MasterToWorker::Command(command), .. }
                if matches!(command.body, WorkerCommand::LaunchDriver { .. }))
        };
        let launched = effects.iter().any(launches);
        let armed: Vec<_> = effects
            .into_iter()
            .filter_map(|effect| match effect {
                master::Effect::Arm { timer, at } => Some((at, timer)),
                _ => None,
            })
            .collect();
        (launched, armed)
    };
    let counts_from = ZERO + times.deposed + times.takes_over;
    let elected = master::Event::Elected { leader: leader(OTHER, 2), recovered: Box::new(left_behind()) };
    alarms.extend(handle(counts_from, elected).1);
    let beat = || WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 };
    let session = SessionId(1);
    let other = master::Event::Worker { session, message: WorkerToMaster::Register(Box::new(other_worker())) };
    assert!(!handle(counts_from, other).0, "the driver is where it was");
    loop {
        alarms.sort();
        let (at, timer) = alarms.remove(0);
        handle(at, master::Event::Worker { session, message: beat() });
        let (launched, armed) = handle(at, master::Event::Timer(timer));
        if launched {
            return at;
        }
        alarms.extend(armed);
    }
}

/// What the old leader has left in the store: the worker with the driver on it.
fn left_behind() -> Recovered {
    let worker = WorkerRecord {
        id: WorkerId::new("worker-1").unwrap(),
        incarnation: Incarnation(7),
        host: "host".to_owned(),
        port: 4000,
        kind: WorkerKind::Own,
        ui_url: String::new(),
        cores: Cores(8),
        memory: Memory::mib(8192),
        resources: Addresses::default(),
        decommissioned: false,
        registered_at: Wall(0),
    };
    let description = DriverDescription { on_isolation: OnIsolation::Kill, ..driver(true) };
    let booking = Booking { cores: description.cores, memory: description.memory, resources: Addresses::default() };
    let driver = DriverRecord {
        id: driver_id(),
        description: Arc::new(description),
        submitted_at: Wall(0),
        request: None,
        attempt: Attempt(1),
        placement: Some(PlacementRecord { worker: worker.id.clone(), booking, epoch: Epoch(1), started: true }),
        kill_requested: false,
    };
    Recovered { workers: vec![worker], drivers: vec![driver], ..Recovered::default() }
}

fn other_worker() -> RegisterWorker {
    let mut bench = Bench::new(WorkerConfig { heard: Some((term(2), ClusterId::new("cluster").unwrap())), ..config() });
    bench.event(Event::Start);
    let link = bench.link;
    let registration = said(bench.event(Event::LinkOpened { link })).into_iter().find_map(|message| match message {
        WorkerToMaster::Register(registration) => Some(*registration),
        _ => None,
    });
    RegisterWorker {
        id: WorkerId::new("worker-2").unwrap(),
        host: "elsewhere".to_owned(),
        ..registration.expect("a registration is sent")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn two_copies_never_overlap(times in times()) {
        let (killed, relaunched) = (killed_at(&times), relaunched_at(&times));
        prop_assert!(killed + SIGKILL_HELPS_WITHIN <= relaunched, "killed at {:?}, launched again at {:?}", killed, relaunched);
    }

    #[test]
    fn the_margin_holds_the_longest_lease_allowed(timeout in 1u64..10_000_000, terminate in 0u64..10_000_000) {
        let timeout = Duration::from_millis(timeout);
        let Deadlines { start, kill } = deadlines(timeout, Duration::from_millis(terminate));
        prop_assert!(timeout / 2 <= start && start <= kill && kill + isolation_margin(timeout) == timeout);
        if let Some(late_word) = isolation_margin(timeout).checked_sub(DEADLINE_BEFORE_END) {
            prop_assert!(kill + late_word + SIGKILL_HELPS_WITHIN <= timeout);
        }
    }
}
