//! What a program needs to be the driver of its executors: they register here, get tasks on their free cores, and
//! give back results.
//!
//! ```text
//! run_tasks ──▶ actor (owns the book) ◀── service ◀── executors (DriverService.Session)
//!                 ▲        └──▶ outbox of each executor ──▶
//!                 └── what the master says of executors ([`Notices`] is the application client's listener)
//! ```
//!
//! A scheduler knows no master. [`crate::Application`] puts it together with an [`crate::AppClient`].

mod actor;
mod blame;
mod book;
#[cfg(test)]
mod book_tests;
mod notices;
mod service;
mod task;

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use tanist_core::ids::ExecutorId;
use tanist_core::units::Cores;
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1::driver_service_server::DriverServiceServer;

use actor::{Actor, Event};
use book::RunId;
use service::Service;

use crate::error::ClientError;
use crate::net;

pub use book::{Counts, ExecutorInfo};
pub use notices::Notices;
pub use task::{MAX_PAYLOAD_BYTES, RunError, Task};

/// Events that may wait for the actor, over all executors.
const INBOX_CAPACITY: usize = 4096;

/// Lost executors that may wait for their end to be asked for.
const CONDEMNED_CAPACITY: usize = 1024;

/// How long executors may take to close their connections after they were told to stop.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How a scheduler behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulerOptions {
    /// `host:port` to listen on for executors; port 0 = any free one.
    pub bind: String,
    /// Host under which executors reach it; none = the one of `bind`.
    pub advertised_host: Option<String>,
    /// How often one task may fail before its run fails. The end of an executor counts only where it was the
    /// application's own fault (AC-07).
    pub max_task_failures: u32,
    /// How long the tasks of a disconnected executor wait for the master's word on what has happened (AC-10).
    pub removal_delay: Duration,
    /// How long an executor may be silent before it counts as lost. Executors speak every 10 s.
    pub executor_timeout: Duration,
    /// Cores that the application will have when complete; 0 = unknown.
    pub expected_cores: Cores,
    /// The part of `expected_cores` that must be registered before the first task is given out, 0 to 1 (AC-14).
    pub min_registered_ratio: f64,
    /// How long the first task waits for that at most.
    pub max_registered_wait: Duration,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1:0".to_owned(),
            advertised_host: None,
            max_task_failures: 4,
            removal_delay: Duration::from_secs(5),
            executor_timeout: Duration::from_secs(60),
            expected_cores: Cores::ZERO,
            min_registered_ratio: 0.0,
            max_registered_wait: Duration::from_secs(30),
        }
    }
}

impl SchedulerOptions {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part, clamped to 0..=1, of a u32 is a u32"
    )]
    fn needed_cores(&self) -> Cores {
        let part = self.min_registered_ratio.clamp(0.0, 1.0);
        Cores((f64::from(self.expected_cores.0) * part).ceil() as u32)
    }
}

/// A scheduler that executors can register with. Dropping it closes their connections, which they take for the loss of
/// their driver; [`Scheduler::stop`] is the orderly end.
#[derive(Debug)]
pub struct Scheduler {
    inbox: mpsc::Sender<Event>,
    counts: watch::Receiver<Counts>,
    address: String,
    condemned: Option<mpsc::Receiver<ExecutorId>>,
    server: JoinHandle<()>,
    /// Ends actor, sessions and server.
    over: CancellationToken,
}

impl Scheduler {
    /// Opens the port for executors.
    pub async fn start(options: SchedulerOptions) -> Result<Self, ClientError> {
        let (listener, address) = net::listen(&options.bind, options.advertised_host.as_deref()).await?;
        let (inbox, events) = mpsc::channel(INBOX_CAPACITY);
        let (counts, published) = watch::channel(Counts::default());
        let (condemned, to_be_ended) = mpsc::channel(CONDEMNED_CAPACITY);
        let over = CancellationToken::new();
        tokio::spawn(over.clone().run_until_cancelled_owned(Actor::new(options, counts, condemned).run(events)));
        let server = tokio::spawn(serve(Service::new(inbox.clone(), over.clone()), listener, over.clone()));
        Ok(Self { inbox, counts: published, address, condemned: Some(to_be_ended), server, over })
    }

    /// `host:port` for the executors' `--driver-url`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The listener through which an application client tells this scheduler what happens to its executors.
    pub fn notices(&self) -> Notices {
        Notices::new(self.inbox.clone())
    }

    /// Runs these tasks on whatever executors there are or will be, and gives their results in the order of the tasks.
    /// Waits for executors without limit. Dropping the future ends the tasks; it needs not stay with the scheduler.
    pub fn run_tasks(&self, tasks: Vec<Task>) -> impl Future<Output = Result<Vec<Vec<u8>>, RunError>> + Send + use<> {
        let inbox = self.inbox.clone();
        async move {
            for (index, task) in tasks.iter().enumerate() {
                let bytes = task.payload.len();
                if bytes > MAX_PAYLOAD_BYTES {
                    return Err(RunError::PayloadTooLarge { index, function: task.function.clone(), bytes });
                }
            }
            let over = || RunError::ApplicationEnded { why: "the scheduler was stopped".to_owned() };
            let (number, numbered) = oneshot::channel();
            let (reply, outcome) = oneshot::channel();
            inbox.send(Event::Run(tasks, number, reply)).await.map_err(|_| over())?;
            let run = numbered.await.map_err(|_| over())?;
            let _abandon = Abandon { run, inbox };
            outcome.await.unwrap_or_else(|_| Err(over()))
        }
    }

    /// Executors and tasks in numbers, published with every change.
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.counts.clone()
    }

    /// The executors that are registered and connected, by number.
    pub async fn executors(&self) -> Vec<ExecutorInfo> {
        let (reply, executors) = oneshot::channel();
        if self.inbox.send(Event::Executors(reply)).await.is_err() {
            return Vec::new();
        }
        executors.await.unwrap_or_default()
    }

    /// Says that these executors are about to be ended by our own wish: they get no further task, and their end counts
    /// against nobody.
    pub async fn dismiss(&self, executors: Vec<ExecutorId>) {
        // After the end there is nothing left to dismiss.
        let _: Result<(), _> = self.inbox.send(Event::Dismissed(executors)).await;
    }

    /// Executors that were given up without a word of the master, for whoever can have it end and replace them. Can be
    /// taken once.
    pub fn take_condemned(&mut self) -> Option<mpsc::Receiver<ExecutorId>> {
        self.condemned.take()
    }

    /// Tells all executors to end, waits a moment for them, and closes the port. Runs of tasks that are under way fail.
    pub async fn stop(mut self) {
        let (done, stopped) = oneshot::channel();
        if self.inbox.send(Event::Stop(done)).await.is_ok() {
            // Answered, or the actor is gone already.
            let _: Result<(), _> = stopped.await;
        }
        self.over.cancel();
        if timeout(STOP_DEADLINE, &mut self.server).await.is_err() {
            tracing::debug!("executors did not close their connections in time");
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// Ends a run whose caller has gone away. After its end this has no effect.
struct Abandon {
    run: RunId,
    inbox: mpsc::Sender<Event>,
}

impl Drop for Abandon {
    fn drop(&mut self) {
        let (run, inbox) = (self.run, self.inbox.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { inbox.send(Event::Abandon(run)).await });
        }
    }
}

async fn serve(service: Service, listener: TcpListener, shutdown: CancellationToken) {
    let service = DriverServiceServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let served = net::server(Server::builder())
        .add_service(service)
        .serve_with_incoming_shutdown(net::incoming(listener), shutdown.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::warn!(%error, "the port for executors has closed");
    }
}
