//! The one task that owns the books: everything that happens comes in here, one at a time.
//!
//! It never waits for anybody. An executor that does not read what it is sent is dropped.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tonic::Status;

use tanist_core::app::Loss;
use tanist_core::ids::{AppId, ExecutorId};
use tanist_core::units::Cores;
use tanist_proto::v1;
use tanist_proto::v1::driver_to_executor as down;

use super::SchedulerOptions;
use super::blame::Removal;
use super::book::{Book, Counts, Ended, ExecutorInfo, Launch, RunId, TaskId};
use super::task::{RunError, Task};

/// Messages to one executor that may wait to be sent. More than it has cores, or it does not read.
pub(super) const OUTBOX_CAPACITY: usize = 1024;

/// How often it is checked whether executors still speak, as a part of the time they may be silent.
const SILENCE_CHECKS: u32 = 4;

/// Where an executor's messages go.
pub(super) type Outbox = mpsc::Sender<Result<v1::DriverToExecutor, Status>>;

/// Answer to a run of tasks.
pub(super) type RunReply = oneshot::Sender<Result<Vec<Vec<u8>>, RunError>>;

/// One connection of an executor process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionNo(pub(super) u64);

/// Who an executor says it is.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) app: AppId,
    pub(super) id: ExecutorId,
    pub(super) host: String,
    pub(super) cores: Cores,
}

/// Everything that can happen to a scheduler.
#[derive(Debug)]
pub(super) enum Event {
    Register(SessionNo, Hello, Outbox),
    Finished(SessionNo, TaskId, Result<Vec<u8>, String>),
    Heartbeat(SessionNo),
    Closed(SessionNo),
    Run(Vec<Task>, oneshot::Sender<RunId>, RunReply),
    /// Nobody waits for it any more.
    Abandon(RunId),
    /// The application is registered under this id.
    Known(AppId),
    /// The master says that an executor is gone.
    Gone(ExecutorId, String, Loss),
    /// The worker of an executor is leaving.
    Leaving(ExecutorId),
    /// We are about to have these ended ourselves.
    Dismissed(Vec<ExecutorId>),
    Executors(oneshot::Sender<Vec<ExecutorInfo>>),
    /// The cluster gives us nothing any more.
    Ended(String),
    /// End all executors, then this task.
    Stop(oneshot::Sender<()>),
}

/// Executors that went silent, for whoever can have them ended.
pub(super) type Condemned = mpsc::Sender<ExecutorId>;

#[derive(Debug)]
struct Session {
    id: ExecutorId,
    outbox: Outbox,
    heard: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Actor {
    options: SchedulerOptions,
    book: Book,
    app: Option<AppId>,
    sessions: BTreeMap<SessionNo, Session>,
    /// Disconnected executors, and until when the master's reason is waited for (AC-10).
    departing: BTreeMap<ExecutorId, Instant>,
    /// Executors that we had ended ourselves.
    dismissed: BTreeSet<ExecutorId>,
    replies: BTreeMap<RunId, RunReply>,
    ended: Option<String>,
    /// Until when too few cores hold back the first offer (AC-14); none = not held back.
    held_until: Option<Instant>,
    counts: watch::Sender<Counts>,
    condemned: Condemned,
}

impl Actor {
    pub(super) fn new(options: SchedulerOptions, counts: watch::Sender<Counts>, condemned: Condemned) -> Self {
        let held_until = (options.needed_cores() > Cores::ZERO).then(|| Instant::now() + options.max_registered_wait);
        Self {
            book: Book::new(options.max_task_failures),
            options,
            app: None,
            sessions: BTreeMap::new(),
            departing: BTreeMap::new(),
            dismissed: BTreeSet::new(),
            replies: BTreeMap::new(),
            ended: None,
            held_until,
            counts,
            condemned,
        }
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Event>) {
        let mut check = interval(self.options.executor_timeout / SILENCE_CHECKS);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = self.next_deadline();
            let event = tokio::select! {
                biased;
                // Deadlines first: they are rare, and a busy inbox must not put them off.
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => None,
                _ = check.tick() => None,
                event = inbox.recv() => match event {
                    Some(Event::Stop(done)) => return self.stop(done),
                    Some(event) => Some(event),
                    None => return,
                },
            };
            match event {
                Some(event) => self.handle(event),
                None => self.look_at_the_clock(Instant::now()),
            }
            self.offer();
            self.publish();
        }
    }

