//! The face for programs of an unmodified Spark (ADR 14, ADR 15): drivers of applications, clients that submit them, and
//! workers, which speak Spark's own protocol on the master's port. Translation and limits, no rule: an application or a worker
//! of Spark is one like any other to the machine.
//!
//! ```text
//! program ──▶ stream ──▶ channel ──▶ driver, worker ──▶ session ──▶ the loop     what comes
//! program ◀── stream ◀── channel ◀── driver, worker ◀── session ◀── the loop     what goes
//! program ◀── call                                              ◀── the loop     a master that takes over, or whose
//!                                                                                connection broke
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `stream` | the bytes of a connection, in TLS or not |
//! | `channel` | frames over one connection, with somebody who is known |
//! | `driver` | drivers of applications, and whoever submits drivers: their connections, and what they are told |
//! | `worker` | the same for workers |
//! | `end` | how a connection ends |
//! | `session` | a session with the loop |
//! | `builds` | builds of Spark that nobody has described |
//! | `questions` | what programs of these are asked about themselves |
//! | `call` | dialling a program that is not heard |

mod builds;
mod call;
mod channel;
mod driver;
mod end;
mod questions;
mod session;
mod stream;
mod worker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use tanist_core::ids::Term;
use tanist_core::master::{MasterView, Peer, Recalled};
use tanist_core::model::WorkerState;
use tanist_spark::Address;
use tanist_spark::auth::Auth;
use tanist_store::{Standing, clock};

use crate::board::{Board, Leadership};
use crate::dial::Answer;
use crate::handle::MasterHandle;
use crate::peers::until_it_may_act;

pub use self::stream::SparkTls;

use self::builds::Builds;
use self::channel::{Channel, Places};
use self::stream::Stream;

/// Most connections of Spark's programs at a time. gRPC does not count.
const MAX_CONNECTIONS: usize = 4096;

/// While its driver is called, it is looked this often whether there still is the application.
const LOOKED_FOR_EVERY: Duration = Duration::from_secs(10);

/// How long it may take to agree on TLS.
const TLS_WITHIN: Duration = Duration::from_secs(10);

/// How a master treats programs of Spark.
#[derive(Debug, Clone, Default)]
pub struct SparkOptions {
    /// They are served on every address of the master, not on loopback alone, though they prove nothing about themselves:
    /// who registers an application runs any program on the workers.
    pub allow_unauthenticated: bool,
    /// What they must know, and what this master proves to know (SE-01); `None` = nothing.
    pub auth: Option<Arc<Auth>>,
    /// How they speak TLS; `None` = they do not.
    pub tls: Option<SparkTls>,
    /// Installations of Spark on this host, by their releases: builds that are not known are looked up in their jars.
    pub homes: BTreeMap<String, PathBuf>,
}

impl SparkOptions {
    /// Whether they are served on addresses that others reach.
    fn serves_everywhere(&self) -> bool {
        self.auth.is_some() || self.allow_unauthenticated
    }
}

/// The face, for one master. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Face(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: MasterHandle,
    options: SparkOptions,
    /// What drivers are told this master is called; compared by them as text.
    me: Address,
    places: Arc<Semaphore>,
    /// For what is large of what they say.
    large: Places,
    builds: Builds,
    /// Where workers are heard.
    lines: worker::Lines,
    /// Cuts all of its connections at once.
    cut: CancellationToken,
}

/// Somebody who was reached, and was told nothing yet.
pub(crate) enum Called {
    Driver(Box<driver::Called>),
    Worker(worker::Called),
}

