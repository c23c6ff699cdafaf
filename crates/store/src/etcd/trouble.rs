//! What is wrong between this process and etcd, as each task sees it, and the one text that is shown of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::clock;
use crate::election::Trouble;

/// Who has trouble. The first one in this order is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The candidacy.
    Candidacy,
    /// The entry among the members.
    Member,
    /// The lease.
    Lease,
    /// The watch.
    Watch,
}

/// All trouble of a process.
#[derive(Debug, Default)]
pub(super) struct Board {
    entries: Mutex<BTreeMap<Subject, Trouble>>,
    shown: watch::Sender<Option<Trouble>>,
}

impl Board {
    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Trouble>> {
        self.shown.subscribe()
    }

    /// What is shown now, for errors of those who wait.
    pub(super) fn shown(&self) -> Option<String> {
        self.shown.borrow().as_ref().map(|trouble| trouble.what.clone())
    }

    /// Something is wrong; it began when the same subject first had trouble without a break.
    pub(super) fn report(&self, subject: Subject, what: String) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.get(&subject);
        if known.is_some_and(|known| known.what == what) {
            return;
        }
        tracing::warn!(?subject, %what, "trouble with the store");
        let since = known.map_or_else(clock::wall, |known| known.since);
        entries.insert(subject, Trouble { since, what });
        self.show(&entries);
    }

    /// The subject is fine.
    pub(super) fn clear(&self, subject: Subject) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.remove(&subject).is_some() {
            tracing::info!(?subject, "trouble with the store is over");
            self.show(&entries);
        }
    }

    fn show(&self, entries: &BTreeMap<Subject, Trouble>) {
        let first = entries.values().next().cloned();
        self.shown.send_if_modified(|shown| {
            let changed = *shown != first;
            *shown = first;
            changed
        });
    }
}

/// What was said in a row of failures, each thing once: a store of several members fails in several ways.
#[derive(Debug, Default)]
pub(super) struct Complaints(Vec<String>);

impl Complaints {
    /// Most that are told together: one for each member of a usual etcd.
    const MOST: usize = 3;

    /// Everything that was said lately, as one line.
    pub(super) fn with(&mut self, error: &dyn Error) -> String {
        let text = in_full(error);
        self.0.retain(|said| *said != text);
        self.0.push(text);
        if self.0.len() > Self::MOST {
            self.0.remove(0);
        }
        let mut all: Vec<&str> = self.0.iter().map(String::as_str).collect();
        // So that the same things give the same line.
        all.sort_unstable();
        all.join("; ")
    }
}

/// An error with everything that led to it, as one line.
pub(super) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors name their cause themselves.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_subject_is_shown_until_it_is_fine() {
        let board = Board::default();
        let shown = board.subscribe();
        assert_eq!(*shown.borrow(), None);
        board.report(Subject::Watch, "w".to_owned());
        let since = shown.borrow().as_ref().unwrap().since;
        board.report(Subject::Lease, "l".to_owned());
        assert_eq!(board.shown().unwrap(), "l");
        board.clear(Subject::Lease);
        board.report(Subject::Watch, "w again".to_owned());
        let now = shown.borrow().clone().unwrap();
        assert_eq!((now.since, now.what.as_str()), (since, "w again"));
        board.clear(Subject::Watch);
        board.clear(Subject::Watch);
        assert_eq!(*shown.borrow(), None);
    }

    #[test]
    fn the_same_complaints_give_the_same_line() {
        let error = |text: &str| std::io::Error::other(text.to_owned());
        let mut complaints = Complaints::default();
        assert_eq!(complaints.with(&error("b")), "b");
        assert_eq!(complaints.with(&error("a")), "a; b");
        assert_eq!(complaints.with(&error("b")), "a; b");
        complaints.with(&error("c"));
        assert_eq!(complaints.with(&error("d")), "b; c; d", "the oldest goes");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("reading failed")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("connection refused"));
        assert_eq!(in_full(&error), "reading failed: connection refused");
    }
}
