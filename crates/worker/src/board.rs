//! What everybody may read without entering the loop: the picture of the worker, and whether its loop comes round.
//!
//! A picture is built when somebody asks, and not more often than every [`PICTURE_EVERY`]. A reader who finds one that is
//! younger takes it; one who gets none in time takes the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use tanist_core::time::Mono;
use tanist_core::worker::WorkerStatus;

/// A picture is good for so long.
const PICTURE_EVERY: Duration = Duration::from_millis(100);

/// How long a reader waits for a picture.
const PICTURE_PATIENCE: Duration = Duration::from_secs(1);

/// A loop that has not come round for so long hangs: it does so once a second or more often.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// A picture, and when it was built.
#[derive(Debug, Clone)]
struct Picture {
    built: Mono,
    status: Arc<WorkerStatus>,
}

/// The board itself; the loop writes, everybody reads.
#[derive(Debug)]
pub(crate) struct Board {
    picture: watch::Sender<Option<Picture>>,
    asked: Notify,
    wanted: AtomicBool,
    turned: AtomicU64,
    saving: AtomicBool,
    clock: fn() -> Mono,
}

impl Board {
    /// Of a loop that begins now.
    pub(crate) fn new(clock: fn() -> Mono) -> Self {
        Self {
            picture: watch::Sender::new(None),
            asked: Notify::new(),
            wanted: AtomicBool::new(false),
            turned: AtomicU64::new(clock().0),
            saving: AtomicBool::new(false),
            clock,
        }
    }

    /// The worker as it is now, or as it was when it could last be seen; none = it never could.
    pub(crate) async fn read(&self) -> Option<Arc<WorkerStatus>> {
        let mut picture = self.picture.subscribe();
        let oldest = self.oldest();
        if !is_of(picture.borrow().as_ref(), oldest) {
            self.wanted.store(true, Ordering::Release);
            self.asked.notify_one();
            // Without one in time, the last one is taken.
            let _ = timeout(PICTURE_PATIENCE, picture.wait_for(|shown| is_of(shown.as_ref(), oldest))).await;
        }
        let shown = picture.borrow().clone();
        shown.map(|shown| shown.status)
    }

    /// When a picture must have been built to be good now.
    fn oldest(&self) -> Mono {
        Mono((self.clock)().0.saturating_sub(u64::try_from(PICTURE_EVERY.as_millis()).unwrap_or(0)))
    }

    /// Whether the loop comes round, or is kept by a disk that does not take a term: a restart would not help there, and
    /// would end what runs here.
    pub(crate) fn is_live(&self) -> bool {
        let turned = Mono(self.turned.load(Ordering::Acquire));
        self.saving.load(Ordering::Acquire) || (self.clock)() - turned < HANGS_AFTER
    }

    /// Whether a term is being made durable, which nothing overtakes.
    pub(crate) fn is_saving(&self) -> bool {
        self.saving.load(Ordering::Acquire)
    }

    /// For the loop: it has come round.
    pub(crate) fn turn(&self) {
        self.turned.store((self.clock)().0, Ordering::Release);
    }

    /// For the loop: it is kept by a term that is being made durable, or no longer.
    pub(crate) fn save(&self, saving: bool) {
        self.saving.store(saving, Ordering::Release);
    }

    /// For the loop: somebody has asked for a picture. Only wakes; [`Board::show_if_wanted`] tells.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// For the loop: shows a picture if somebody waits for one, and the last one is too old for whoever does.
    pub(crate) fn show_if_wanted(&self, picture: impl FnOnce() -> WorkerStatus) {
        if !self.wanted.swap(false, Ordering::AcqRel) || is_of(self.picture.borrow().as_ref(), self.oldest()) {
            return;
        }
        let status = picture();
        self.picture.send_replace(Some(Picture { built: (self.clock)(), status: Arc::new(status) }));
    }
}

/// Whether there is a picture that was built then or later.
fn is_of(shown: Option<&Picture>, oldest: Mono) -> bool {
    shown.is_some_and(|shown| shown.built >= oldest)
}
