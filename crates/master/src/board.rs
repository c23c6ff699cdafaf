//! What everybody may read without entering the loop: who leads, the published view, what this master does, what it has
//! counted, and what is wrong between it and the store.
//!
//! A view is built only when somebody asks for one, at most every [`VIEW_EVERY`], and shown only once everything in it
//! is durable; the loop sees to both. A reader gets a view that was taken after it asked, so that it sees everything
//! that was acknowledged before. If there is none within a moment it takes the last one, whose age it can tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use tanist_core::master::MasterView;
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::time::{Mono, Wall};
use tanist_store::{Progress, Standing, Trouble, clock};

use crate::counts::Counts;
use crate::doing::{Campaign, Doing, Following};
use crate::told::Told;

/// No two views are built within this time.
pub(crate) const VIEW_EVERY: Duration = Duration::from_millis(100);

/// Who waits for the moment from which the term may not act looks this often.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);

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

/// The board itself. The view, role, leader and what is done are written by the loop, the rest by the task it is about.
#[derive(Debug)]
pub(crate) struct Board {
    leadership: watch::Sender<Leadership>,
    published: watch::Sender<Published>,
    readers: AtomicU64,
    asked: Notify,
    doing: watch::Sender<(Doing, Wall)>,
    /// The standing of the office that this process is in.
    standing: watch::Sender<Option<watch::Receiver<Standing>>>,
    /// Where this process stands as a candidate.
    pub(crate) campaign: watch::Sender<Campaign>,
    /// How this process hears the leader.
    pub(crate) following: watch::Sender<Following>,
    degraded: watch::Sender<Option<Trouble>>,
    unannounced: watch::Sender<Option<Trouble>>,
    pub(crate) counts: Counts,
    /// Who was told of a term of this master when it was asked.
    pub(crate) told: Told,
    /// The loop comes round.
    pub(crate) pulse: Progress,
    /// The loop has ended.
    pub(crate) ended: CancellationToken,
}

impl Board {
    /// A board of a master that knows nothing yet.
    pub(crate) fn new() -> Self {
        let view = Arc::new(MasterView::default());
        let published = Published { view, taken: clock::mono(), answers: Reader::default() };
        Self {
            leadership: watch::Sender::new(Leadership::default()),
            published: watch::Sender::new(published),
            readers: AtomicU64::new(0),
            asked: Notify::new(),
            doing: watch::Sender::new((Doing::Stands, clock::wall())),
            standing: watch::Sender::new(None),
            campaign: watch::Sender::default(),
            following: watch::Sender::default(),
            degraded: watch::Sender::new(None),
            unannounced: watch::Sender::new(None),
            counts: Counts::default(),
            told: Told::default(),
            pulse: Progress::default(),
            ended: CancellationToken::new(),
        }
    }

    /// Role and leader, as of now.
    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// Whether this master leads and may act at this moment, as far as it can tell without asking the store: its loop comes
    /// round, and the local deadline of its term lies ahead.
    pub(crate) fn may_act(&self) -> bool {
        let now = clock::mono();
        let held = || self.standing.borrow().as_ref().is_some_and(|standing| standing.borrow().may_act(now));
        self.leadership.borrow().role.leads() && !self.ended.is_cancelled() && self.pulse.is_fresh(now) && held()
    }

    /// Waits until this master may not act. Safe to drop.
    pub(crate) async fn until_it_may_not_act(&self) {
        while self.may_act() {
            sleep(LOOKED_AT_EVERY).await;
        }
    }

    /// Why what is shown may be out of date: the store takes no changes, or the term is past its deadline.
    pub(crate) fn stale(&self) -> Option<String> {
        let (doing, since) = &*self.doing.borrow();
        if let Some(why) = doing.suspension() {
            return Some(format!("suspended since {}: {why}; what is shown may be out of date", since.civil()));
        }
        self.degraded().map(|trouble| format!("since {}: {}", trouble.since.civil(), trouble.what))
    }

    /// Why the store takes no changes at present, if so.
    pub(crate) fn degraded(&self) -> Option<Trouble> {
        self.degraded.borrow().clone()
    }

    /// Why this process is not known as a member, if so.
    pub(crate) fn unannounced(&self) -> Option<Trouble> {
        self.unannounced.borrow().clone()
    }

    /// What this master does, and since when.
    pub(crate) fn doing(&self) -> (Doing, Wall) {
        self.doing.borrow().clone()
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

    /// The last view, however old.
    pub(crate) fn last_view(&self) -> Arc<MasterView> {
        self.published.borrow().view.clone()
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

    /// For the loop: the office it is in now, if any.
    pub(crate) fn hold(&self, standing: Option<watch::Receiver<Standing>>) {
        self.standing.send_replace(standing);
    }

    /// For the loop: shows what it does now. What it has done before goes on if only the details differ.
    pub(crate) fn do_now(&self, now: Doing) {
        self.doing.send_if_modified(|(doing, since)| {
            let changed = *doing != now;
            if !doing.is_like(&now) {
                *since = clock::wall();
            }
            *doing = now;
            changed
        });
    }

    /// Says what is wrong with commits, or that nothing is.
    pub(crate) fn set_degraded(&self, why: Option<String>) {
        set(&self.degraded, why);
    }

    /// Says why this process cannot be made known as a member, or that it is.
    pub(crate) fn set_unannounced(&self, why: Option<String>) {
        set(&self.unannounced, why);
    }
}

/// Trouble began when there was none before.
fn set(shown: &watch::Sender<Option<Trouble>>, why: Option<String>) {
    shown.send_modify(|trouble| {
        let since = trouble.as_ref().map_or_else(clock::wall, |known| known.since);
        *trouble = why.map(|what| Trouble { since, what });
    });
}
