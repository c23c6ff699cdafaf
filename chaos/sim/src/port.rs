//! The network as one host's operating system shows it to the program there: connections, and gRPC calls on them.
//!
//! What the program sends is put into a queue that the simulator empties when the host has run; what reaches the host is
//! put in by the simulator before it runs again. Between the two lies [`crate::net`]. Frames are those of gRPC, whole:
//! HTTP/2 itself is left out.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Body as _;
use tanist_store::simulated::Channel;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;
use tower::util::BoxCloneSyncService;

/// A connection; unique in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A call on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// A part of a call.
#[derive(Debug, Clone)]
pub enum Frame {
    /// From the client: which method.
    Open(Box<Open>),
    /// From the server: it answers.
    Head(Box<HeaderMap>),
    /// From either side: bytes of messages.
    Data(Bytes),
    /// From either side: nothing more comes; from the server with its verdict.
    End(Box<HeaderMap>),
    /// From either side: the call is given up.
    Reset,
}

/// The beginning of a call.
#[derive(Debug, Clone)]
pub struct Open {
    /// `/package.Service/Method`.
    pub path: String,
    /// What comes with it.
    pub headers: HeaderMap,
}

/// What a program wants of the network.
#[derive(Debug)]
pub enum Out {
    /// A connection to this address.
    Connect(ConnId, String),
    /// A part of a call on a connection.
    Frame(ConnId, CallId, Frame),
    /// Its side of a connection is closed.
    Close(ConnId),
}

/// What reaches a host on a connection.
#[derive(Debug)]
pub enum In {
    /// The other side has taken it.
    Accepted,
    /// Nobody listens there.
    Refused,
    /// A part of a call.
    Frame(CallId, Frame),
    /// It is over.
    Broken,
}

/// The program's side of the network.
#[derive(Debug)]
pub struct Port {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    next_conn: u64,
    out: Vec<Out>,
    connecting: BTreeMap<ConnId, oneshot::Sender<io::Result<()>>>,
    /// Connections that this host has opened, with the number of the next call on each.
    opened: BTreeMap<ConnId, u32>,
    /// Calls of this host, and what is coming back.
    asked: BTreeMap<(ConnId, CallId), mpsc::UnboundedSender<Frame>>,
    /// Calls that are served here.
    served: BTreeMap<(ConnId, CallId), Served>,
}

#[derive(Debug)]
struct Served {
    body: Option<mpsc::UnboundedSender<Frame>>,
    task: AbortHandle,
}

/// How long a channel waits for its connection, as the store's own do.
const CONNECT_WITHIN: Duration = Duration::from_millis(800);

