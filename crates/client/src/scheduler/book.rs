//! The books of a scheduler: which executor has which cores free, which task runs where, which run of tasks waits for
//! what. Plain data; whoever owns it sends and receives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tanist_core::ids::ExecutorId;
use tanist_core::units::Cores;

use super::blame::Removal;
use super::task::{RunError, Task};

/// A task, numbered over the whole application. It keeps its number when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskId(pub(super) u64);

/// One list of tasks that was asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RunId(pub(super) u64);

/// A registered executor.
#[derive(Debug, Clone)]
struct Executor {
    host: String,
    cores: Cores,
    running: BTreeSet<TaskId>,
    /// It gets nothing new: it is disconnected, or its worker is leaving.
    closed: bool,
}

impl Executor {
    fn free(&self) -> usize {
        (self.cores.0 as usize).saturating_sub(self.running.len())
    }
}

#[derive(Debug)]
struct Entry {
    run: RunId,
    index: usize,
    task: Arc<Task>,
    failures: u32,
}

#[derive(Debug)]
struct Run {
    results: Vec<Option<Vec<u8>>>,
    missing: usize,
}

/// A task to send to an executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) executor: ExecutorId,
    pub(super) task: TaskId,
    pub(super) what: Arc<Task>,
}

/// A run of tasks that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) run: RunId,
    pub(super) outcome: Result<Vec<Vec<u8>>, RunError>,
    /// Tasks of it that still run, to be stopped.
    pub(super) stop: Vec<(ExecutorId, TaskId)>,
}

/// An executor as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorInfo {
    /// Its number.
    pub id: ExecutorId,
    /// Host it runs on.
    pub host: String,
    /// Tasks it can run at a time.
    pub cores: Cores,
    /// Tasks it runs.
    pub running: usize,
}

/// How things stand, and what has happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Executors that are registered and connected.
    pub executors: usize,
    /// Their cores.
    pub cores: u32,
    /// Tasks that wait for a free core.
    pub waiting: usize,
    /// Tasks that run.
    pub running: usize,
    /// Tasks that ended well, ever.
    pub finished: u64,
    /// Tries that came to nothing and were followed by another one, ever.
    pub retried: u64,
    /// Executors that registered, ever.
    pub registered: u64,
    /// Executors that went without having been asked to, ever.
    pub lost: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Book {
    max_failures: u32,
    executors: BTreeMap<ExecutorId, Executor>,
    /// Executors that are gone for good, with the reason.
    removed: BTreeMap<ExecutorId, String>,
    tasks: BTreeMap<TaskId, Entry>,
    waiting: VecDeque<TaskId>,
    runs: BTreeMap<RunId, Run>,
    next_task: u64,
    next_run: u64,
    /// Executor that got the last task: the next offer begins behind it.
    last_served: Option<ExecutorId>,
    totals: Counts,
}

impl Book {
    /// `max_failures` is how often one task may fail before its run fails, at least 1.
    pub(super) fn new(max_failures: u32) -> Self {
        Self { max_failures: max_failures.max(1), ..Self::default() }
    }

    /// AC-12: an id registers once in the life of an application. `Err` = why it is refused.
    pub(super) fn register(&mut self, id: ExecutorId, host: String, cores: Cores) -> Result<(), String> {
        if self.executors.contains_key(&id) {
            return Err(format!("duplicate executor id {id}: it is registered already"));
        }
        if let Some(reason) = self.removed.get(&id) {
            return Err(format!("executor id {id} is used up, it was removed: {reason}"));
        }
        if cores == Cores::ZERO {
            return Err(format!("executor {id} has 0 cores; at least 1 is needed"));
        }
        self.executors.insert(id, Executor { host, cores, running: BTreeSet::new(), closed: false });
        self.totals.registered += 1;
        Ok(())
    }

    /// It gets no further task; those that run are left to it.
    pub(super) fn close(&mut self, id: ExecutorId) {
        if let Some(executor) = self.executors.get_mut(&id) {
            executor.closed = true;
        }
    }

    /// It is gone: its tasks are tried elsewhere.
    pub(super) fn remove(&mut self, id: ExecutorId, removal: &Removal) -> Vec<Ended> {
        self.removed.entry(id).or_insert_with(|| removal.reason.clone());
        let Some(executor) = self.executors.remove(&id) else { return Vec::new() };
        if !removal.requested {
            self.totals.lost += 1;
        }
        let reason = format!("executor {id} on {} was removed: {}", executor.host, removal.reason);
        // From the last to the first: each goes to the front of the queue.
        let tasks = executor.running.into_iter().rev();
        tasks.filter_map(|task| self.try_again(task, id, &reason, removal.blames_tasks)).collect()
    }

