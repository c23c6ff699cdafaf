//! A master as one thing that is started, asked and stopped.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use tanist_core::address::host_port;
use tanist_core::master::Master;
use tanist_core::model::MasterRole;
use tanist_store::{Candidate, Heard, MemberRecord, clock};
use tanist_web::port::{self, Programs};

use crate::board::Board;
use crate::commit_loop::CommitLoop;
use crate::error::MasterError;
use crate::follow::follow;
use crate::grpc;
use crate::handle::{MasterHandle, Me};
use crate::http;
use crate::http::rest::{self, RestOptions};
use crate::member::keep_announced;
use crate::options::{Backend, MasterOptions};
use crate::seat::Candidacy;
use crate::spark::Face;

/// How long open calls may take to end once the loop has stopped. Then their connections are cut.
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);

/// Where a master is reached: bound listeners.
#[derive(Debug)]
pub struct Listeners {
    /// Its gRPC services, and programs of Spark.
    pub grpc: TcpListener,
    /// Its web pages, if it has any.
    pub web: Option<TcpListener>,
    /// Its REST submission server, if it has one.
    pub rest: Option<(TcpListener, RestOptions)>,
}

impl From<TcpListener> for Listeners {
    fn from(grpc: TcpListener) -> Self {
        Self { grpc, web: None, rest: None }
    }
}

impl Listeners {
    /// Serves all of them until `drain`; what is open may then finish. `cut` ends gRPC connections at once.
    async fn serve(
        self,
        handle: MasterHandle,
        spark: Face,
        drain: CancellationToken,
        cut: CancellationToken,
    ) -> Result<(), tonic::transport::Error> {
        let web = async {
            if let Some(listener) = self.web {
                tanist_web::serve(listener, http::web(handle.clone()), drain.clone()).await;
            }
            Ok(())
        };
        let rest = async {
            if let Some((listener, options)) = self.rest {
                rest::serve(handle.clone(), listener, options, drain.clone()).await;
            }
            Ok(())
        };
        let programs = Programs {
            tls: spark.speaks_tls(),
            serve: move |stream, peer, _| async move { spark.serve(stream, peer).await },
        };
        let (connections, others) = port::incoming(self.grpc, programs, cut.clone());
        let others = async {
            // It panics only if a connection does, which is told there.
            drop(others.await);
            Ok(())
        };
        tokio::try_join!(grpc::serve(handle.clone(), connections, drain.clone(), cut), others, web, rest).map(|_| ())
    }
}

/// A running master. Dropping it ends everything at once, as if the process had died: nothing is resigned, connections
/// are cut.
#[derive(Debug)]
pub struct MasterService {
    handle: MasterHandle,
    stop: CancellationToken,
    tasks: AbortOnDropHandle<Result<(), MasterError>>,
    _cut: DropGuard,
}

impl MasterService {
    /// Starts a master on bound listeners. It serves at once, as a standby.
    ///
    /// # Errors
    /// If the gRPC listener does not know its own address.
    pub fn start(
        options: MasterOptions,
        backend: Backend,
        listeners: impl Into<Listeners>,
    ) -> Result<Self, MasterError> {
        let listeners = listeners.into();
        let unknown = |source| MasterError::Listener { master: options.id.clone(), source };
        let bound = listeners.grpc.local_addr().map_err(unknown)?;
        let port = options.advertised_port.unwrap_or(bound.port());
        let address = host_port(&options.advertised_host, port);
        tracing::info!(master = %options.id, address, %bound, "master starts");
        let serve = |handle, spark: Face, drain, cut| {
            spark.introduce(bound);
            listeners.serve(handle, spark, drain, cut)
        };
        Ok(Self::start_with(options, backend, address, serve))
    }

