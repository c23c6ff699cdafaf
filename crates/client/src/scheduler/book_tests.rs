//! The books: who gets what, what is tried again, and that no core is used twice.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use tanist_core::app::Loss;
use tanist_core::ids::ExecutorId;
use tanist_core::units::Cores;

use super::blame::Removal;
use super::book::{Book, Launch, TaskId};
use super::task::{RunError, Task};

fn tasks(count: usize) -> Vec<Task> {
    (0..count).map(|index| Task { function: "f".to_owned(), payload: vec![u8::try_from(index).unwrap()] }).collect()
}

fn book(executors: &[(u32, u32)]) -> Book {
    let mut book = Book::new(3);
    for (id, cores) in executors {
        book.register(ExecutorId(*id), "host".to_owned(), Cores(*cores)).unwrap();
    }
    book
}

fn served(launches: &[Launch]) -> Vec<u32> {
    launches.iter().map(|launch| launch.executor.0).collect()
}

fn fault() -> Removal {
    Removal::reported("exit".to_owned(), &Loss::Exited { code: 1, caused_by_app: true })
}

#[test]
fn ac_12_an_id_registers_once_in_the_life_of_an_application() {
    let mut book = book(&[(1, 1)]);
    let again = book.register(ExecutorId(1), "other".to_owned(), Cores(1)).unwrap_err();
    assert!(again.contains("duplicate executor id 1"), "{again}");
    book.remove(ExecutorId(1), &Removal::disconnected());
    let reused = book.register(ExecutorId(1), "host".to_owned(), Cores(1)).unwrap_err();
    assert!(reused.contains("used up"), "{reused}");
    assert!(book.register(ExecutorId(2), "host".to_owned(), Cores(0)).unwrap_err().contains("0 cores"));
    assert_eq!((book.counts().registered, book.counts().lost), (1, 1));
}

#[test]
fn ac_12_tasks_go_to_executors_in_turn_as_far_as_cores_are_free() {
    let mut book = book(&[(1, 2), (2, 1), (3, 3)]);
    book.add(tasks(8));
    assert_eq!(served(&book.offer()), [1, 2, 3, 1, 3, 3]);
    assert_eq!((book.counts().running, book.counts().waiting), (6, 2));
    book.finished(ExecutorId(2), TaskId(1), Ok(Vec::new()));
    assert_eq!(served(&book.offer()), [2], "the core that became free");
    book.register(ExecutorId(4), "host".to_owned(), Cores(1)).unwrap();
    assert_eq!(served(&book.offer()), [4], "the executor that came later");
}

#[test]
fn results_stand_in_the_order_of_the_tasks() {
    let mut book = book(&[(1, 3)]);
    book.add(tasks(3));
    let launches = book.offer();
    let mut last = None;
    for launch in launches.iter().rev() {
        last = book.finished(launch.executor, launch.task, Ok(launch.what.payload.clone()));
    }
    assert_eq!(last.unwrap().outcome, Ok(vec![vec![0], vec![1], vec![2]]));
    let (_, ended) = book.add(Vec::new());
    assert_eq!(ended.unwrap().outcome, Ok(Vec::new()), "nothing to do is done at once");
}

#[test]
fn a_lost_executors_tasks_are_tried_elsewhere_first() {
    let mut book = book(&[(1, 2), (2, 1)]);
    book.add(tasks(4));
    assert_eq!(served(&book.offer()), [1, 2, 1]);
    book.close(ExecutorId(1));
    assert!(book.offer().is_empty(), "a disconnected executor gets nothing");
    assert!(book.remove(ExecutorId(1), &Removal::disconnected()).is_empty());
    assert!(book.finished(ExecutorId(1), TaskId(0), Ok(vec![9])).is_none(), "it is not heard any more");
    let mut order = Vec::new();
    let mut ended = book.finished(ExecutorId(2), TaskId(1), Ok(vec![1]));
    while let [launch] = &book.offer()[..] {
        order.push(launch.task.0);
        ended = book.finished(ExecutorId(2), launch.task, Ok(launch.what.payload.clone()));
    }
    assert_eq!(order, [0, 2, 3], "what was interrupted goes first");
    assert_eq!(ended.unwrap().outcome, Ok(vec![vec![0], vec![1], vec![2], vec![3]]));
    assert_eq!((book.counts().retried, book.counts().lost), (2, 1));
}