impl Face {
    pub(crate) fn new(handle: MasterHandle, options: SparkOptions, cut: CancellationToken) -> Self {
        let me = address(handle.address());
        let builds = Builds::new(options.homes.clone());
        let (places, large) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), Places::default());
        let lines = worker::Lines::default();
        Self(Arc::new(Inner { handle, options, me, places, large, builds, lines, cut }))
    }

    /// Whether programs of Spark speak TLS here.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.0.options.tls.is_some()
    }

    fn handle(&self) -> &MasterHandle {
        &self.0.handle
    }

    fn me(&self) -> &Address {
        &self.0.me
    }

    /// Whether the term of this master may act at this moment.
    fn may_act(&self) -> bool {
        self.board().may_act()
    }

    fn board(&self) -> &Arc<Board> {
        &self.0.handle.me().board
    }

    /// The loop has ended: what it has said still leaves, and nobody is heard any more.
    fn ended(&self) -> &CancellationToken {
        &self.board().ended
    }

    /// Whether this master may answer a registration.
    fn leads(&self) -> bool {
        self.0.handle.leadership().borrow().role.leads()
    }

    /// Waits until this master does not lead in this term any more. Safe to drop.
    async fn until_over(&self, term: &Term) {
        let is_over = |Leadership { role, leader }: &Leadership| {
            !role.leads() || leader.as_ref().map(|of| &of.term) != Some(term)
        };
        // An error shows that nobody leads here any more.
        drop(self.0.handle.leadership().wait_for(is_over).await);
    }

    /// Says at the start who is served.
    pub(crate) fn introduce(&self, bound: SocketAddr) {
        if self.0.options.auth.is_some() {
            tracing::info!(%bound, tls = self.speaks_tls(), "programs of Spark are served that know the secret of the cluster");
        } else if self.0.options.allow_unauthenticated {
            tracing::warn!(%bound, "programs of Spark are served without authentication: who reaches this port runs any program on the workers");
        } else if !bound.ip().is_loopback() {
            tracing::info!(
                %bound,
                "programs of Spark are served on loopback addresses only: they prove nothing about themselves, and who registers an application runs any program on the workers; auth.enabled = true has them prove it, spark.allow_unauthenticated = true serves them everywhere"
            );
        }
    }

    /// Serves a connection that has begun to speak as Spark does, until it ends.
    pub(crate) async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let is_local = stream.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        if !is_local && !self.0.options.serves_everywhere() {
            return tracing::warn!(
                %peer,
                "a program of Spark is not served on this address without authentication: connection closed; spark.allow_unauthenticated = true serves it"
            );
        }
        let Ok(_place) = self.0.places.clone().try_acquire_owned() else {
            return tracing::warn!(%peer, limit = MAX_CONNECTIONS, "too many connections of Spark's programs: closed");
        };
        let cut = self.0.cut.child_token();
        let SparkOptions { auth, tls, .. } = &self.0.options;
        let stream = tokio::select! {
            biased;
            () = cut.cancelled() => return,
            stream = timeout(TLS_WITHIN, Stream::accepted(stream, tls.as_ref())) => stream,
        };
        let stream = match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::warn!(%peer, %error, "no TLS with a program of Spark: connection closed"),
            Err(_) => return tracing::debug!(%peer, "connection closed that did not agree on TLS"),
        };
        let channel = Channel::accepted(stream, peer, self.0.me.clone(), auth.clone(), (self.0.large.clone(), cut));
        driver::Conversation::begin(self.clone(), channel).run().await;
    }

    /// Connects to somebody who is not heard, once.
    pub(crate) async fn reach(&self, registration: &Recalled) -> Answer<Called> {
        match registration {
            Recalled::App(app, registration) => {
                driver::reach(self, app, registration).await.map(|called| Called::Driver(Box::new(called)))
            }
            Recalled::Worker(registration) => worker::reach(self, registration).await.map(Called::Worker),
        }
    }

    /// Makes this master known to it while its term may act. Who answers that it is the one has its session from then on;
    /// waits until the loop has taken it.
    pub(crate) async fn call(
        &self,
        called: Called,
        ui_url: &str,
        standing: &mut watch::Receiver<Standing>,
    ) -> Answer<()> {
        let face = self.clone();
        let (taken, was_taken) = oneshot::channel();
        let told = (ui_url.to_owned(), taken);
        // Whoever stops calling does not stop what is spawned here.
        match called {
            Called::Driver(driver) => match driver.ask(self, ui_url, standing).await {
                Answer::From(driver) => {
                    tokio::spawn(async { driver::Conversation::called(face, driver, told).await.run().await });
                }
                Answer::Gone => return Answer::Gone,
                Answer::None => return Answer::None,
            },
            Called::Worker(worker::Called::Here(line, term)) => {
                until_it_may_act(standing).await;
                return if line.call(term, ui_url).await { Answer::From(()) } else { Answer::None };
            }
            Called::Worker(worker::Called::There(worker)) => match worker.ask(self, ui_url, standing).await {
                Answer::From(worker) => {
                    tokio::spawn(async { worker::Conversation::called(face, worker, told).await });
                }
                Answer::Gone => return Answer::Gone,
                Answer::None => return Answer::None,
            },
        }
        was_taken.await.map_or(Answer::None, Answer::From)
    }

    /// Waits until a view shows that this application or worker is no more.
    pub(crate) async fn until_it_has_ended(&self, peer: &Peer) {
        let is_there = |view: &MasterView| match peer {
            Peer::App(app) => view.apps.iter().any(|shown| shown.id == *app),
            Peer::Worker(worker) => {
                view.workers.iter().any(|shown| shown.id == *worker && shown.state != WorkerState::Dead)
            }
        };
        loop {
            sleep(LOOKED_FOR_EVERY).await;
            let asked = clock::mono();
            let shown = self.handle().view().await;
            if shown.taken >= asked && self.leads() && !is_there(&shown.view) {
                return;
            }
        }
    }
}

/// `host:port`, where the host of an IPv6 address keeps its brackets, as Spark has it.
fn address(text: &str) -> Address {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    Address { host: host.to_owned(), port: port.parse().unwrap_or_default() }
}

/// What a program of Spark only shows, and what no cluster has more of.
fn int(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
