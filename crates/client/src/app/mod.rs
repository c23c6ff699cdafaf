//! An application as the cluster knows it: registered under a token, re-attached to each new leader by itself, told
//! what happens to its executors.
//!
//! All decisions are the core's ([`tanist_core::app`]); here are its hands.
//!
//! ```text
//! AppClient (handle) ─┐                    ┌─▶ link: one session with one master each
//! endpoint (masters) ─┼─▶ owner: machine ──┤
//! links, timers      ─┘                    └─▶ notifier ─▶ Listener
//! ```

mod endpoint;
mod link;
mod owner;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use tanist_core::app::AppConfig;
pub use tanist_core::app::{Loss, Notice};
use tanist_core::ids::{AppId, AppToken, ExecutorId, ProfileId};
use tanist_core::model::{ApplicationDescription, LeaderInfo, ResourceProfile};
use tanist_core::tracking::TrackingConfig;

use crate::error::ClientError;
use crate::masters::{MasterList, Masters};
use crate::net;
use owner::{Input, Owner};

/// Things that may wait for the owner of the machine.
const INBOX_CAPACITY: usize = 1024;

/// Notices that may wait for the listener. One that stays this far behind holds up the client, heartbeats included.
const NOTICES_CAPACITY: usize = 4096;

/// Hears what happens to the application, in order and one at a time (AC-02 … AC-06).
#[async_trait]
pub trait Listener: Send + 'static {
    /// Something has happened.
    async fn told(&mut self, notice: Notice);
}

/// Notices into a channel. Once nobody reads it any more they are dropped.
#[async_trait]
impl Listener for mpsc::Sender<Notice> {
    async fn told(&mut self, notice: Notice) {
        let _: Result<(), _> = self.send(notice).await;
    }
}

/// Two listeners, each told everything, the first one first.
#[async_trait]
impl<A: Listener, B: Listener> Listener for (A, B) {
    async fn told(&mut self, notice: Notice) {
        self.0.told(notice.clone()).await;
        self.1.told(notice).await;
    }
}

/// How an application is registered.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// The masters.
    pub masters: MasterList,
    /// What it asks for.
    pub description: ApplicationDescription,
    /// `host:port` to listen on for masters; port 0 = any free one.
    pub bind: String,
    /// Host under which masters reach it; none = the one of `bind`.
    pub advertised_host: Option<String>,
    /// Come back to the addresses in `masters` instead of those that masters announce.
    pub prefer_configured_master_address: bool,
    /// Give up after so many registrations in a row without an answer, the quick ones at the beginning not counted.
    /// None = never (the original: after 3 rounds, AC-01).
    pub max_registration_retries: Option<u32>,
}

/// Where the application stands with the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No master has answered yet.
    Registering,
    /// Registered.
    Connected {
        /// Under this id.
        app: AppId,
        /// With this leader.
        leader: LeaderInfo,
    },
    /// Registered, and no leader can be reached now. Executors run on.
    Disconnected {
        /// Under this id.
        app: AppId,
    },
    /// Over.
    Ended {
        /// Why.
        why: String,
    },
}

/// A registered application, or one about to be. Dropping it ends the client without a word to the master, which finds
/// out by itself; [`AppClient::stop`] is the orderly end.
#[derive(Debug)]
pub struct AppClient {
    requests: Requests,
    standing: watch::Receiver<Standing>,
    address: String,
    owner: JoinHandle<()>,
}

/// Asks the master on behalf of an application; as many as one likes, from anywhere.
#[derive(Debug, Clone)]
pub struct Requests(mpsc::Sender<Input>);

impl AppClient {
    /// Opens the port for masters and begins to register. [`Self::registered`] waits for the outcome.
    pub async fn start(options: AppOptions, listener: impl Listener) -> Result<Self, ClientError> {
        let (port, address) = net::listen(&options.bind, options.advertised_host.as_deref()).await?;
        let token = Uuid::new_v4();
        let config = AppConfig {
            token: AppToken::new(&token.to_string())
                .map_err(|error| ClientError::Refused { reason: error.to_string() })?,
            description: Arc::new(options.description),
            endpoint: address.clone(),
            tracking: TrackingConfig {
                masters: options.masters.addresses().to_vec(),
                prefer_configured_master_address: options.prefer_configured_master_address,
                max_registration_retries: options.max_registration_retries,
            },
        };
        let (inbox, inputs) = mpsc::channel(INBOX_CAPACITY);
        let (publish, standing) = watch::channel(Standing::Registering);
        let (notices, told) = mpsc::channel(NOTICES_CAPACITY);
        let notifier = tokio::spawn(notify(listener, told));
        let server = endpoint::serve(port, inbox.clone(), standing.clone());
        let owner = Owner::new(config, Masters::new(options.masters), inbox.clone(), (publish, notices));
        let owner = tokio::spawn(owner.run(inputs, server, notifier));
        Ok(Self { requests: Requests(inbox), standing, address, owner })
    }

    /// `host:port` of its own endpoint.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the application is registered, or is known never to be (AC-03).
    pub async fn registered(&self) -> Result<AppId, ClientError> {
        let mut standing = self.standing.clone();
        let settled = standing.wait_for(|standing| *standing != Standing::Registering).await;
        match settled.as_deref() {
            Ok(Standing::Connected { app, .. } | Standing::Disconnected { app }) => Ok(app.clone()),
            Ok(Standing::Ended { why }) => Err(ClientError::ApplicationEnded { why: why.clone() }),
            Ok(Standing::Registering) | Err(_) => {
                Err(ClientError::ApplicationEnded { why: "its client has ended".to_owned() })
            }
        }
    }

    /// Where it stands, published with every change.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// For asking the master, also from other tasks.
    pub fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Ends the application: tells the master, which ends its executors, and waits a few seconds for it to have heard
    /// (AC-09).
    pub async fn stop(mut self) {
        if self.requests.0.send(Input::Stop).await.is_ok() {
            // Cancelled or panicked: it has ended all the same.
            let _: Result<(), _> = (&mut self.owner).await;
        }
    }
}

impl Drop for AppClient {
    fn drop(&mut self) {
        self.owner.abort();
    }
}

impl Requests {
    /// Asks for so many executors in all, per profile; profiles that were not named before come with it. True = the
    /// master took it. False at once where nothing is registered; waits for the next leader where none is there
    /// (AC-08).
    pub async fn total_executors(&self, profiles: Vec<ResourceProfile>, targets: BTreeMap<ProfileId, u32>) -> bool {
        self.ask(|reply| Input::RequestExecutors { profiles, targets, reply }).await
    }

    /// Asks for the end of these executors. Answered as [`Self::total_executors`]. The master replaces them unless the
    /// total was lowered before.
    pub async fn kill_executors(&self, executors: Vec<ExecutorId>) -> bool {
        self.ask(|reply| Input::KillExecutors { executors, reply }).await
    }

    async fn ask(&self, input: impl FnOnce(oneshot::Sender<bool>) -> Input) -> bool {
        let (reply, answer) = oneshot::channel();
        self.0.send(input(reply)).await.is_ok() && answer.await.unwrap_or(false)
    }
}

async fn notify(mut listener: impl Listener, mut notices: mpsc::Receiver<Notice>) {
    while let Some(notice) = notices.recv().await {
        listener.told(notice).await;
    }
}