    /// Starts a master that is reached by this address through what `serve` does.
    fn start_with<F>(
        options: MasterOptions,
        backend: Backend,
        address: String,
        serve: impl FnOnce(MasterHandle, Face, CancellationToken, CancellationToken) -> F,
    ) -> Self
    where
        F: Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
    {
        let master = options.id.clone();
        let candidate = Candidate {
            master: master.clone(),
            rpc: address.clone(),
            ui: options.ui_url,
            rest: options.rest,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            heard: Heard::default(),
        };
        let board = Arc::new(Board::new());
        let me = Me {
            id: master.clone(),
            address,
            version: candidate.version.clone(),
            started_at: clock::wall(),
            config: options.config.clone(),
            election: backend.election.clone(),
            board: board.clone(),
        };
        let (announced, member) = watch::channel(member(&candidate, &me));
        let candidacy = Candidacy { backend, candidate: Arc::new(candidate), board: board.clone() };
        let machine = Master::new(options.config, options.seed);
        let (commit_loop, inbox) = CommitLoop::new(machine, candidacy, announced);
        let (election, own) = (me.election.clone(), (master.clone(), me.address.clone()));
        let handle = MasterHandle::new(me, inbox);
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let beside = Beside {
            following: spawn(follow(own, election.clone(), board.clone())),
            announcing: spawn(keep_announced(election, member, board)),
        };
        let spark = Face::new(handle.clone(), options.spark, cut.clone());
        let running = tokio::spawn(commit_loop.run(spark.clone(), stop.clone()));
        let drain = CancellationToken::new();
        let serving = spawn(serve(handle.clone(), spark, drain.clone(), cut.clone()));
        let tasks = tokio::spawn(supervise(running, beside, handle.clone(), serving, drain));
        Self { handle, stop, tasks: AbortOnDropHandle::new(tasks), _cut: cut.drop_guard() }
    }

    /// Starts a master of the simulator, and gives its services beside it: who calls them is the simulator's business.
    #[cfg(feature = "simulated")]
    pub fn simulated(options: MasterOptions, backend: Backend, address: String) -> (Self, tonic::service::Routes) {
        let served = |_, _, drain: CancellationToken, _| async move {
            drain.cancelled().await;
            Ok(())
        };
        let started = Self::start_with(options, backend, address, served);
        let routes = grpc::routes(&started.handle);
        (started, routes)
    }

    /// The way to ask it.
    pub fn handle(&self) -> &MasterHandle {
        &self.handle
    }

    /// Waits until it ends by itself, which only a failure makes it do. Safe to drop.
    ///
    /// # Errors
    /// The failure.
    pub async fn ended(&mut self) -> Result<(), MasterError> {
        let master = self.handle.id().clone();
        (&mut self.tasks).await.unwrap_or_else(|source| Err(MasterError::Panicked { master, task: "service", source }))
    }

    /// Stops it in order: the office is left, so that a standby takes over at once, sessions are closed, open calls
    /// are answered.
    ///
    /// # Errors
    /// If it had failed before.
    pub async fn stop(mut self) -> Result<(), MasterError> {
        self.stop.cancel();
        self.ended().await
    }
}

/// Runs a master until `shutdown` is ready, and then stops it in order.
///
/// # Errors
/// Why it could not start or go on. Losing the lead is no reason: it then is a standby again.
pub async fn run(
    options: MasterOptions,
    backend: Backend,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), MasterError> {
    let mut service = MasterService::start(options, backend, listeners)?;
    tokio::select! {
        biased;
        // A failure is reported even if a signal comes at the same time.
        ended = service.ended() => return ended,
        () = shutdown => {}
    }
    service.stop().await
}

/// What runs beside the loop and ends with it.
struct Beside {
    following: AbortOnDropHandle<Infallible>,
    announcing: AbortOnDropHandle<()>,
}

/// Keeps loop, server and what is beside them together: if one ends, so do the others.
async fn supervise(
    running: JoinHandle<Result<(), MasterError>>,
    mut beside: Beside,
    handle: MasterHandle,
    mut serving: AbortOnDropHandle<Result<(), tonic::transport::Error>>,
    drain: CancellationToken,
) -> Result<(), MasterError> {
    let master = handle.id().clone();
    let mut running = AbortOnDropHandle::new(running);
    let panicked = |task| {
        let master = master.clone();
        move |source| MasterError::Panicked { master, task, source }
    };
    let failed = |source| MasterError::Serve { master: master.clone(), source };
    tokio::select! {
        biased;
        ended = &mut running => {
            drain.cancel();
            if timeout(DRAIN_DEADLINE, &mut serving).await.is_err() {
                tracing::info!(seconds = DRAIN_DEADLINE.as_secs(), "open calls did not end in time: cut");
            }
            ended.map_err(panicked("commit loop"))?
        }
        served = &mut serving => served.map_err(panicked("servers"))?.map_err(failed),
        Err(source) = &mut beside.following => Err(panicked("follower")(source)),
        Err(source) = &mut beside.announcing => Err(panicked("member")(source)),
    }
}

fn member(candidate: &Candidate, me: &Me) -> MemberRecord {
    MemberRecord {
        master: candidate.master.clone(),
        rpc: candidate.rpc.clone(),
        ui: candidate.ui.clone(),
        version: candidate.version.clone(),
        role: MasterRole::default().name().to_owned(),
        started_at: me.started_at.0,
    }
}

fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(work))
}
