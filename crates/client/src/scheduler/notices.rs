//! How a scheduler hears of its executors from the cluster: the listener of its application client.

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::actor::Event;
use crate::app::{Listener, Notice};

/// See the module. A scheduler that has ended is told nothing.
#[derive(Debug, Clone)]
pub struct Notices {
    inbox: mpsc::Sender<Event>,
}

impl Notices {
    pub(super) fn new(inbox: mpsc::Sender<Event>) -> Self {
        Self { inbox }
    }
}

#[async_trait]
impl Listener for Notices {
    async fn told(&mut self, notice: Notice) {
        let event = match notice {
            Notice::Connected { app, .. } => Event::Known(app),
            Notice::Dead { reason } => Event::Ended(reason),
            Notice::ExecutorRemoved { executor, message, loss } => Event::Gone(executor.id, message, loss),
            Notice::ExecutorDecommissioned { executor, .. } => Event::Leaving(executor.id),
            // Executors come by themselves; tasks go on while the leader is away.
            Notice::ExecutorAdded { .. }
            | Notice::ExecutorChanged { .. }
            | Notice::Disconnected
            | Notice::WorkerRemoved { .. } => return,
        };
        // A scheduler that has ended needs to know nothing.
        let _: Result<(), _> = self.inbox.send(event).await;
    }
}
