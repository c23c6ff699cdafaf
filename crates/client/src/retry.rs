//! The one schedule by which calls are tried again.

use std::time::Duration;

use backoff::ExponentialBackoff;

/// First pause between two tries. A leader that was killed has a successor after some 150 ms.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Each pause is so many times the one before, give or take half of it at random.
const FACTOR: f64 = 2.0;

/// Tries until it succeeds, fails for good, or the next pause would pass the deadline.
pub(crate) async fn until<T, E, F, Fut>(deadline: Duration, operation: F) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, backoff::Error<E>>>,
{
    let schedule = ExponentialBackoff {
        current_interval: FIRST_PAUSE,
        initial_interval: FIRST_PAUSE,
        max_interval: LONGEST_PAUSE,
        multiplier: FACTOR,
        max_elapsed_time: Some(deadline),
        ..ExponentialBackoff::default()
    };
    backoff::future::retry(schedule, operation).await
}
