//! What is served on one port.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;

use crate::answer;
use crate::jws::JwsKey;

/// How a face writes an error of the server itself: too large, too late, not allowed, broken.
pub type ErrorForm = Arc<dyn Fn(StatusCode, &str) -> Response + Send + Sync>;

/// One port: its routes, and what holds for all of them.
#[derive(Clone)]
pub struct Face {
    /// What it is called in the log, e.g. `rest`.
    pub name: &'static str,
    /// What it answers. A handler gets the whole body of its request or is not called.
    pub router: Router,
    /// The form of errors.
    pub error: ErrorForm,
    /// Whoever asks must show a token signed with this key; none = everybody may ask.
    pub key: Option<JwsKey>,
    /// Its limits.
    pub limits: Limits,
}

const MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);

/// 256 kbit/s, which links of our days have.
const LEAST_RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add((32 << 10) - 1);

/// Bytes of a body where none is of any use.
const MAX_USELESS_BODY: usize = 4 << 10;

impl Face {
    /// Pages for whoever asks, which change nothing and need no bodies.
    pub fn of_pages(router: Router) -> Self {
        Self {
            name: "web",
            router,
            error: Arc::new(|status, why| answer::plain(status, why.to_owned())),
            key: None,
            limits: Limits { max_body: MAX_USELESS_BODY, ..Limits::default() },
        }
    }
}

/// What a peer may take of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. One more ends the one that waits longest, be it for a request, for an answer that changes
    /// nothing, or for its answer to be read; if handlers are at work for all of them that may change something, it is refused.
    pub max_connections: NonZeroU32,
    /// Bytes of a request's body. All connections together hold at most so much for each of them.
    pub max_body: usize,
    /// How long a connection may take for the next request's line and headers, idle time included.
    pub idle_timeout: Duration,
    /// How long a request may take from its headers to its answer.
    pub request_timeout: Duration,
    /// How long a peer may leave an answer unread before its connection is cut, beside the time that the answer takes at
    /// the least rate.
    pub stall_timeout: Duration,
    /// Bytes in a second that a peer has to take while it is being written to.
    pub least_rate: NonZeroU32,
    /// Bytes of answers that have not been read yet, of all connections together. One more ends the connections that have
    /// been reading longest.
    pub max_unread: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: MAX_CONNECTIONS,
            max_body: 1 << 20,
            idle_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(10),
            least_rate: LEAST_RATE,
            max_unread: 64 << 20,
        }
    }
}
