//! What a worker of Spark says.

use tanist_core::model::Inventory;
use tanist_core::msg::WorkerToMaster;
use tanist_spark::message::{self, Message, WorkerRegistration};
use tanist_spark::{Envelope, ToWorker};

use super::describe::{self, Worker};
use super::{Coming, Conversation};
use crate::spark::channel::{MASTER, VERIFIER};
use crate::spark::end::{End, shortened};

impl Conversation {
    /// A question.
    pub(super) async fn asked(&mut self, id: i64, body: &[u8]) -> Result<(), End> {
        let envelope = Envelope::open(body)?;
        match (envelope.endpoint.as_str(), message::read(envelope.payload)?) {
            (VERIFIER, Message::CheckExistence { name }) => Ok(self.channel.answer_yes(id, name == MASTER).await?),
            (MASTER, Message::ExecutorStateChanged { app, executor, state, message, exit_status }) => {
                if self.is_nobody() {
                    // It asks again.
                    return Ok(());
                }
                let Ok(executor) = describe::executor(&app, executor) else {
                    self.stray(&format!("ExecutorStateChanged about application {:?}", shortened(&app)));
                    return Ok(self.channel.answer_yes(id, true).await?);
                };
                let (state, exit_status) = describe::executor_changed(state, exit_status);
                let message = message.map(describe::text);
                self.report(Some(id), |report| WorkerToMaster::ExecutorStateChanged {
                    report,
                    executor,
                    state,
                    message,
                    exit_status,
                })
                .await
            }
            (endpoint, message) => {
                let why = format!("{:?} has no answer to {}", shortened(endpoint), shortened(message.name()));
                self.stray(&why);
                Ok(self.channel.fail(id, &why).await?)
            }
        }
    }

    /// What nobody answers.
    pub(super) async fn said(&mut self, body: &[u8]) -> Result<(), End> {
        let envelope = Envelope::open(body)?;
        match (envelope.endpoint.as_str(), message::read(envelope.payload)?) {
            (MASTER, Message::RegisterWorker(told)) => self.registers(&told, envelope.payload).await,
            // It says the same once more, and more of it.
            (MASTER, Message::WorkerLatestState { .. }) => Ok(()),
            (MASTER, Message::WorkerSchedulerStateResponse { worker, executors, drivers }) => {
                self.check(&worker)?;
                self.runs(describe::inventory(&executors, &drivers)).await
            }
            (MASTER, Message::Heartbeat { worker }) => {
                self.check(&worker)?;
                self.beats().await
            }
            (MASTER, Message::DriverStateChanged { .. }) if self.is_nobody() => Ok(()),
            (MASTER, Message::DriverStateChanged { driver, state, exception }) => {
                match (describe::driver(&driver), describe::outcome(state, exception)) {
                    (Ok((driver, attempt)), Some(outcome)) => {
                        self.report(None, |report| WorkerToMaster::DriverEnded { report, driver, attempt, outcome })
                            .await
                    }
                    (Ok(_), None) => Ok(()),
                    (Err(_), _) => {
                        self.stray(&format!("DriverStateChanged about driver {:?}", shortened(&driver)));
                        Ok(())
                    }
                }
            }
            (MASTER, Message::WorkerDecommissioning { worker }) => {
                self.check(&worker)?;
                // Said once, and told with every registration that follows.
                self.worker.registration.decommissioned = true;
                self.say(vec![WorkerToMaster::Decommissioning]).await
            }
            (endpoint, message) => {
                self.stray(&format!("{:?} does not know {}", shortened(endpoint), shortened(message.name())));
                Ok(())
            }
        }
    }

    /// It comes again on its connection: it believes that it was cut off, or that this master does not know it.
    async fn registers(&mut self, told: &WorkerRegistration, payload: &[u8]) -> Result<(), End> {
        self.check(&told.id)?;
        let decommissioned = self.worker.registration.decommissioned;
        self.worker = Worker::of(told, payload, &self.worker.build)?;
        self.worker.registration.decommissioned = decommissioned;
        // Nothing is told to it before it has said what it runs.
        self.end_sessions().await;
        self.offer().await;
        Ok(())
    }

    /// It was not answered, and what it says is for another master.
    fn is_nobody(&self) -> bool {
        self.session.is_none() && matches!(self.coming, Coming::No)
    }

    /// What it runs: what it was asked by a greeting, or once more. An answer to an earlier call is no answer to the greeting:
    /// what was launched between the two is missing in it.
    async fn runs(&mut self, inventory: Inventory) -> Result<(), End> {
        self.unanswered = self.unanswered.saturating_sub(1);
        match (std::mem::replace(&mut self.coming, Coming::No), &self.session) {
            (Coming::Greeted(term), _) if self.unanswered == 0 => {
                self.open(Some(term), inventory).await;
            }
            (coming, Some(session)) => {
                session.say(WorkerToMaster::Inventory(inventory)).await;
                self.coming = coming;
            }
            (coming, None) => self.coming = coming,
        }
        Ok(())
    }

    /// HB-06: a worker that is not known here is asked to register, by whoever leads.
    async fn beats(&mut self) -> Result<(), End> {
        match (&self.session, &self.coming) {
            (Some(session), _) => {
                session.say(WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 }).await;
                Ok(())
            }
            (None, Coming::No) if self.face.may_act() => {
                let me = self.face.me().clone();
                self.tell(&ToWorker::Reconnect { master: &me }).await
            }
            (None, _) => Ok(()),
        }
    }

    /// Nobody speaks for others.
    fn check(&self, id: &str) -> Result<(), End> {
        let own = self.worker.registration.id.as_str();
        if id == own { Ok(()) } else { Err(End::Over(format!("it speaks for worker {:?}", shortened(id)))) }
    }

    /// Something that cannot be meant: it is passed over, and told once, so that nobody fills the log.
    fn stray(&mut self, why: &str) {
        let (peer, worker) = (self.channel.peer, &self.worker.registration.id);
        if std::mem::replace(&mut self.strayed, true) {
            tracing::debug!(%peer, %worker, why, "passed over what a worker of Spark said");
        } else {
            tracing::warn!(%peer, %worker, why, "passed over what a worker of Spark said");
        }
    }
}
