//! Work that blocks, beside the tasks that serve, and so many of it at a time as there are turns.

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{JoinError, spawn_blocking};

/// Does this work in this turn, which ends with the work: that goes on where nobody waits for it any more.
///
/// # Errors
/// If the work panicked.
pub async fn in_turn<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let working = spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    working.await
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::sync::Semaphore;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_stops_waiting_keeps_the_turn_until_the_work_is_done() {
        let turns = Arc::new(Semaphore::new(1));
        let (finish, told) = mpsc::channel::<()>();
        let turn = turns.clone().acquire_owned().await.unwrap();
        // Asked once and dropped, as a request that runs out of time.
        assert!(in_turn(turn, move || told.recv().is_err()).now_or_never().is_none());
        assert_eq!(turns.available_permits(), 0, "it still works");
        drop(finish);
        let next = timeout(Duration::from_secs(20), turns.acquire_owned()).await.unwrap().unwrap();
        assert_eq!(in_turn(next, || "done").await.unwrap(), "done");
    }
}
