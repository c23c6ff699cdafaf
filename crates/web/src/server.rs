//! Accepting connections, up to a cap, until the face is closed.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::complaint::Complaint;
use crate::connection::{self, Use};
use crate::face::Face;
use crate::unread::Unread;

/// Pause after a failed accept: the process is out of descriptors, and they come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes of a refused connection's request that are taken off the socket, so that closing it does not void the refusal.
const REFUSED_HEAD: usize = 16 << 10;

/// Serves a face on a bound listener until `stop`. Idle connections then end at once; requests that have come are answered
/// and their answers written in full, to peers that keep to the limits. Dropping the future cuts all of them.
pub async fn serve(listener: TcpListener, face: Face, stop: CancellationToken) {
    let name = face.name;
    let mut connections = Connections::new(face, stop.clone()).await;
    let mut not_accepted = Complaint::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.tasks.join_next_with_id() => connections.forget(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connections.take(stream),
                Err(error) => {
                    if let Some(times) = not_accepted.again(Instant::now()) {
                        tracing::warn!(face = name, times, %error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.tasks.join_next_with_id().await {
        connections.forget(ended);
    }
}

struct Connections {
    face: Arc<Face>,
    unread: Arc<Unread>,
    stop: CancellationToken,
    refusal: Vec<u8>,
    refused: Complaint,
    tasks: JoinSet<()>,
    open: HashMap<Id, Arc<Use>>,
}

impl Connections {
    async fn new(face: Face, stop: CancellationToken) -> Self {
        let refusal = refusal(&face).await;
        let refused = Complaint::default();
        let unread = Arc::new(Unread::new(face.limits.max_unread));
        Self { face: Arc::new(face), unread, stop, refusal, refused, tasks: JoinSet::new(), open: HashMap::new() }
    }

    fn take(&mut self, stream: TcpStream) {
        if self.open.len() >= self.face.limits.max_connections.get() as usize && !self.end_idlest() {
            if let Some(refused) = self.refused.again(Instant::now()) {
                tracing::warn!(face = self.face.name, open = self.open.len(), refused, "all connections are in use");
            }
            return refuse(stream, &self.refusal);
        }
        let in_use = Arc::new(Use::default());
        let (face, unread, stop) = (self.face.clone(), self.unread.clone(), self.stop.clone());
        let task = self.tasks.spawn(connection::run(stream, face, in_use.clone(), unread, stop));
        self.open.insert(task.id(), in_use);
    }

    /// Cuts the connection that waits longest. False: a handler is at work for each that may change something.
    fn end_idlest(&mut self) -> bool {
        let idle = self.open.iter().filter_map(|(id, in_use)| Some((in_use.idle_since()?, *id)));
        let Some((_, idlest)) = idle.min() else { return false };
        if let Some(in_use) = self.open.remove(&idlest) {
            in_use.cut();
        }
        true
    }

    fn forget(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    tracing::error!(face = self.face.name, %error, "a connection panicked");
                }
                error.id()
            }
        };
        self.open.remove(&id);
    }
}

/// What is said to one connection too many.
async fn refusal(face: &Face) -> Vec<u8> {
    let why = format!("All {} connections are in use; try again", face.limits.max_connections);
    let (head, body) = (face.error)(StatusCode::SERVICE_UNAVAILABLE, &why).into_parts();
    let body = body.collect().await.unwrap_or_default().to_bytes();
    let mut bytes = b"HTTP/1.1 503 Service Unavailable\r\n".to_vec();
    let own = head.headers.iter().filter(|(name, _)| *name != "content-length");
    for (name, value) in own {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("Retry-After: 1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
}

/// Says so as far as the socket takes it at once; nobody waits for this peer.
fn refuse(stream: TcpStream, refusal: &[u8]) {
    let said = stream.into_std().and_then(|mut stream| {
        stream.write_all(refusal)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        stream.read(&mut [0; REFUSED_HEAD])
    });
    if let Err(error) = said {
        tracing::debug!(%error, "a connection too many went away before its refusal");
    }
}
