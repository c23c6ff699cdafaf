//! Scheduler and executors against each other, over real connections on loopback.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use tanist_client::app::{Listener, Loss, Notice};
use tanist_client::executor::{self, ExecutorArgs, Exit, Functions, exit};
use tanist_client::scheduler::{MAX_PAYLOAD_BYTES, RunError, Scheduler, SchedulerOptions, Task};
use tanist_core::ids::{AppId, ExecutorId, ExecutorRef, ProfileId};
use tanist_core::model::{Addresses, LeaderInfo};
use tanist_core::units::Cores;

use support::{LIMIT, Process, eventually, soon};

/// Closed until it is opened, for all who wait at it.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// False = it was not opened within the time.
    fn pass(&self, within: Duration) -> bool {
        let closed = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(closed, within, |open| !*open).unwrap().0
    }
}

fn app() -> AppId {
    AppId::new("app-1").unwrap()
}

fn functions() -> Functions {
    Functions::new()
        .with("square", |payload, _| Ok(vec![payload[0].wrapping_mul(payload[0])]))
        .with("fail", |payload, _| Err(format!("cannot do {}", payload[0])))
        .with("panic", |_, _| panic!("by design"))
        .with("large", |_, _| Ok(vec![0; MAX_PAYLOAD_BYTES + 1]))
}

fn executor(process: &Process, scheduler: &Scheduler, id: u32, functions: Functions) -> JoinHandle<Exit> {
    let args = ExecutorArgs {
        driver: scheduler.address().to_owned(),
        id: ExecutorId(id),
        host: format!("host-{id}"),
        cores: Cores(1),
        app: app(),
        worker_url: None,
        profile: ProfileId(0),
        resources: Addresses::default(),
    };
    process.run(async move { executor::run(&args, &functions).await })
}

async fn scheduler() -> Scheduler {
    Scheduler::start(SchedulerOptions::default()).await.unwrap()
}

async fn registered(scheduler: &Scheduler, executors: usize) {
    let mut counts = scheduler.counts();
    soon("executors", counts.wait_for(|counts| counts.executors == executors)).await.unwrap();
}

fn tasks(function: &str, count: u8) -> Vec<Task> {
    (0..count).map(|number| Task { function: function.to_owned(), payload: vec![number] }).collect()
}

fn squares(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|number| vec![number.wrapping_mul(number)]).collect()
}

fn removed(id: u32, loss: Loss) -> Notice {
    let executor = ExecutorRef { app: app(), id: ExecutorId(id) };
    Notice::ExecutorRemoved { executor, message: "why".to_owned(), loss }
}

const WORKER_LOST: Loss = Loss::ProcessLost { worker_host: None, caused_by_app: false };

#[tokio::test]
async fn results_come_in_the_order_of_the_tasks_from_all_executors() {
    let (scheduler, process) = (scheduler().await, Process::new());
    let ran_on: Arc<[AtomicUsize; 3]> = Arc::default();
    for id in 0..3 {
        let ran_on = Arc::clone(&ran_on);
        let functions = functions().with("square", move |payload, _| {
            ran_on[id as usize].fetch_add(1, Ordering::Relaxed);
            Ok(vec![payload[0].wrapping_mul(payload[0])])
        });
        executor(&process, &scheduler, id, functions);
    }
    registered(&scheduler, 3).await;
    let results = soon("results", scheduler.run_tasks(tasks("square", 60))).await.unwrap();
    assert_eq!(results, squares(60));
    assert!(ran_on.iter().all(|count| count.load(Ordering::Relaxed) > 0), "{ran_on:?}");
    assert_eq!(soon("nothing to do", scheduler.run_tasks(Vec::new())).await, Ok(Vec::new()));
    let counts = *scheduler.counts().borrow();
    assert_eq!((counts.finished, counts.retried, counts.lost, counts.cores), (60, 0, 0, 3));
}

