//! The example as a whole: driver, executors, and a master that gives them; executors and leaders are lost on the way.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tanist_client::MasterList;
use tanist_client::pi::{self, PiOptions, PiReport};
use tanist_core::ids::{ExecutorId, WorkerId};
use tanist_core::model::{ApplicationDescription, ExecutorState};
use tanist_core::msg::{AppNotice, AppToMaster};
use tanist_core::units::{Cores, Memory};

use support::master::{FakeMaster, Store};
use support::{LIMIT, Process};

/// The workers of a fake cluster: executors are runtimes of this process, started with the arguments that a worker
/// would make of the description.
#[derive(Default)]
struct Workers {
    running: BTreeMap<u32, Process>,
    next: u32,
    target: u32,
    /// Requests of which the master has told already.
    seen: usize,
    killed: BTreeSet<u32>,
}

impl Workers {
    /// Does what the application has asked of this master since the last time.
    fn serve(&mut self, master: &FakeMaster) {
        let heard: Vec<AppToMaster> = master.script().heard[self.seen..].to_vec();
        self.seen += heard.len();
        for message in heard {
            match message {
                AppToMaster::Register(register) => {
                    let first = register.description.initial_executor_limit.unwrap();
                    self.target = register.targets.values().copied().next().unwrap_or(first);
                }
                AppToMaster::RequestExecutors { targets, .. } => self.target = *targets.values().next().unwrap(),
                AppToMaster::KillExecutors { executors, .. } => {
                    for executor in executors {
                        self.end(master, executor.0, ExecutorState::Killed);
                        self.killed.insert(executor.0);
                    }
                }
                AppToMaster::Heartbeat | AppToMaster::Unregister => {}
            }
        }
        let registration = master.script().registrations.last().cloned();
        let Some(registration) = registration.filter(|_| master.script().role.leads()) else { return };
        while self.running.len() < self.target as usize {
            self.launch(master, &registration.description);
        }
    }

    fn launch(&mut self, master: &FakeMaster, description: &ApplicationDescription) {
        let id = self.next;
        self.next += 1;
        let substituted = |argument: &String| match argument.as_str() {
            "{{EXECUTOR_ID}}" => id.to_string(),
            "{{HOSTNAME}}" => "localhost".to_owned(),
            "{{CORES}}" => "1".to_owned(),
            "{{APP_ID}}" => "app-0".to_owned(),
            "{{WORKER_URL}}" => "spark://Worker@localhost:1".to_owned(),
            "{{RESOURCE_PROFILE_ID}}" => "0".to_owned(),
            other => other.to_owned(),
        };
        let mut arguments: Vec<String> = description.command.arguments.iter().map(substituted).collect();
        assert_eq!(arguments.remove(0), pi::EXECUTOR_COMMAND);
        let process = Process::new();
        process.run(pi::run_executor(arguments));
        self.running.insert(id, process);
        master.notify(AppNotice::ExecutorAdded {
            executor: ExecutorId(id),
            worker: WorkerId::new("worker-1").unwrap(),
            worker_address: "localhost:1".to_owned(),
            cores: Cores(1),
            memory: Memory::mib(128),
            profile: tanist_core::ids::ProfileId(0),
        });
    }

    fn end(&mut self, master: &FakeMaster, id: u32, state: ExecutorState) {
        self.running.remove(&id);
        master.notify(AppNotice::ExecutorUpdated {
            executor: ExecutorId(id),
            state,
            message: Some("by the test".to_owned()),
            exit_status: None,
            worker_host: None,
        });
    }
}

fn options(masters: &[&FakeMaster]) -> PiOptions {
    let addresses: Vec<&str> = masters.iter().map(|master| master.address.as_str()).collect();
    PiOptions {
        slices: 24,
        samples: 20_000,
        task_time: Duration::from_millis(30),
        ..PiOptions::new(MasterList::parse("--master", &addresses.join(",")).unwrap())
    }
}

