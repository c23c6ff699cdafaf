//! The end of a conversation, and what the log says about it.

use std::net::SocketAddr;

use super::channel::Broken;
use super::worker::Worker;

/// Longest text of a stranger that is logged, in characters.
const MAX_LOGGED: usize = 200;

/// Why one ends.
pub(super) enum End {
    /// It is of no use any more.
    Broken(Broken),
    /// Everything is said; in words.
    Over(String),
    /// The other end has closed it, or never said anything.
    Left,
    /// A worker has come, whose conversation is another one.
    Worker(Box<Worker>),
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<tanist_spark::Error> for End {
    fn from(error: tanist_spark::Error) -> Self {
        Self::Broken(Broken::Protocol(error))
    }
}

impl End {
    /// One line, as loud as it matters, with the application or worker whose conversation it was.
    pub(super) fn tell(self, peer: SocketAddr, of: Option<&str>) {
        match self {
            Self::Broken(Broken::Unknown(error)) => {
                let error = shortened(&error.to_string());
                tracing::warn!(%peer, error, "a program of Spark is not let in: connection closed");
            }
            Self::Broken(error @ Broken::Protocol(_)) => {
                tracing::warn!(%peer, of, %error, "not Spark's protocol: connection closed");
            }
            Self::Broken(error) => tracing::info!(%peer, of, %error, "the connection of a program of Spark broke"),
            Self::Over(why) => tracing::info!(%peer, of, why, "the connection of a program of Spark is closed"),
            Self::Left if of.is_some() => {
                tracing::info!(%peer, of, "the driver of an application, or a worker, has left");
            }
            Self::Left | Self::Worker(_) => tracing::debug!(%peer, "a program of Spark has left"),
        }
    }
}

/// A text of a stranger, for the log.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(MAX_LOGGED).collect()
}
