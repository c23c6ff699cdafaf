//! A worker process from its start to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal as Number;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use tanist_core::ids::{ClusterId, Incarnation, Term};
use tanist_core::time::Wall;
use tanist_core::units::Memory;
use tanist_core::worker::Worker;

use crate::cleaner::Cleaner;
use crate::disk;
use crate::endpoint;
use crate::error::WorkerError;
use crate::event_loop::{Ended, EventLoop, Hands, wall};
use crate::handle::WorkerHandle;
use crate::launch::Surroundings;
use crate::links::Links;
use crate::live::Live;
use crate::log_stream::Logs;
use crate::options::{WorkerOptions, random};
use crate::place::Place;
use crate::runs::{Runs, Workshop};
use crate::state_dir::StateDir;
use crate::timers::Timers;

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

/// Runs a worker until it has stopped: because of `shutdown`, which ends everything that runs here first (WL-10), or
/// because it gives up. `ready` is called once it listens and looks for a master.
///
/// Dropping the future ends everything at once, as if the process had died.
///
/// # Errors
/// Why it could not start, looked at in the order of WR-02 (settings, work directory, resources, listener), or go on.
pub async fn run(
    options: WorkerOptions,
    listener: TcpListener,
    ready: impl FnOnce(&WorkerHandle),
    shutdown: impl Future<Output = ()>,
) -> Result<Exit, WorkerError> {
    options.check()?;
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
    let hands = Hands {
        links: Links::new(handle.clone()),
        runs: Runs::new(workshop(&options, &handle, &place), handle.clone(), live),
        cleaner: Cleaner::new(Arc::clone(&place), handle.clone()),
        state,
        timers: Timers::default(),
    };
    let _disk = (config.disk_floor > Memory::ZERO)
        .then(|| AbortOnDropHandle::new(tokio::spawn(disk::watch(place.work.root().to_owned(), handle.clone()))));
    let mut serving = AbortOnDropHandle::new(tokio::spawn(endpoint::serve(listener, handle.clone(), logs)));
    let event_loop = EventLoop::new(Worker::new(config, random()), inbox, stops, hands);
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
            () = &mut shutdown, if !told => {
                told = true;
                handle.stop();
            }
            () = power.fails() => handle.decommission().await,
        }
    };
    drop(stopping);
    if timeout(DRAIN_DEADLINE, &mut serving).await.is_err() {
        tracing::debug!("open calls did not end in time: cut");
    }
    let Ended { exit, links, cleaner } =
        ended.map_err(|source| WorkerError::Panicked { task: "event loop", source })??;
    // After the endpoint: a master that sees its session end finds out at once that nobody listens here any more.
    links.finish().await;
    cleaner.finish().await;
    Ok(exit)
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
    Workshop {
        place: Arc::clone(place),
        fetch: options.fetch.clone(),
        keeper: options.keeper.clone(),
        around: Surroundings {
            masters: options.tracking.masters.clone(),
            worker_url: format!("spark://Worker@{}", handle.address()),
            rolling: options.rolling.clone(),
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
