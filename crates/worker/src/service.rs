//! A worker process from its start to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal as Number;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use tanist_core::ids::{ClusterId, Incarnation, Term};
use tanist_core::time::Wall;
use tanist_core::units::Memory;
use tanist_core::worker::Worker;
use tanist_web::Face;

use crate::board::Board;
use crate::cleaner::Cleaner;
use crate::disk;
use crate::endpoint;
use crate::error::WorkerError;
use crate::event_loop::{Ended, EventLoop, Hands, mono, wall};
use crate::handle::WorkerHandle;
use crate::http::{self, Pages};
use crate::launch::Surroundings;
use crate::links::Links;
use crate::live::Live;
use crate::log_stream::Logs;
use crate::options::{WorkerOptions, random};
use crate::place::Place;
use crate::runner::artifact::FetchLimits;
use crate::runs::{Runs, Workshop};
use crate::state_dir::StateDir;
use crate::timers::Timers;
use crate::watchers::{self, Door};

/// How long open calls may take to end once the worker has stopped.
const DRAIN_DEADLINE: Duration = Duration::from_secs(1);

/// How a worker process ended without a failure of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// 0 after a requested stop; 1 where it gave up: no master within the allowed retries, or one that refuses it.
    pub code: u8,
    /// Why, for people.
    pub why: String,
}

/// Where a worker is reached.
#[derive(Debug)]
pub struct Listeners {
    /// Its gRPC endpoint.
    pub endpoint: TcpListener,
    /// Its web pages; none = it has none.
    pub web: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(endpoint: TcpListener) -> Self {
        Self { endpoint, web: None }
    }
}

/// Runs a worker until it has stopped: because of `shutdown`, which ends everything that runs here first (WL-10), or
/// because it gives up. `ready` is called once it listens and looks for a master.
///
/// Dropping the future ends everything at once, as if the process had died.
///
/// # Errors
/// Why it could not start, looked at in the order of WR-02 (settings, work directory, resources, listener), or go on.
pub async fn run(
    options: WorkerOptions,
    listeners: impl Into<Listeners>,
    ready: impl FnOnce(&WorkerHandle),
    shutdown: impl Future<Output = ()>,
) -> Result<Exit, WorkerError> {
    options.check()?;
    let options = options.absolute()?;
    let Listeners { endpoint: listener, web } = listeners.into();
    let started_at = wall();
    let (place, state, heard, incarnation) = open_work_dir(&options, started_at).await?;
    let resources = options.find_resources().await.map_err(WorkerError::Resources)?;
    let bound = listener.local_addr().map_err(system("read the address of the listener"))?;
    let identity = options.identity(incarnation, options.advertised_port.unwrap_or(bound.port()), started_at)?;
    let mut power = PowerFailure::watch(options.behaviour.decommission_enabled)?;

    let (handle, inbox, stops) = WorkerHandle::new(identity.clone());
    let (live, stopping) = (Live::default(), CancellationToken::new());
    let logs = Logs { place: Arc::clone(&place), live: live.clone(), stopping: stopping.clone() };
    let mut config = options.machine(identity, resources);
    config.heard = heard;
    tracing::info!(
        worker = %handle.id(), address = handle.address(), %bound, work_dir = %place.work.root().display(),
        cores = %config.cores, memory = %config.memory, resources = ?config.resources.iter().collect::<Vec<_>>(), "worker started"
    );
    let board = Arc::new(Board::new(mono));
    let hands = Hands {
        links: Links::new(handle.clone()),
        runs: Runs::new(workshop(&options, &handle, &place), handle.clone(), live),
        cleaner: Cleaner::new(Arc::clone(&place), handle.clone()),
        state,
        timers: Timers::default(),
        board: board.clone(),
    };
    let _disk = (config.behaviour.disk_floor > Memory::ZERO)
        .then(|| AbortOnDropHandle::new(tokio::spawn(disk::watch(place.work.root().to_owned(), handle.clone()))));
    let door = Door { auth: options.auth.clone(), tls: options.tls.clone().map(TlsAcceptor::from) };
    let mut serving = AbortOnDropHandle::new(tokio::spawn(endpoint::serve(listener, handle.clone(), logs, door)));
    let event_loop = EventLoop::new(Worker::new(config, random()), inbox, stops, hands);
    let mut showing = web.map(|web| show(web, Pages::new(board, place), &stopping));
    let mut looping = AbortOnDropHandle::new(tokio::spawn(event_loop.run()));
    // Whatever ends this function ends the listening.
    let stopping = stopping.drop_guard();
    ready(&handle);

    let mut shutdown = pin!(shutdown);
    let mut told = false;
    let ended = loop {
        tokio::select! {
            biased;
            // An end comes before a wish for it.
            ended = &mut looping => break ended,
            served = &mut serving => {
                return Err(match served {
                    Ok(Err(source)) => WorkerError::Serve(source),
                    Ok(Ok(())) => WorkerError::ServerEnded,
                    Err(source) => WorkerError::Panicked { task: "gRPC server", source },
                });
            }
            source = died(&mut showing) => return Err(WorkerError::Panicked { task: "HTTP server", source }),
            () = &mut shutdown, if !told => {
                told = true;
                handle.stop();
            }
            () = power.fails() => handle.decommission().await,
        }
    };
    drop(stopping);
    drain(serving, showing).await;
    let Ended { exit, links, cleaner } =
        ended.map_err(|source| WorkerError::Panicked { task: "event loop", source })??;
    // After the endpoint: a master that sees its session end finds out at once that nobody listens here any more.
    links.finish().await;
    cleaner.finish().await;
    Ok(exit)
}

