//! One connection: each request comes whole and in time, is answered in time, and a panic is an answer too.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::Response;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::face::Face;
use crate::stream::Stream;
use crate::unread::Unread;

/// Bytes of a request's line and headers.
const MAX_HEAD: usize = 32 << 10;

/// Since when a connection waits: for its peer, be it for a head, for a body, or for an answer to be read, or for an answer
/// that changes nothing. It is not in the way of others: at the cap, the one that waits longest ends.
#[derive(Debug)]
pub(crate) struct Use {
    opened: Instant,
    /// Milliseconds after `opened`, or [`Use::BUSY`].
    idle_since: AtomicU64,
    cut: CancellationToken,
}

impl Default for Use {
    fn default() -> Self {
        Self { opened: Instant::now(), idle_since: AtomicU64::new(0), cut: CancellationToken::new() }
    }
}

impl Use {
    const BUSY: u64 = u64::MAX;

    /// Since when it waits; none = a handler works on a request that may change something.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let since = self.idle_since.load(Ordering::Relaxed);
        (since != Self::BUSY).then(|| self.opened + std::time::Duration::from_millis(since))
    }

    /// Ends the connection, whatever it does.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    /// A handler begins. Who only reads may be sent away at any time and ask again.
    fn begin(&self, method: &Method) -> Option<Busy<'_>> {
        if method.is_safe() {
            self.wait();
            return None;
        }
        self.idle_since.store(Self::BUSY, Ordering::Relaxed);
        Some(Busy(self))
    }

    fn wait(&self) {
        let since = self.opened.elapsed().as_millis();
        self.idle_since.store(u64::try_from(since).unwrap_or_default(), Ordering::Relaxed);
    }
}

/// A handler at work on a request that may change something.
struct Busy<'a>(&'a Use);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// Serves one connection to its end, or until it is cut.
pub(crate) async fn run(
    stream: TcpStream,
    face: Arc<Face>,
    in_use: Arc<Use>,
    unread: Arc<Unread>,
    stop: CancellationToken,
) {
    let cut = in_use.cut.clone();
    cut.run_until_cancelled(serve(stream, face, in_use, unread, stop)).await;
}

async fn serve(stream: TcpStream, face: Arc<Face>, in_use: Arc<Use>, unread: Arc<Unread>, stop: CancellationToken) {
    let name = face.name;
    let limits = &face.limits;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(face = name, %error, "small answers may be held back");
    }
    let io = TokioIo::new(Stream::new(stream, limits.stall_timeout, limits.least_rate));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(MAX_HEAD)
        .half_close(true)
        .title_case_headers(true);
    let service = service_fn(|request| {
        let (face, in_use, unread) = (face.clone(), in_use.clone(), unread.clone());
        async move {
            let response = with_reason(answer(request, &face, &in_use).await);
            kept(response, &face, &unread, &in_use.cut).await
        }
    });
    let mut connection = pin!(builder.serve_connection(io, service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match timeout(limits.request_timeout.saturating_add(limits.stall_timeout), connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!(face = name, "a connection is cut: its peer is too slow"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(face = name, %error, "a connection ended");
    }
}

/// The answer to one request, whatever happens to it.
async fn answer(request: Request<Incoming>, face: &Face, in_use: &Use) -> Response {
    let deadline = tokio::time::Instant::now() + face.limits.request_timeout;
    if let Some(key) = &face.key
        && let Err(why) = key.check(request.headers())
    {
        return last((face.error)(StatusCode::FORBIDDEN, &why.to_string()));
    }
    let (head, body) = request.into_parts();
    let read = read(&head.headers, body, face.limits.max_body);
    let body = match timeout_at(deadline, read).await {
        Ok(Ok(body)) => body,
        Ok(Err((status, why))) => return last((face.error)(status, &why)),
        Err(_) => return last((face.error)(StatusCode::REQUEST_TIMEOUT, "The body did not come in time")),
    };
    let _busy = in_use.begin(&head.method);
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let handled = face.router.clone().oneshot(Request::from_parts(head, Body::from(body)));
    match timeout_at(deadline, AssertUnwindSafe(handled).catch_unwind()).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Err(_)) => {
            tracing::error!(face = face.name, %method, path, "the handler of a request panicked");
            (face.error)(StatusCode::INTERNAL_SERVER_ERROR, "The handler of this request failed; see the log")
        }
        Err(_) => {
            let seconds = face.limits.request_timeout.as_secs_f32();
            tracing::warn!(face = face.name, %method, path, seconds, "a request was not answered in time");
            let why = format!("No answer within {seconds}s; whether the request takes effect is not known");
            (face.error)(StatusCode::SERVICE_UNAVAILABLE, &why)
        }
    }
}

/// The whole body.
async fn read(headers: &HeaderMap, body: Incoming, max: usize) -> Result<Bytes, (StatusCode, String)> {
    let too_large =
        || (StatusCode::PAYLOAD_TOO_LARGE, format!("The body has more than the {max} bytes that are allowed"));
    let told = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > max as u64) {
        return Err(too_large());
    }
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err((StatusCode::BAD_REQUEST, format!("The body cannot be read: {error}"))),
    }
}

/// The answer, which counts as unread until the peer has taken all of it. It comes in one piece, as all of them do.
async fn kept(
    response: Response,
    face: &Face,
    unread: &Arc<Unread>,
    cut: &CancellationToken,
) -> Result<Response, axum::Error> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.inspect_err(|error| {
        tracing::error!(face = face.name, %error, "an answer cannot be written");
    })?;
    Ok(Response::from_parts(head, Body::from(unread.keep(body.to_bytes(), cut.clone()))))
}

/// The last answer on its connection.
fn last(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A status without a name of its own has its number for one, as the original's 468 does.
fn with_reason(mut response: Response) -> Response {
    let status = response.status();
    if status.canonical_reason().is_none()
        && let Ok(reason) = ReasonPhrase::try_from(status.as_str().to_owned())
    {
        response.extensions_mut().insert(reason);
    }
    response
}