    fn publish(&self) {
        self.counts.send_if_modified(|counts| std::mem::replace(counts, self.book.counts()) != *counts);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.departing.values().chain(&self.held_until).min().copied()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Register(session, hello, outbox) => self.register(session, hello, outbox),
            Event::Finished(session, task, outcome) => {
                if let Some(id) = self.hear(session) {
                    let ended = self.book.finished(id, task, outcome);
                    self.tell(ended);
                }
            }
            Event::Heartbeat(session) => {
                self.hear(session);
            }
            Event::Closed(session) => self.disconnect(session),
            Event::Run(tasks, number, reply) => self.start_run(tasks, number, reply),
            Event::Abandon(run) => {
                self.replies.remove(&run);
                let ended = self.book.end(run, RunError::ApplicationEnded { why: "nobody waits".to_owned() });
                self.tell(ended);
            }
            Event::Known(app) => self.app = Some(app),
            Event::Gone(id, reason, loss) => self.remove(id, Removal::reported(reason, &loss)),
            Event::Leaving(id) => self.book.close(id),
            Event::Dismissed(ids) => {
                for id in ids {
                    self.dismissed.insert(id);
                    self.book.close(id);
                }
            }
            Event::Executors(reply) => {
                // Whoever asked may have gone.
                let _: Result<(), _> = reply.send(self.book.executors());
            }
            Event::Ended(why) => {
                let error = RunError::ApplicationEnded { why: why.clone() };
                self.ended = Some(why);
                let ended = self.book.end_all(&error);
                self.tell(ended);
            }
            // Handled by the loop, which it ends.
            Event::Stop(_) => {}
        }
    }

    fn register(&mut self, session: SessionNo, hello: Hello, outbox: Outbox) {
        let Hello { app, id, host, cores } = hello;
        let admitted = match &self.app {
            _ if self.sessions.contains_key(&session) => {
                Err("this session has registered an executor before".to_owned())
            }
            Some(ours) if *ours != app => Err(format!("this is the driver of application {ours}, not of {app}")),
            _ => self.book.register(id, host.clone(), cores),
        };
        match admitted {
            Ok(()) => {
                tracing::info!(executor = %id, host, %cores, "executor registered");
                self.sessions.insert(session, Session { id, outbox, heard: Instant::now() });
                self.send(session, down::Body::Registered(down::Registered {}));
            }
            Err(reason) => {
                tracing::warn!(executor = %id, host, reason, "executor refused");
                let body = Some(down::Body::RegistrationRefused(down::RegistrationRefused { reason }));
                // A fresh outbox has room; a session that has ended needs no answer.
                let _: Result<(), _> = outbox.try_send(Ok(v1::DriverToExecutor { body }));
            }
        }
    }

    /// Something came from this session: whose it is.
    fn hear(&mut self, session: SessionNo) -> Option<ExecutorId> {
        let session = self.sessions.get_mut(&session)?;
        session.heard = Instant::now();
        Some(session.id)
    }

    /// AC-10: tasks wait a moment for the master's word on what has happened.
    fn disconnect(&mut self, session: SessionNo) {
        let Some(Session { id, .. }) = self.sessions.remove(&session) else { return };
        tracing::info!(executor = %id, "executor disconnected");
        self.book.close(id);
        self.departing.insert(id, Instant::now() + self.options.removal_delay);
    }

    fn remove(&mut self, id: ExecutorId, mut removal: Removal) {
        tracing::info!(executor = %id, reason = removal.reason, "executor removed");
        self.departing.remove(&id);
        // It may live and be cut off from its master only: then it ends by our word.
        self.send_to(id, down::Body::Stop(down::Stop {}));
        self.sessions.retain(|_, session| session.id != id);
        if self.dismissed.contains(&id) {
            (removal.requested, removal.blames_tasks) = (true, false);
        }
        let ended = self.book.remove(id, &removal);
        self.tell(ended);
    }

    fn start_run(&mut self, tasks: Vec<Task>, number: oneshot::Sender<RunId>, reply: RunReply) {
        let (run, ended) = self.book.add(tasks);
        self.replies.insert(run, reply);
        let ended = match &self.ended {
            None => ended,
            Some(why) => self.book.end(run, RunError::ApplicationEnded { why: why.clone() }).or(ended),
        };
        let nobody_waits = number.send(run).is_err();
        self.tell(ended);
        if nobody_waits {
            self.handle(Event::Abandon(run));
        }
    }

    fn look_at_the_clock(&mut self, now: Instant) {
        let due = |until: &Instant| *until <= now;
        if self.held_until.as_ref().is_some_and(due) {
            tracing::warn!(needed = %self.options.needed_cores(), "starting with fewer cores than wanted");
            self.held_until = None;
        }
        let overdue: Vec<ExecutorId> =
            self.departing.iter().filter(|(_, until)| due(until)).map(|(id, _)| *id).collect();
        for id in overdue {
            self.remove(id, Removal::disconnected());
            self.condemn(id);
        }
        let timeout = self.options.executor_timeout;
        let silent: Vec<ExecutorId> =
            self.sessions.values().filter(|session| now - session.heard >= timeout).map(|session| session.id).collect();
        for id in silent {
            self.remove(id, Removal::silent(timeout));
            self.condemn(id);
        }
    }

    /// We are done with it, and the master may not know: whoever can asks it to end and replace what is left.
    fn condemn(&self, id: ExecutorId) {
        if self.condemned.try_send(id).is_err() {
            tracing::warn!(executor = %id, "a lost executor could not be reported for its end");
        }
    }

    fn offer(&mut self) {
        if self.held_until.is_some() && self.book.counts().cores >= self.options.needed_cores().0 {
            self.held_until = None;
        }
        if self.held_until.is_some() {
            return;
        }
        for Launch { executor, task, what } in self.book.offer() {
            let (name, payload) = (what.function.clone(), what.payload.clone().into());
            self.send_to(executor, down::Body::LaunchTask(down::LaunchTask { task_id: task.0, payload, name }));
        }
    }

    fn tell(&mut self, ended: impl IntoIterator<Item = Ended>) {
        for Ended { run, outcome, stop } in ended {
            for (executor, task) in stop {
                self.send_to(executor, down::Body::KillTask(down::KillTask { task_id: task.0 }));
            }
            if let Some(reply) = self.replies.remove(&run) {
                // Whoever has the results finds them counted.
                self.publish();
                // Whoever asked may have gone.
                let _: Result<(), _> = reply.send(outcome);
            }
        }
    }

    fn send_to(&mut self, id: ExecutorId, body: down::Body) {
        let session = self.sessions.iter().find(|(_, session)| session.id == id).map(|(number, _)| *number);
        if let Some(session) = session {
            self.send(session, body);
        }
    }

    /// An executor that cannot be written to counts as disconnected; it is not waited for.
    fn send(&mut self, session: SessionNo, body: down::Body) {
        let Some(open) = self.sessions.get(&session) else { return };
        if open.outbox.try_send(Ok(v1::DriverToExecutor { body: Some(body) })).is_err() {
            self.disconnect(session);
        }
    }

    fn stop(mut self, done: oneshot::Sender<()>) {
        let error = RunError::ApplicationEnded { why: "the scheduler was stopped".to_owned() };
        let ended = self.book.end_all(&error);
        self.tell(ended);
        for session in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.send(session, down::Body::Stop(down::Stop {}));
        }
        // Whoever asked may have gone.
        let _: Result<(), _> = done.send(());
    }
}