impl Port {
    /// The port of one life of a host; `first` is a number no other one uses.
    pub fn new(first: u64) -> Arc<Self> {
        let inner = Inner {
            next_conn: first,
            out: Vec::new(),
            connecting: BTreeMap::new(),
            opened: BTreeMap::new(),
            asked: BTreeMap::new(),
            served: BTreeMap::new(),
        };
        Arc::new(Self { inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the program has sent since the last time.
    pub fn take(&self) -> Vec<Out> {
        std::mem::take(&mut self.inner().out)
    }

    /// A channel that connects when it is first used.
    pub fn channel(self: &Arc<Self>, address: &str) -> Channel {
        let line = Line { port: self.clone(), address: address.to_owned(), conn: tokio::sync::Mutex::default() };
        Channel::Custom(BoxCloneSyncService::new(Wire(Arc::new(line))))
    }

    /// One connection, and a channel on it.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(self: Arc<Self>, address: String) -> io::Result<Channel> {
        let conn = Conn::open(&self, &address).await?;
        let conn = tokio::sync::Mutex::new(Some(Arc::new(conn)));
        let line = Line { port: self, address, conn };
        Ok(Channel::Custom(BoxCloneSyncService::new(Wire(Arc::new(line)))))
    }

    /// Something has reached this host. Calls are answered by `services`, in tasks of their runtime.
    pub fn hear(self: &Arc<Self>, conn: ConnId, what: In, services: &Routes, runtime: &Handle) {
        match what {
            In::Accepted => self.inner().connected(conn, Ok(())),
            In::Refused => self.inner().connected(conn, Err(io::ErrorKind::ConnectionRefused.into())),
            In::Frame(call, Frame::Open(open)) => self.serve(conn, call, *open, services.clone(), runtime),
            In::Frame(call, frame) => self.inner().hear(conn, call, frame),
            In::Broken => self.inner().broken(conn),
        }
    }

    fn serve(self: &Arc<Self>, conn: ConnId, call: CallId, open: Open, mut services: Routes, runtime: &Handle) {
        let (body, incoming) = mpsc::unbounded_channel();
        let port = self.clone();
        let task = runtime.spawn(async move {
            let mut request = Request::new(Body::new(Incoming { frames: incoming, ended: false, asked: None }));
            *request.method_mut() = http::Method::POST;
            *request.uri_mut() = Uri::try_from(open.path).unwrap_or_default();
            *request.headers_mut() = open.headers;
            let Ok(answer) = services.call(request).await;
            let (head, body) = answer.into_parts();
            port.send(conn, call, Frame::Head(Box::new(head.headers)));
            port.pump(conn, call, body).await;
            port.inner().served.remove(&(conn, call));
        });
        self.inner().served.insert((conn, call), Served { body: Some(body), task: task.abort_handle() });
    }

    fn send(&self, conn: ConnId, call: CallId, frame: Frame) {
        self.inner().out.push(Out::Frame(conn, call, frame));
    }

    /// Sends a body to its end.
    async fn pump(&self, conn: ConnId, call: CallId, body: Body) {
        let mut body = std::pin::pin!(body);
        loop {
            let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => self.send(conn, call, Frame::Data(data)),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return self.send(conn, call, Frame::End(Box::new(trailers)));
                    }
                },
                Some(Err(_)) => return self.send(conn, call, Frame::Reset),
                None => return self.send(conn, call, Frame::End(Box::default())),
            }
        }
    }
}

impl Inner {
    fn connected(&mut self, conn: ConnId, result: io::Result<()>) {
        let taken = result.is_ok();
        let waited_for = self.connecting.remove(&conn).is_some_and(|waiting| waiting.send(result).is_ok());
        if taken && waited_for {
            self.opened.insert(conn, 0);
        } else if taken {
            self.out.push(Out::Close(conn));
        }
    }

    fn hear(&mut self, conn: ConnId, call: CallId, frame: Frame) {
        let key = (conn, call);
        if let Some(asked) = self.asked.get(&key) {
            let last = matches!(frame, Frame::End(_) | Frame::Reset);
            let _ = asked.send(frame);
            if last {
                self.asked.remove(&key);
            }
        } else if let Some(served) = self.served.get_mut(&key) {
            match frame {
                Frame::Reset => {
                    served.task.abort();
                    self.served.remove(&key);
                }
                Frame::End(_) => served.body = None,
                frame => {
                    if let Some(body) = &served.body {
                        let _ = body.send(frame);
                    }
                }
            }
        }
    }

    fn broken(&mut self, conn: ConnId) {
        self.connected(conn, Err(io::ErrorKind::ConnectionReset.into()));
        self.opened.remove(&conn);
        let calls = (conn, CallId(0))..=(conn, CallId(u32::MAX));
        let asked: Vec<_> = self.asked.range(calls.clone()).map(|(key, _)| *key).collect();
        for key in asked {
            if let Some(asked) = self.asked.remove(&key) {
                let _ = asked.send(Frame::Reset);
            }
        }
        let served: Vec<_> = self.served.range(calls).map(|(key, _)| *key).collect();
        for key in served {
            if let Some(served) = self.served.remove(&key) {
                served.task.abort();
            }
        }
    }
}

/// A connection that this host has opened. It closes when nobody uses it any more.
struct Conn {
    port: Arc<Port>,
    id: ConnId,
}

impl Conn {
    async fn open(port: &Arc<Port>, address: &str) -> io::Result<Self> {
        let (waiting, connected) = oneshot::channel();
        let id = {
            let mut inner = port.inner();
            inner.next_conn += 1;
            let id = ConnId(inner.next_conn);
            inner.out.push(Out::Connect(id, address.to_owned()));
            inner.connecting.insert(id, waiting);
            id
        };
        connected.await.unwrap_or_else(|_| Err(io::ErrorKind::ConnectionReset.into()))?;
        Ok(Self { port: port.clone(), id })
    }

