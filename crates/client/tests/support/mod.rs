//! What the tests share: waiting for a condition with a deadline, and a runtime that can be killed like a process.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of this")]

pub mod master;

use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

/// How long anything may take. Generous: it is only reached where a test fails.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Waits until `look` finds something.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The result of `work`, which must come within [`LIMIT`].
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {what}"))
}

/// A runtime of its own for something that is to be killed: its connections are cut and its ports closed at once.
pub struct Process(Option<Runtime>);

impl Process {
    pub fn new() -> Self {
        Self(Some(Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()))
    }

    pub fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
        self.0.as_ref().unwrap().spawn(work)
    }

    pub fn kill(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
