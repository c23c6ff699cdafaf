//! Pauses between tries: growing, with some randomness, for as long as it takes.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

use tanist_store::chance;

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
            // Chance is not the library's business, so that a simulated master has its own.
            randomization_factor: 0.0,
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
        tokio::time::sleep(spread(length)).await;
    }
}

/// Between half of it and half as much again, so that those who failed together do not try again together.
fn spread(length: Duration) -> Duration {
    let microseconds = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    length / 2 + Duration::from_micros(chance::below(microseconds))
}