#[tokio::test]
async fn ac_12_a_duplicate_executor_id_is_refused_and_the_first_one_goes_on() {
    let (scheduler, process) = (scheduler().await, Process::new());
    let mut first = executor(&process, &scheduler, 1, functions());
    registered(&scheduler, 1).await;
    let second = soon("refusal", executor(&process, &scheduler, 1, functions())).await.unwrap();
    assert_eq!(second.code, exit::REFUSED);
    assert!(second.why.contains("duplicate executor id 1"), "{second}");
    assert_eq!(soon("results", scheduler.run_tasks(tasks("square", 3))).await.unwrap(), squares(3));
    assert!(!first.is_finished());

    // One of another application is refused as soon as ours is known.
    scheduler.notices().told(Notice::Connected { app: AppId::new("app-2").unwrap(), leader: leader() }).await;
    let foreign = soon("refusal", executor(&process, &scheduler, 2, functions())).await.unwrap();
    assert_eq!(foreign.code, exit::REFUSED);
    assert!(foreign.why.contains("application app-2, not of app-1"), "{foreign}");

    scheduler.stop().await;
    assert_eq!(soon("stop", &mut first).await.unwrap().code, exit::STOPPED);
}

fn leader() -> LeaderInfo {
    support::master::leader_info("m:1", 1)
}

/// One executor that gets stuck at its first task and one that does not; the first is killed in the middle of it.
async fn kill_one_in_the_middle(scheduler: &Scheduler) -> (Process, JoinHandle<Result<Vec<Vec<u8>>, RunError>>) {
    let (mut doomed, other) = (Process::new(), Process::new());
    let (reached, never) = (Gate::default(), Gate::default());
    let stuck = {
        let reached = reached.clone();
        functions().with("square", move |_, context| {
            reached.open();
            while !never.pass(Duration::from_millis(10)) && !context.is_cancelled() {}
            Err("killed".to_owned())
        })
    };
    executor(&doomed, scheduler, 1, stuck);
    registered(scheduler, 1).await;
    executor(&other, scheduler, 2, functions());
    registered(scheduler, 2).await;
    let run = tokio::spawn(scheduler.run_tasks(tasks("square", 20)));
    let at_gate = tokio::task::spawn_blocking(move || reached.pass(LIMIT));
    assert!(at_gate.await.unwrap());
    doomed.kill();
    (other, run)
}

#[tokio::test]
async fn a_lost_executors_task_is_tried_elsewhere_once_the_master_says_why() {
    let options = SchedulerOptions { removal_delay: LIMIT * 2, ..SchedulerOptions::default() };
    let scheduler = Scheduler::start(options).await.unwrap();
    let (_other, run) = kill_one_in_the_middle(&scheduler).await;
    let mut counts = scheduler.counts();
    soon("the rest", counts.wait_for(|counts| counts.finished == 19 && counts.executors == 1)).await.unwrap();
    assert!(!run.is_finished(), "AC-10: the last task waits for the master's word");
    scheduler.notices().told(removed(1, WORKER_LOST)).await;
    assert_eq!(soon("results", run).await.unwrap().unwrap(), squares(20), "the same result");
    let counts = *scheduler.counts().borrow();
    assert_eq!((counts.finished, counts.retried, counts.lost), (20, 1, 1));
}

#[tokio::test]
async fn ac_10_without_the_masters_word_a_lost_connection_is_enough_after_a_while() {
    let options = SchedulerOptions { removal_delay: Duration::from_millis(50), ..SchedulerOptions::default() };
    let mut scheduler = Scheduler::start(options).await.unwrap();
    let mut condemned = scheduler.take_condemned().unwrap();
    let (_other, run) = kill_one_in_the_middle(&scheduler).await;
    assert_eq!(soon("results", run).await.unwrap().unwrap(), squares(20));
    assert_eq!(soon("condemned", condemned.recv()).await, Some(ExecutorId(1)), "the master is to replace it");
    let counts = *scheduler.counts().borrow();
    assert_eq!((counts.retried, counts.lost), (1, 1));
}

