//! The gRPC face: a cluster behind the API that clients of etcd speak, on any kind of connection.

mod services;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant, sleep_until};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::api::WatchResponse;
use crate::api::cluster_server::ClusterServer;
use crate::api::kv_server::KvServer;
use crate::api::lease_server::LeaseServer;
use crate::api::maintenance_server::MaintenanceServer;
use crate::api::watch_server::WatchServer;
use crate::failure::Failure;
use crate::message::{Request, Response};
use crate::{CallId, Etcd, Output, StreamId};

use services::Door;
use wire::Wire;

/// A cluster that runs by tokio's clock and can be called. It ends with its last handle.
#[derive(Debug, Clone)]
pub struct Host(Arc<Running>);

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    clock: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.clock.abort();
    }
}

/// What the clock and all connections have in common.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Raised when there may be another deadline.
    changed: Notify,
    began: Instant,
}

#[derive(Debug)]
struct State {
    etcd: Etcd,
    calls: BTreeMap<CallId, (usize, oneshot::Sender<Result<Response, Failure>>)>,
    streams: BTreeMap<StreamId, (usize, mpsc::UnboundedSender<Said>)>,
    /// Per member what ends its connections.
    lives: Vec<CancellationToken>,
    last_id: u64,
}

/// What a stream says: a message, or why it ends.
type Said = Result<WatchResponse, Failure>;

impl Host {
    /// Begins to run a cluster. Its time is 0 now.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(etcd: Etcd) -> Self {
        let lives = (0..etcd.members()).map(|_| CancellationToken::new()).collect();
        let (calls, streams) = (BTreeMap::new(), BTreeMap::new());
        let state = Mutex::new(State { etcd, calls, streams, lives, last_id: 0 });
        let shared = Arc::new(Shared { state, changed: Notify::new(), began: Instant::now() });
        let clock = tokio::spawn(run_clock(Arc::clone(&shared))).abort_handle();
        Self(Arc::new(Running { shared, clock }))
    }

    /// Does something to the cluster, at the present moment, which is handed in.
    pub fn with<T>(&self, act: impl FnOnce(&mut Etcd, u64) -> T) -> T {
        self.0.shared.with(|state, now| act(&mut state.etcd, now))
    }

    /// Serves one member on these connections, until there are no more, or the future is dropped. A member that is down
    /// takes none, and loses those that it has.
    ///
    /// # Errors
    /// If the server fails.
    pub async fn serve<I, C>(&self, member: usize, connections: I) -> Result<(), tonic::transport::Error>
    where
        I: Stream<Item = io::Result<C>>,
        C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = Arc::clone(&self.0.shared);
        let door = Door::new(Arc::clone(&shared), member);
        let taken = connections.filter_map(move |connection| match connection {
            Ok(connection) => shared.life(member).map(|life| Ok(Wire::new(connection, life))),
            Err(error) => Some(Err(error)),
        });
        Server::builder()
            .add_service(KvServer::new(door.clone()).max_decoding_message_size(usize::MAX))
            .add_service(WatchServer::new(door.clone()))
            .add_service(LeaseServer::new(door.clone()))
            .add_service(MaintenanceServer::new(door.clone()))
            .add_service(ClusterServer::new(door))
            .serve_with_incoming(taken)
            .await
    }
}

/// Lets the cluster go on at every moment at which it wants to.
async fn run_clock(shared: Arc<Shared>) {
    loop {
        let changed = shared.changed.notified();
        let deadline = shared.with(|state, _| state.etcd.next_deadline());
        let deadline = deadline.map(|at| shared.began + Duration::from_millis(at));
        tokio::select! {
            biased;
            () = changed => {}
            () = sleep_until(deadline.unwrap_or(shared.began)), if deadline.is_some() => {}
        }
    }
}

impl Shared {
    /// Acts at the present moment, and carries what comes of it to where it belongs.
    fn with<T>(&self, act: impl FnOnce(&mut State, u64) -> T) -> T {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut state = self.state();
        let before = state.etcd.next_deadline();
        state.etcd.advance(now);
        let result = act(&mut state, now);
        state.deliver();
        if state.etcd.next_deadline() != before {
            self.changed.notify_one();
        }
        result
    }

    /// What ends the connections of a member that is up.
    fn life(&self, member: usize) -> Option<CancellationToken> {
        let state = self.state();
        state.etcd.is_up(member).then(|| state.lives[member].clone())
    }

    /// One call, to its end.
    async fn call(&self, member: usize, request: Request, require_leader: bool) -> Result<Response, Failure> {
        let (sender, answer) = oneshot::channel();
        let id = self.with(|state, now| {
            let id = CallId(state.next_id());
            state.calls.insert(id, (member, sender));
            state.etcd.request(now, member, id, request, require_leader);
            id
        });
        let _forget = Forget { shared: self, id };
        answer.await.unwrap_or(Err(Failure::Stopped))
    }

    /// A panic while this is held is a bug in the simulation, which the test that runs it hears of otherwise.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever gives up on a call takes it back.
struct Forget<'a> {
    shared: &'a Shared,
    id: CallId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.calls.remove(&self.id).is_some() {
            state.etcd.forget(self.id);
        }
    }
}

impl State {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Whoever is not there any more misses what was for him.
    fn deliver(&mut self) {
        while let Some(output) = self.etcd.poll_output() {
            match output {
                Output::Answer { call, result } => {
                    if let Some((_, waiting)) = self.calls.remove(&call) {
                        drop(waiting.send(result));
                    }
                }
                Output::Watch { stream, message } => {
                    if let Some((_, reader)) = self.streams.get(&stream) {
                        drop(reader.send(Ok(message)));
                    }
                }
                Output::End { stream, why } => {
                    if let Some((_, reader)) = self.streams.remove(&stream) {
                        drop(reader.send(Err(why)));
                    }
                }
                Output::Down { member } => {
                    // The connections first: nobody gets a proper end.
                    std::mem::take(&mut self.lives[member]).cancel();
                    self.calls.retain(|_, (at, _)| *at != member);
                    self.streams.retain(|_, (at, _)| *at != member);
                }
            }
        }
    }
}
