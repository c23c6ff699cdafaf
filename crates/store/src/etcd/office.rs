//! A term that this process has won: whether it may act.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use tanist_core::time::Mono;

use crate::election::{LeaderRecord, Loss, Progress, Standing};
use crate::engine::{Guard, Revision};

use super::proposal::LeaseId;

/// The term in office, until it is over.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) record: LeaderRecord,
    pub(super) guard: Guard,
    pub(super) lease: LeaseId,
    pub(super) progress: Progress,
    standing: watch::Sender<Standing>,
    leaving: AtomicBool,
}

/// While it lives, the term is being left by ourselves.
#[derive(Debug)]
pub(super) struct Leaving<'a>(&'a Office);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leaving.store(false, Ordering::Release);
    }
}

impl Office {
    pub(super) fn new(record: LeaderRecord, guard: Guard, lease: LeaseId, until: Mono) -> Self {
        let standing = watch::Sender::new(Standing::Held { until: Some(until) });
        Self { record, guard, lease, progress: Progress::default(), standing, leaving: AtomicBool::new(false) }
    }

    /// We begin to leave it.
    pub(super) fn leaving(&self) -> Leaving<'_> {
        self.leaving.store(true, Ordering::Release);
        Leaving(self)
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    pub(super) fn won_at(&self) -> Revision {
        self.guard.create_revision
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Lost(_))
    }

    /// Whether the lease must not be renewed for this term: a leader whose core loop hangs is to lose the office.
    pub(super) fn hangs(&self, now: Mono) -> bool {
        !self.is_over() && !self.progress.is_fresh(now)
    }

    /// When the term is to be suspended, as things are.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match *self.standing.borrow() {
            Standing::Held { until } => until,
            Standing::Suspended | Standing::Lost(_) => None,
        }
    }

    /// The lease has been renewed: the term is held until its next deadline, if it is not over.
    pub(super) fn renewed(&self, until: Mono) {
        self.change(|standing| match standing {
            Standing::Held { until: Some(known) } if *known >= until => None,
            Standing::Held { .. } => Some(Standing::Held { until: Some(until) }),
            Standing::Suspended => {
                tracing::info!(epoch = %self.record.epoch, "lease renewed after its deadline, office held again");
                Some(Standing::Held { until: Some(until) })
            }
            Standing::Lost(_) => None,
        });
    }

    /// Suspends the term if its deadline has passed.
    pub(super) fn check_deadline(&self, now: Mono) {
        self.change(|standing| match standing {
            Standing::Held { until: Some(until) } if now >= *until => {
                tracing::warn!(epoch = %self.record.epoch, "lease not renewed in time, office suspended");
                Some(Standing::Suspended)
            }
            _ => None,
        });
    }

    /// Ends the term. The first reason counts; says whether this was it.
    pub(super) fn lose(&self, why: Loss) -> bool {
        self.change(|standing| match standing {
            Standing::Lost(_) => None,
            _ => Some(Standing::Lost(why)),
        })
    }

    fn change(&self, to: impl FnOnce(&Standing) -> Option<Standing>) -> bool {
        self.standing.send_if_modified(|standing| match to(standing) {
            Some(next) => {
                *standing = next;
                true
            }
            None => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use tanist_core::ids::{ClusterId, Epoch, Generation, MasterId, Nonce};

    use super::*;

    fn office() -> Office {
        let record = LeaderRecord {
            cluster: ClusterId::new("c").unwrap(),
            generation: Generation(0),
            epoch: Epoch(1),
            master: MasterId::new("m1").unwrap(),
            nonce: Nonce::new("n").unwrap(),
            rpc: "m1:7077".to_owned(),
            ui: None,
            rest: None,
            version: "0.1.0".to_owned(),
        };
        let guard = Guard { create_revision: Revision(7), value: bytes::Bytes::new() };
        Office::new(record, guard, LeaseId(1), Mono(100))
    }

    #[test]
    fn a_term_is_suspended_at_its_deadline_and_held_again() {
        let office = office();
        let standing = office.standing();
        office.check_deadline(Mono(99));
        assert_eq!(*standing.borrow(), Standing::Held { until: Some(Mono(100)) });
        office.renewed(Mono(150));
        office.renewed(Mono(140));
        assert_eq!(office.deadline(), Some(Mono(150)), "an answer that comes late takes nothing back");
        office.check_deadline(Mono(150));
        assert_eq!(*standing.borrow(), Standing::Suspended);
        assert_eq!(office.deadline(), None);
        office.renewed(Mono(300));
        assert_eq!(*standing.borrow(), Standing::Held { until: Some(Mono(300)) });
    }

    #[test]
    fn a_lost_term_stays_lost() {
        let office = office();
        assert!(office.lose(Loss::Resigned));
        assert!(!office.lose(Loss::Expired));
        office.renewed(Mono(300));
        office.check_deadline(Mono(500));
        assert_eq!(*office.standing().borrow(), Standing::Lost(Loss::Resigned));
        assert!(!office.hangs(Mono(500)), "there is nothing to hold back for");
    }

    #[test]
    fn a_term_without_progress_hangs() {
        let office = office();
        office.progress.tick(Mono(5_000));
        assert!(!office.hangs(Mono(6_000)) && office.hangs(Mono(6_001)));
    }
}
