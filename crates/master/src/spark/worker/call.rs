//! Calling a worker that is not heard: it registers again with nobody but its former master, but takes any that makes
//! itself known, and says what it runs.

use std::sync::Arc;

use tokio::sync::watch;

use tanist_core::ids::Term;
use tanist_core::master::Peer;
use tanist_core::model::{Inventory, WorkerKind};
use tanist_core::msg::RegisterWorker;
use tanist_spark::message::{self, Message, WorkerRegistration};
use tanist_spark::{Error, ToWorker};
use tanist_store::Standing;

use super::Face;
use super::describe::{self, Worker};
use super::lines::Line;
use crate::dial::Answer;
use crate::peers::until_it_may_act;
use crate::spark::call::{dial, told, unreadable};
use crate::spark::channel::{Broken, Channel, WORKER};

/// A worker that was reached.
pub(crate) enum Called {
    /// It has come by itself, and is called on its own connection, in this term.
    Here(Arc<Line>, Term),
    /// It was dialled.
    There(Box<Dialled>),
}

/// A worker that was dialled, and who is there, as far as programs of Spark prove it.
pub(crate) struct Dialled {
    pub(super) worker: Worker,
    pub(super) channel: Channel,
    /// What it has said that it runs; nothing before it was asked.
    pub(super) inventory: Inventory,
}

/// Finds the connection of a worker, or connects to it.
pub(in crate::spark) async fn reach(face: &Face, registration: &RegisterWorker) -> Answer<Called> {
    match (face.0.lines.of(registration), &registration.heard) {
        (Some(line), Some(term)) => Answer::From(Called::Here(line, term.clone())),
        _ => connect(face, registration).await.map(|dialled| Called::There(Box::new(dialled))),
    }
}

async fn connect(face: &Face, registration: &RegisterWorker) -> Answer<Dialled> {
    let whom = Peer::Worker(registration.id.clone());
    let (payload, told) = match stored(&registration.kind) {
        Ok(stored) => stored,
        Err(error) => return unreadable(&whom, &error),
    };
    let address = told.worker.to_string();
    let (channel, build) = match dial(face, &whom, (&address, WORKER), payload).await {
        Answer::From(dialled) => dialled,
        Answer::Gone => return Answer::Gone,
        Answer::None => return Answer::None,
    };
    match Worker::of(&told, payload, &build) {
        Ok(worker) => {
            let worker = Worker { registration: registration.clone(), ..worker };
            Answer::From(Dialled { worker, channel, inventory: Inventory::default() })
        }
        Err(error) => unreadable(&whom, &error),
    }
}

fn stored(kind: &WorkerKind) -> Result<(&[u8], Box<WorkerRegistration>), Error> {
    let unexpected = |found: &str| Error::Unexpected { found: found.to_owned(), wanted: "a registration of a worker" };
    let WorkerKind::Foreign(payload) = kind else { return Err(unexpected("a worker of ours")) };
    match message::read(payload)? {
        Message::RegisterWorker(told) => Ok((payload, told)),
        other => Err(unexpected(other.name())),
    }
}

impl Dialled {
    /// Makes this master known as soon as its term may act, and hears what this worker runs, if it is the one: as long as
    /// the connection stands. Only what the other end says shows that it is gone.
    pub(in crate::spark) async fn ask(
        mut self,
        face: &Face,
        ui_url: &str,
        standing: &mut watch::Receiver<Standing>,
    ) -> Answer<Self> {
        let (id, peer) = (self.worker.registration.id.clone(), self.channel.peer);
        until_it_may_act(standing).await;
        match self.hear(face, ui_url).await {
            Ok(own) if own == id.as_str() => Answer::From(self),
            Ok(own) => {
                tracing::info!(worker = %id, %peer, own, "another worker answers where one was");
                Answer::Gone
            }
            // What cannot be understood is no proof that the worker, and all that it runs, is gone.
            Err(Broken::Protocol(error)) => {
                tracing::warn!(worker = %id, %peer, %error, "what answers where a worker is cannot be understood");
                Answer::None
            }
            Err(error) => {
                tracing::debug!(worker = %id, %peer, %error, "a worker did not answer");
                Answer::None
            }
        }
    }

    /// Tells it once, and waits for its id and for what it runs.
    async fn hear(&mut self, face: &Face, ui_url: &str) -> Result<String, Broken> {
        let Self { worker, channel, inventory } = self;
        let me = channel.me().clone();
        let payload = worker.dialect.order(&ToWorker::MasterChanged { master: &me, ui_url });
        let runs = |message| match message {
            Message::WorkerSchedulerStateResponse { worker, executors, drivers } => {
                Some((worker, describe::inventory(&executors, &drivers)))
            }
            _ => None,
        };
        let (own, all) = told(face, channel, (WORKER, &worker.address), &payload, runs).await?;
        *inventory = all;
        Ok(own)
    }
}