#[test]
fn ac_07_only_faults_of_the_application_count_against_a_task() {
    let mut book = book(&[]);
    book.add(tasks(1));
    let innocent = [
        Removal::disconnected(),
        Removal::silent(Duration::from_secs(1)),
        Removal::reported(String::new(), &Loss::Requested),
        Removal::reported(String::new(), &Loss::Exited { code: 56, caused_by_app: false }),
        Removal::reported(
            String::new(),
            &Loss::ProcessLost { worker_host: Some("h".to_owned()), caused_by_app: false },
        ),
    ];
    let mut next = 0;
    let mut lose = |book: &mut Book, removal: &Removal| {
        next += 1;
        book.register(ExecutorId(next), "host".to_owned(), Cores(1)).unwrap();
        assert_eq!(book.offer().len(), 1);
        book.remove(ExecutorId(next), removal)
    };
    for removal in innocent {
        assert!(lose(&mut book, &removal).is_empty());
    }
    assert!(lose(&mut book, &fault()).is_empty());
    assert!(lose(&mut book, &fault()).is_empty());
    let ended = lose(&mut book, &fault());
    let error = ended[0].outcome.clone().unwrap_err();
    assert!(matches!(error, RunError::TaskFailed { index: 0, failures: 3, .. }), "{error}");
    assert!(error.to_string().contains("executor 8 on host was removed: exit"), "{error}");
}

#[test]
fn a_failed_run_stops_what_runs_of_it_and_leaves_others_alone() {
    let mut book = book(&[(1, 4)]);
    book.add(tasks(2));
    book.add(tasks(1));
    let launches = book.offer();
    let bad = launches[0].task;
    let mut ended = None;
    for failure in 1..=3 {
        ended = book.finished(ExecutorId(1), bad, Err(format!("failure {failure}")));
        let again: Vec<TaskId> = book.offer().iter().map(|launch| launch.task).collect();
        assert_eq!(again, if failure < 3 { vec![bad] } else { Vec::new() });
    }
    let ended = ended.unwrap();
    assert_eq!(ended.stop, [(ExecutorId(1), launches[1].task)]);
    assert!(ended.outcome.unwrap_err().to_string().ends_with("failed 3 times, the last time on executor 1: failure 3"));
    assert_eq!(book.counts().running, 2, "its core is used until the executor says so");
    book.finished(ExecutorId(1), launches[1].task, Err("cancelled".to_owned()));
    let other = book.finished(ExecutorId(1), launches[2].task, Ok(vec![7])).unwrap();
    assert_eq!(other.outcome, Ok(vec![vec![7]]));
    assert_eq!(book.counts().running, 0);
}

#[derive(Debug, Clone)]
enum Step {
    Register(u32),
    Finish(prop::sample::Index, bool),
    Close(prop::sample::Index),
    Lose(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1u32..4).prop_map(Step::Register),
        6 => (any::<prop::sample::Index>(), prop::bool::weighted(0.9)).prop_map(|(which, ok)| Step::Finish(which, ok)),
        1 => any::<prop::sample::Index>().prop_map(Step::Close),
        1 => any::<prop::sample::Index>().prop_map(Step::Lose),
    ]
}

proptest! {
    /// Whatever happens to executors: no core has two tasks, no task runs twice at a time, and once things are quiet
    /// every run has ended exactly once, with its own results.
    #[test]
    fn every_run_ends_once_and_no_core_is_used_twice(steps in prop::collection::vec(step(), 1..120), count in 1usize..30) {
        let mut book = Book::new(1000);
        let (run, _) = book.add(tasks(count));
        let mut cores: BTreeMap<ExecutorId, u32> = BTreeMap::new();
        let mut running: Vec<Launch> = Vec::new();
        let mut ends = Vec::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Register(with) => {
                    next += 1;
                    book.register(ExecutorId(next), "host".to_owned(), Cores(with)).unwrap();
                    cores.insert(ExecutorId(next), with);
                }
                Step::Finish(which, ok) if !running.is_empty() => {
                    let launch = running.swap_remove(which.index(running.len()));
                    let outcome = if ok { Ok(launch.what.payload.clone()) } else { Err("no".to_owned()) };
                    ends.extend(book.finished(launch.executor, launch.task, outcome));
                }
                Step::Close(which) if !cores.is_empty() => {
                    book.close(*cores.keys().nth(which.index(cores.len())).unwrap());
                }
                Step::Lose(which) if !cores.is_empty() => {
                    let id = *cores.keys().nth(which.index(cores.len())).unwrap();
                    cores.remove(&id);
                    running.retain(|launch| launch.executor != id);
                    ends.extend(book.remove(id, &Removal::disconnected()));
                }
                Step::Finish(..) | Step::Close(_) | Step::Lose(_) => {}
            }
            running.extend(book.offer());
            let mut seen: Vec<TaskId> = running.iter().map(|launch| launch.task).collect();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), running.len());
            for (id, cores) in &cores {
                prop_assert!(running.iter().filter(|launch| launch.executor == *id).count() <= *cores as usize);
            }
        }
        book.register(ExecutorId(next + 1), "host".to_owned(), Cores(2)).unwrap();
        running.extend(book.offer());
        while let Some(launch) = running.pop() {
            ends.extend(book.finished(launch.executor, launch.task, Ok(launch.what.payload.clone())));
            running.extend(book.offer());
        }
        prop_assert_eq!(ends.len(), 1);
        prop_assert_eq!(ends[0].run, run);
        let wanted: Vec<Vec<u8>> = tasks(count).into_iter().map(|task| task.payload).collect();
        prop_assert_eq!(&ends[0].outcome, &Ok(wanted));
    }
}
