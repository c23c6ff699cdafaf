//! Pauses between tries: growing, with some randomness, for as long as it takes.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// A sequence of pauses without end.
#[derive(Debug)]
pub(crate) struct Pauses(ExponentialBackoff);

impl Pauses {
    /// About `first`, growing by half each time, up to about `longest`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self(ExponentialBackoff {
            initial_interval: first,
            current_interval: first,
            max_interval: longest,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// Begins with the first one again.
    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    /// Waits for the next one. Safe to drop.
    pub(crate) async fn pause(&mut self) {
        let length = self.0.next_backoff().unwrap_or(self.0.max_interval);
        tokio::time::sleep(length).await;
    }
}