#[tokio::test]
async fn a_task_that_always_fails_fails_its_run_and_no_other() {
    let options = SchedulerOptions { max_task_failures: 3, ..SchedulerOptions::default() };
    let scheduler = Scheduler::start(options).await.unwrap();
    let process = Process::new();
    executor(&process, &scheduler, 1, functions());
    for (function, words) in [
        ("fail", "cannot do 0"),
        ("panic", "the function panicked: by design"),
        ("large", "its result has 3145729 bytes, but at most 3145728 are allowed"),
        ("missing", "function \"missing\" is unknown here; known are: fail, large, panic, square"),
    ] {
        let error = soon("failure", scheduler.run_tasks(tasks(function, 1))).await.unwrap_err();
        assert!(matches!(error, RunError::TaskFailed { index: 0, failures: 3, .. }), "{error:?}");
        assert!(error.to_string().ends_with(words), "{error}");
    }
    assert_eq!(soon("results", scheduler.run_tasks(tasks("square", 3))).await.unwrap(), squares(3));
    let oversized = Task { function: "square".to_owned(), payload: vec![0; MAX_PAYLOAD_BYTES + 1] };
    let error = scheduler.run_tasks(vec![oversized]).await.unwrap_err();
    assert!(matches!(error, RunError::PayloadTooLarge { index: 0, .. }), "{error}");
}

#[tokio::test]
async fn more_executors_take_more_tasks_and_dismissed_ones_none() {
    let (scheduler, process) = (scheduler().await, Process::new());
    let gate = Gate::default();
    let waiting = || {
        let gate = gate.clone();
        functions().with("wait", move |payload, context| {
            while !gate.pass(Duration::from_millis(10)) && !context.is_cancelled() {}
            Ok(payload.to_vec())
        })
    };
    let run = tokio::spawn(scheduler.run_tasks(tasks("wait", 4)));
    let mut counts = scheduler.counts();
    soon("tasks wait", counts.wait_for(|counts| counts.waiting == 4)).await.unwrap();
    for id in 0..3 {
        executor(&process, &scheduler, id, waiting());
    }
    soon("all cores are used", counts.wait_for(|counts| (counts.running, counts.waiting) == (3, 1))).await.unwrap();
    scheduler.dismiss(vec![ExecutorId(0), ExecutorId(1)]).await;
    registered(&scheduler, 1).await;
    gate.open();
    assert_eq!(soon("results", run).await.unwrap().unwrap().len(), 4, "what ran may still end");
    scheduler.notices().told(removed(0, Loss::Requested)).await;
    // Asked for by us, however the master calls it.
    scheduler.notices().told(removed(1, Loss::Exited { code: 143, caused_by_app: true })).await;
    soon("results", scheduler.run_tasks(tasks("square", 5))).await.unwrap();
    let executors = scheduler.executors().await;
    assert_eq!(executors.iter().map(|executor| executor.id).collect::<Vec<_>>(), [ExecutorId(2)]);
    assert_eq!(scheduler.counts().borrow().lost, 0);
}

#[tokio::test]
async fn an_executor_ends_when_its_driver_disappears() {
    let process = Process::new();
    let mut driver = Process::new();
    let scheduler = driver.run(scheduler()).await.unwrap();
    let first = executor(&process, &scheduler, 1, functions());
    registered(&scheduler, 1).await;
    driver.kill();
    let ended = soon("its end", first).await.unwrap();
    assert_eq!(ended.code, exit::DRIVER_GONE, "{ended}");
    drop(scheduler);

    // The same where the driver lives on and only its scheduler is dropped.
    let scheduler = self::scheduler().await;
    let second = executor(&process, &scheduler, 1, functions());
    registered(&scheduler, 1).await;
    drop(scheduler);
    assert_eq!(soon("its end", second).await.unwrap().code, exit::DRIVER_GONE);
}