/// Serves the web pages until the worker stops.
fn show(listener: TcpListener, pages: Pages, stopping: &CancellationToken) -> AbortOnDropHandle<()> {
    let face = Face::of_pages(http::router(pages));
    AbortOnDropHandle::new(tokio::spawn(tanist_web::serve(listener, face, stopping.clone())))
}

/// Waits for a task that goes on for as long as the worker to have died.
async fn died(task: &mut Option<AbortOnDropHandle<()>>) -> JoinError {
    if let Some(Err(error)) = async { Some(task.as_mut()?.await) }.await {
        return error;
    }
    // There is none, or the worker stops.
    *task = None;
    std::future::pending().await
}

/// Lets open calls and requests end, for a while. How is of no interest any more.
async fn drain<T>(serving: AbortOnDropHandle<T>, showing: Option<AbortOnDropHandle<()>>) {
    let showing = async {
        if let Some(showing) = showing {
            let _ = showing.await;
        }
    };
    if timeout(DRAIN_DEADLINE, async { tokio::join!(serving, showing) }).await.is_err() {
        tracing::debug!("open calls and requests did not end in time: cut");
    }
}

/// Opens the work directory, takes it for this process alone, and reads what an earlier process has left there.
async fn open_work_dir(
    options: &WorkerOptions,
    started_at: Wall,
) -> Result<(Arc<Place>, Arc<StateDir>, Option<(Term, ClusterId)>, Incarnation), WorkerError> {
    let (path, local) = (options.work_dir.clone(), options.local_dirs.clone());
    let opened = spawn_blocking(move || {
        let place = Place::open(&path, local).map_err(|source| WorkerError::WorkDir { path, source })?;
        let state = StateDir::open(place.work.root())?;
        let heard = state.load()?;
        let incarnation = state.begin(started_at)?;
        Ok((Arc::new(place), Arc::new(state), heard, incarnation))
    });
    opened.await.map_err(|source| WorkerError::Panicked { task: "work directory", source })?
}

fn workshop(options: &WorkerOptions, handle: &WorkerHandle, place: &Arc<Place>) -> Workshop {
    let keep_free = options.behaviour.disk_floor.as_bytes();
    Workshop {
        place: Arc::clone(place),
        fetch: FetchLimits { keep_free, ..options.fetch.clone() },
        keeper: options.keeper.clone(),
        around: Surroundings {
            masters: options.tracking.masters.clone(),
            worker_url: format!("spark://{}@{}", watchers::ENDPOINT, handle.address()),
            rolling: options.rolling.clone(),
            homes: options.homes.clone(),
            any_executor_class: options.any_executor_class,
            auth: options.auth.clone(),
            tls: options.tls.is_some(),
            ssl: options.behaviour.ssl_settings.clone(),
        },
    }
}

fn system(operation: &'static str) -> impl FnOnce(std::io::Error) -> WorkerError {
    move |source| WorkerError::System { operation, source }
}

/// SIGPWR, where it asks for decommissioning (DC-01).
struct PowerFailure(Option<Signal>);

impl PowerFailure {
    fn watch(enabled: bool) -> Result<Self, WorkerError> {
        let kind = SignalKind::from_raw(Number::POWER.as_raw());
        let watched = enabled.then(|| signal(kind)).transpose();
        watched.map(Self).map_err(system("catch SIGPWR"))
    }

    /// Waits for the next one.
    async fn fails(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                if signal.recv().await.is_none() {
                    std::future::pending::<()>().await;
                }
            }
            None => std::future::pending().await,
        }
    }
}