/// What a driver tells, to be read while it runs.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Out {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the driver while `each_round` plays the cluster; gives the report and what was told.
async fn run(options: PiOptions, mut each_round: impl FnMut(&str)) -> (PiReport, String) {
    let told = Out::default();
    let mut out = told.clone();
    let driver = tokio::spawn(async move { pi::run(options, &mut out).await });
    let began = Instant::now();
    while !driver.is_finished() {
        let so_far = told.text();
        assert!(began.elapsed() < LIMIT, "no π within {LIMIT:?}:\n{so_far}");
        each_round(&so_far);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (driver.await.unwrap().unwrap(), told.text())
}

#[tokio::test]
async fn it_scales_up_and_down_and_the_result_is_the_same_as_on_one_executor() {
    let store = Store::default();
    let master = FakeMaster::start(&store).await;
    master.lead(1);
    let mut workers = Workers::default();
    let (report, told) = run(options(&[&master]), |_| workers.serve(&master)).await;
    assert!((report.pi - std::f64::consts::PI).abs() < 5.0 * report.standard_error, "{report:?}");
    assert_eq!((report.samples, report.tasks_finished, report.tasks_retried), (480_000, 24, 0));
    assert_eq!((report.executors_added, report.executors_lost, report.leaders), (4, 0, 1), "{told}");
    assert_eq!(workers.killed, BTreeSet::from([2, 3]), "the youngest ones are ended");
    let in_order =
        ["registered as app-0", "asked for 4 executors", "asked for 2 executors", "idle executors 3, 2", "π is 3.1"];
    let mut rest = told.as_str();
    for words in in_order {
        let at = rest.find(words).unwrap_or_else(|| panic!("{words:?} in its place in:\n{told}"));
        rest = &rest[at..];
    }

    let alone = FakeMaster::start(&Store::default()).await;
    alone.lead(1);
    let mut workers = Workers::default();
    let one = PiOptions { executors: 1, task_time: Duration::ZERO, ..options(&[&alone]) };
    let (same, _) = run(one, |_| workers.serve(&alone)).await;
    assert_eq!(same.pi.to_bits(), report.pi.to_bits());
    assert_eq!(same.executors_added, 1);
}

#[tokio::test]
async fn it_survives_the_loss_of_executors_and_of_the_leader() {
    let store = Store::default();
    let (mut one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    two.follow(Some(one.lead(1)));
    let mut workers = Workers::default();
    let (mut executor_lost, mut leader_lost) = (false, false);
    // Long enough for the client to find the new leader before the last slice is done.
    let steady = PiOptions { steady: true, task_time: Duration::from_millis(300), ..options(&[&one, &two]) };
    let (report, told) = run(steady, |told| {
        if !leader_lost {
            workers.serve(&one);
        }
        if !executor_lost && told.contains("tasks done") {
            executor_lost = true;
            workers.end(&one, 0, ExecutorState::Lost);
        }
        if executor_lost && !leader_lost && told.contains("executor 4 on") {
            leader_lost = true;
            one.kill();
            two.lead(2);
            workers.seen = 0;
        }
        if leader_lost {
            workers.serve(&two);
        }
    })
    .await;
    assert!(leader_lost, "{told}");
    assert_eq!((report.tasks_finished, report.leaders), (24, 2), "{told}");
    assert_eq!((report.executors_added, report.executors_lost), (5, 1), "none but the lost one was replaced: {told}");
    assert!(report.tasks_retried <= 1, "{report:?}");
    assert!(told.contains("no leader for the moment") && told.contains("in term 0.2"), "{told}");
    assert!((report.pi - std::f64::consts::PI).abs() < 5.0 * report.standard_error, "{report:?}");
    assert!(report.elapsed < LIMIT);
}

#[tokio::test]
async fn nothing_to_do_is_refused_by_name() {
    let masters = MasterList::parse("--master", "127.0.0.1:1").unwrap();
    for (options, flag) in [
        (PiOptions { slices: 0, ..PiOptions::new(masters.clone()) }, "--slices \"0\" must be at least 1"),
        (PiOptions { samples: 0, ..PiOptions::new(masters.clone()) }, "--samples \"0\""),
        (PiOptions { executors: 0, ..PiOptions::new(masters.clone()) }, "--executors \"0\""),
    ] {
        let error = pi::run(options, &mut std::io::sink()).await.unwrap_err().to_string();
        assert!(error.starts_with(flag), "{error}");
    }
}