#[tokio::test]
async fn an_executor_whose_worker_is_lost_to_the_master_is_stopped_by_its_driver() {
    let (scheduler, process) = (scheduler().await, Process::new());
    let lost = executor(&process, &scheduler, 1, functions());
    registered(&scheduler, 1).await;
    scheduler.notices().told(removed(1, WORKER_LOST)).await;
    assert_eq!(soon("its end", lost).await.unwrap().code, exit::STOPPED);
}

#[tokio::test]
async fn ac_05_the_end_of_the_application_ends_its_runs() {
    let scheduler = scheduler().await;
    let run = tokio::spawn(scheduler.run_tasks(tasks("square", 4)));
    let mut counts = scheduler.counts();
    soon("tasks wait", counts.wait_for(|counts| counts.waiting == 4)).await.unwrap();
    scheduler.notices().told(Notice::Dead { reason: "removed".to_owned() }).await;
    let over = RunError::ApplicationEnded { why: "removed".to_owned() };
    assert_eq!(soon("the end", run).await.unwrap().unwrap_err(), over);
    assert_eq!(soon("the end", scheduler.run_tasks(tasks("square", 1))).await.unwrap_err(), over);
}

#[tokio::test]
async fn tasks_that_nobody_waits_for_are_stopped() {
    let (scheduler, process) = (scheduler().await, Process::new());
    let (never, stopped) = (Gate::default(), Gate::default());
    let functions = {
        let stopped = stopped.clone();
        functions().with("wait", move |_, context| {
            while !context.is_cancelled() && !never.pass(Duration::from_millis(10)) {}
            stopped.open();
            Err("cancelled".to_owned())
        })
    };
    executor(&process, &scheduler, 1, functions);
    let run = tokio::spawn(scheduler.run_tasks(tasks("wait", 2)));
    let mut counts = scheduler.counts();
    soon("it runs", counts.wait_for(|counts| counts.running == 1)).await.unwrap();
    run.abort();
    assert!(tokio::task::spawn_blocking(move || stopped.pass(LIMIT)).await.unwrap());
    soon("it is over", counts.wait_for(|counts| (counts.running, counts.waiting) == (0, 0))).await.unwrap();
    assert_eq!(soon("results", scheduler.run_tasks(tasks("square", 2))).await.unwrap(), squares(2));
}

#[tokio::test]
async fn ac_14_the_first_task_waits_for_enough_cores() {
    let options = SchedulerOptions {
        expected_cores: Cores(4),
        min_registered_ratio: 0.5,
        max_registered_wait: LIMIT * 2,
        ..SchedulerOptions::default()
    };
    let (scheduler, process) = (Scheduler::start(options).await.unwrap(), Process::new());
    let run = tokio::spawn(scheduler.run_tasks(tasks("square", 2)));
    executor(&process, &scheduler, 1, functions());
    registered(&scheduler, 1).await;
    let waiting = |counts: &tanist_client::scheduler::Counts| (counts.waiting, counts.running) == (2, 0);
    soon("tasks wait", scheduler.counts().wait_for(waiting)).await.unwrap();
    executor(&process, &scheduler, 2, functions());
    assert_eq!(soon("results", run).await.unwrap().unwrap(), squares(2));
}

#[tokio::test]
async fn a_silent_executor_is_given_up_and_named_for_its_end() {
    let options = SchedulerOptions { executor_timeout: Duration::from_millis(200), ..SchedulerOptions::default() };
    let (mut scheduler, process) = (Scheduler::start(options).await.unwrap(), Process::new());
    let mut condemned = scheduler.take_condemned().unwrap();
    // Its heartbeats come every 10 s: too rarely for this driver.
    let silent = executor(&process, &scheduler, 1, functions());
    assert_eq!(soon("condemned", condemned.recv()).await, Some(ExecutorId(1)));
    assert_eq!(soon("its end", silent).await.unwrap().code, exit::STOPPED);
    eventually("counted", || (scheduler.counts().borrow().lost == 1).then_some(())).await;
}