    /// Takes a list of tasks. An empty one is over at once.
    pub(super) fn add(&mut self, tasks: Vec<Task>) -> (RunId, Option<Ended>) {
        let run = RunId(self.next_run);
        self.next_run += 1;
        let missing = tasks.len();
        if missing == 0 {
            return (run, Some(Ended { run, outcome: Ok(Vec::new()), stop: Vec::new() }));
        }
        self.runs.insert(run, Run { results: vec![None; missing], missing });
        for (index, task) in tasks.into_iter().enumerate() {
            let id = TaskId(self.next_task);
            self.next_task += 1;
            self.tasks.insert(id, Entry { run, index, task: Arc::new(task), failures: 0 });
            self.waiting.push_back(id);
        }
        (run, None)
    }

    /// Gives waiting tasks to free cores, one to each executor in turn.
    pub(super) fn offer(&mut self) -> Vec<Launch> {
        let mut launches = Vec::new();
        while !self.waiting.is_empty() {
            let Some(id) = self.next_free() else { break };
            let Some(task) = self.waiting.pop_front() else { break };
            let (Some(executor), Some(entry)) = (self.executors.get_mut(&id), self.tasks.get(&task)) else { continue };
            executor.running.insert(task);
            self.last_served = Some(id);
            launches.push(Launch { executor: id, task, what: Arc::clone(&entry.task) });
        }
        launches
    }

    /// The next executor with a free core behind the one that was served last.
    fn next_free(&self) -> Option<ExecutorId> {
        let behind = self.last_served.map_or(Bound::Unbounded, Bound::Excluded);
        let in_turn = self.executors.range((behind, Bound::Unbounded)).chain(self.executors.iter());
        in_turn.filter(|(_, executor)| !executor.closed && executor.free() > 0).map(|(id, _)| *id).next()
    }

    /// An executor says that a task has ended. What it was not given, or what is not wanted any more, is ignored.
    pub(super) fn finished(&mut self, id: ExecutorId, task: TaskId, outcome: Result<Vec<u8>, String>) -> Option<Ended> {
        if !self.executors.get_mut(&id)?.running.remove(&task) {
            return None;
        }
        match outcome {
            Ok(result) => {
                let entry = self.tasks.remove(&task)?;
                self.totals.finished += 1;
                let run = self.runs.get_mut(&entry.run)?;
                *run.results.get_mut(entry.index)? = Some(result);
                run.missing -= 1;
                if run.missing > 0 {
                    return None;
                }
                let run = self.runs.remove(&entry.run)?;
                let results = run.results.into_iter().flatten().collect();
                Some(Ended { run: entry.run, outcome: Ok(results), stop: Vec::new() })
            }
            Err(reason) => self.try_again(task, id, &reason, true),
        }
    }

    fn try_again(&mut self, task: TaskId, on: ExecutorId, reason: &str, failed: bool) -> Option<Ended> {
        let entry = self.tasks.get_mut(&task)?;
        entry.failures += u32::from(failed);
        if entry.failures < self.max_failures {
            self.totals.retried += 1;
            self.waiting.push_front(task);
            return None;
        }
        let error = RunError::TaskFailed {
            index: entry.index,
            function: entry.task.function.clone(),
            failures: entry.failures,
            executor: on,
            reason: reason.to_owned(),
        };
        let run = entry.run;
        self.end(run, error)
    }

    /// Ends a run without results, e.g. because nobody waits for it any more.
    pub(super) fn end(&mut self, run: RunId, why: RunError) -> Option<Ended> {
        self.runs.remove(&run)?;
        let of_run: BTreeSet<TaskId> =
            self.tasks.iter().filter(|(_, entry)| entry.run == run).map(|(task, _)| *task).collect();
        self.tasks.retain(|task, _| !of_run.contains(task));
        self.waiting.retain(|task| !of_run.contains(task));
        let running = |(id, executor): (&ExecutorId, &Executor)| {
            executor.running.intersection(&of_run).map(|task| (*id, *task)).collect::<Vec<_>>()
        };
        let stop = self.executors.iter().flat_map(running).collect();
        Some(Ended { run, outcome: Err(why), stop })
    }

    /// Ends everything that was asked for.
    pub(super) fn end_all(&mut self, why: &RunError) -> Vec<Ended> {
        let runs: Vec<RunId> = self.runs.keys().copied().collect();
        runs.into_iter().filter_map(|run| self.end(run, why.clone())).collect()
    }

    /// Executors that are registered and connected.
    pub(super) fn executors(&self) -> Vec<ExecutorInfo> {
        self.open()
            .map(|(id, executor)| ExecutorInfo {
                id: *id,
                host: executor.host.clone(),
                cores: executor.cores,
                running: executor.running.len(),
            })
            .collect()
    }

    fn open(&self) -> impl Iterator<Item = (&ExecutorId, &Executor)> {
        self.executors.iter().filter(|(_, executor)| !executor.closed)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            executors: self.open().count(),
            cores: self.open().fold(Cores::ZERO, |sum, (_, executor)| sum.plus(executor.cores)).0,
            waiting: self.waiting.len(),
            running: self.executors.values().map(|executor| executor.running.len()).sum(),
            ..self.totals
        }
    }
}