    fn is_open(&self) -> bool {
        self.port.inner().opened.contains_key(&self.id)
    }

    /// Begins a call, if the connection still stands.
    fn begin(self: &Arc<Self>, open: Open) -> Option<(Asked, mpsc::UnboundedReceiver<Frame>)> {
        let (asked, frames) = mpsc::unbounded_channel();
        let mut inner = self.port.inner();
        let next = inner.opened.get_mut(&self.id)?;
        *next += 1;
        let call = CallId(*next);
        inner.asked.insert((self.id, call), asked);
        inner.out.push(Out::Frame(self.id, call, Frame::Open(Box::new(open))));
        drop(inner);
        Some((Asked { conn: self.clone(), call, sending: None }, frames))
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let mut inner = self.port.inner();
        if inner.opened.remove(&self.id).is_some() {
            inner.out.push(Out::Close(self.id));
        }
    }
}

/// A call of this host. Dropped before its end, it is given up.
struct Asked {
    conn: Arc<Conn>,
    call: CallId,
    sending: Option<AbortHandle>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(sending) = &self.sending {
            sending.abort();
        }
        let mut inner = self.conn.port.inner();
        if inner.asked.remove(&(self.conn.id, self.call)).is_some() {
            inner.out.push(Out::Frame(self.conn.id, self.call, Frame::Reset));
        }
    }
}

struct Line {
    port: Arc<Port>,
    address: String,
    conn: tokio::sync::Mutex<Option<Arc<Conn>>>,
}

impl Line {
    async fn conn(&self) -> io::Result<Arc<Conn>> {
        let mut conn = self.conn.lock().await;
        if let Some(conn) = conn.as_ref().filter(|conn| conn.is_open()) {
            return Ok(conn.clone());
        }
        let opened = timeout(CONNECT_WITHIN, Conn::open(&self.port, &self.address)).await;
        let opened = Arc::new(opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??);
        *conn = Some(opened.clone());
        Ok(opened)
    }

    async fn call(&self, request: Request<Body>) -> Result<Response<Body>, tower::BoxError> {
        let conn = self.conn().await.map_err(|error| tonic::ConnectError(Box::new(error)))?;
        let (head, body) = request.into_parts();
        let open = Open { path: head.uri.path().to_owned(), headers: head.headers };
        let Some((mut asked, mut frames)) = conn.begin(open) else {
            return Err(tonic::ConnectError(io::Error::from(io::ErrorKind::ConnectionReset).into()).into());
        };
        let (port, call) = (self.port.clone(), asked.call);
        let sending = tokio::spawn(async move { port.pump(conn.id, call, body).await });
        asked.sending = Some(sending.abort_handle());
        let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
        match frames.recv().await {
            Some(Frame::Head(headers)) => {
                let body = Incoming { frames, ended: false, asked: Some(asked) };
                let mut response = Response::new(Body::new(body));
                *response.headers_mut() = *headers;
                Ok(response)
            }
            _ => Err(broken().into()),
        }
    }
}

/// A channel of this port.
#[derive(Clone)]
struct Wire(Arc<Line>);

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = tower::BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, tower::BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tower::BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let line = self.0.clone();
        Box::pin(async move { line.call(request).await })
    }
}

/// A body that comes in.
struct Incoming {
    frames: mpsc::UnboundedReceiver<Frame>,
    ended: bool,
    /// The call that it answers; given up with it.
    asked: Option<Asked>,
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.frames.poll_recv(context)) {
            Some(Frame::Data(data)) => Poll::Ready(Some(Ok(http_body::Frame::data(data)))),
            Some(Frame::End(trailers)) => {
                self.ended = true;
                Poll::Ready(Some(Ok(http_body::Frame::trailers(*trailers))))
            }
            // The other side has closed in order.
            None if self.asked.is_none() => Poll::Ready(None),
            _ => {
                self.ended = true;
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
        }
    }
}
