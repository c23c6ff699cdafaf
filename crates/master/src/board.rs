//! What everybody may read without entering the loop: who leads, the published view, and what is wrong with the store.
//!
//! A view is built only when somebody asks for one, at most every [`VIEW_EVERY`], and shown only once everything in it
//! is durable; the loop sees to both. A reader gets a view that was taken after it asked, so that it sees everything
//! that was acknowledged before. If there is none within a moment it takes the last one, whose age it can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use tanist_core::master::MasterView;
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::time::Mono;
use tanist_store::clock;

/// No two views are built within this time.
pub(crate) const VIEW_EVERY: Duration = Duration::from_millis(100);

/// How long a reader waits for a view of its own time before it takes the last one.
const VIEW_PATIENCE: Duration = Duration::from_secs(1);

/// This master's role, and who leads as far as it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leadership {
    /// Its own role.
    pub role: MasterRole,
    /// The leader, itself included.
    pub leader: Option<LeaderInfo>,
}

/// A published view and when it was taken.
#[derive(Debug, Clone)]
pub struct Published {
    /// The picture.
    pub view: Arc<MasterView>,
    /// When it was taken, for its age.
    pub taken: Mono,
    /// The last reader whom it answers.
    pub(crate) answers: Reader,
}

/// Readers, in the order in which they asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reader(u64);

impl Published {
    /// How old the picture is now.
    pub fn age(&self) -> Duration {
        clock::mono() - self.taken
    }
}

/// The board itself; the loop writes, everybody reads.
#[derive(Debug)]
pub(crate) struct Board {
    leadership: watch::Sender<Leadership>,
    published: watch::Sender<Published>,
    degraded: watch::Sender<Option<String>>,
    readers: AtomicU64,
    asked: Notify,
}

impl Board {
    /// A board of a master that knows nothing yet.
    pub(crate) fn new() -> Self {
        let view = Arc::new(MasterView::default());
        let published = Published { view, taken: clock::mono(), answers: Reader::default() };
        Self {
            leadership: watch::Sender::new(Leadership::default()),
            published: watch::Sender::new(published),
            degraded: watch::Sender::new(None),
            readers: AtomicU64::new(0),
            asked: Notify::new(),
        }
    }

    /// Role and leader, as of now.
    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// Why the store takes no changes at present, if so.
    pub(crate) fn degraded(&self) -> Option<String> {
        self.degraded.borrow().clone()
    }

    /// A view of now, or the last one if there is none in time.
    pub(crate) async fn read(&self) -> Published {
        let mut published = self.published.subscribe();
        let me = Reader(self.readers.fetch_add(1, Ordering::AcqRel) + 1);
        self.asked.notify_one();
        let answered = timeout(VIEW_PATIENCE, published.wait_for(|shown| shown.answers >= me)).await;
        match answered {
            Ok(Ok(shown)) => shown.clone(),
            Ok(Err(_)) | Err(_) => self.published.borrow().clone(),
        }
    }

    /// For the loop: somebody asked for a view. Only wakes; [`Board::last_reader`] tells.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// For the loop: who asked last.
    pub(crate) fn last_reader(&self) -> Reader {
        Reader(self.readers.load(Ordering::Acquire))
    }

    /// For the loop: shows a view whose content is durable.
    pub(crate) fn publish(&self, published: Published) {
        self.published.send_replace(published);
    }

    /// For the loop: shows role and leader. True if they are other than before.
    pub(crate) fn show(&self, leadership: Leadership) -> bool {
        self.leadership.send_if_modified(|shown| {
            let changed = *shown != leadership;
            *shown = leadership;
            changed
        })
    }

    /// For the loop: says what is wrong with the store, or that nothing is.
    pub(crate) fn set_degraded(&self, why: Option<String>) {
        self.degraded.send_replace(why);
    }
}
