//! `DriverService`: the sessions of executors. Translation only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use tanist_core::ids::{AppId, ExecutorId};
use tanist_core::units::Cores;
use tanist_proto::v1;
use tanist_proto::v1::driver_service_server::DriverService;
use tanist_proto::v1::executor_to_driver as up;

use super::actor::{Event, Hello, OUTBOX_CAPACITY, Outbox, SessionNo};
use super::book::TaskId;

/// The service, for one scheduler.
#[derive(Debug, Clone)]
pub(super) struct Service {
    inbox: mpsc::Sender<Event>,
    next: Arc<AtomicU64>,
    /// The scheduler is over: sessions end.
    over: CancellationToken,
}

impl Service {
    pub(super) fn new(inbox: mpsc::Sender<Event>, over: CancellationToken) -> Self {
        Self { inbox, next: Arc::default(), over }
    }
}

#[tonic::async_trait]
impl DriverService for Service {
    type SessionStream = ReceiverStream<Result<v1::DriverToExecutor, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::ExecutorToDriver>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let session = SessionNo(self.next.fetch_add(1, Ordering::Relaxed));
        let (outbox, outgoing) = mpsc::channel(OUTBOX_CAPACITY);
        let reader = Reader { session, inbox: self.inbox.clone(), incoming: request.into_inner() };
        let over = self.over.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                // An end by itself is still to be told.
                () = reader.run(outbox) => {}
                () = over.cancelled() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

struct Reader {
    session: SessionNo,
    inbox: mpsc::Sender<Event>,
    incoming: Streaming<v1::ExecutorToDriver>,
}

impl Reader {
    async fn run(mut self, outbox: Outbox) {
        if let Err(status) = self.read(&outbox).await {
            tracing::debug!(session = self.session.0, %status, "executor session broke");
            // Whoever does not read has ended the session already.
            let _: Result<(), _> = outbox.try_send(Err(status));
        }
        // After the end of the scheduler nobody wants to know.
        let _: Result<(), _> = self.inbox.send(Event::Closed(self.session)).await;
    }

    async fn read(&mut self, outbox: &Outbox) -> Result<(), Status> {
        while let Some(message) = self.incoming.message().await? {
            let event = match message.body {
                Some(up::Body::Register(register)) => Event::Register(self.session, hello(&register)?, outbox.clone()),
                Some(up::Body::TaskFinished(task)) => {
                    let outcome = match task.outcome {
                        Some(up::task_finished::Outcome::Ok(bytes)) => Ok(bytes.into()),
                        Some(up::task_finished::Outcome::Error(reason)) => Err(reason),
                        None => return Err(Status::invalid_argument("task_finished.outcome is missing, but required")),
                    };
                    Event::Finished(self.session, TaskId(task.task_id), outcome)
                }
                Some(up::Body::Heartbeat(up::Heartbeat {})) => Event::Heartbeat(self.session),
                None => return Err(Status::invalid_argument("body is missing, but required")),
            };
            if self.inbox.send(event).await.is_err() {
                return Err(Status::unavailable("the application is over"));
            }
        }
        Ok(())
    }
}

fn hello(register: &up::Register) -> Result<Hello, Status> {
    let app = AppId::new(&register.app_id).map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok(Hello { app, id: ExecutorId(register.executor_id), host: register.host.clone(), cores: Cores(register.cores) })
}
