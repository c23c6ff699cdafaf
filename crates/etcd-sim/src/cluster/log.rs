//! What a quorum has agreed upon, in order.

use std::collections::VecDeque;

use crate::message::Request;

use super::CallId;

/// A change on its way into the log.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    pub(super) request: Request,
    /// Who waits for it, and at which member; nobody for what the leader proposes by itself.
    pub(super) origin: Option<(usize, CallId)>,
    /// It was sent to a leader that had a quorum.
    pub(super) reached: bool,
}

/// An agreed change.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) request: Request,
    pub(super) origin: Option<(usize, CallId)>,
    pub(super) committed_at: u64,
}

/// Agreed changes, as far as a member may still need them, and those that a lost leader leaves in doubt.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// How many entries were dropped at the front.
    dropped: u64,
    entries: VecDeque<Entry>,
    pub(super) stalled: Vec<Proposal>,
}

impl Log {
    /// How many entries were ever agreed upon.
    pub(super) fn end(&self) -> u64 {
        self.dropped + self.entries.len() as u64
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    pub(super) fn get(&self, index: u64) -> Option<&Entry> {
        let place = usize::try_from(index.checked_sub(self.dropped)?).ok()?;
        self.entries.get(place)
    }

    /// Drops what every member has carried out.
    pub(super) fn drop_before(&mut self, index: u64) {
        while self.dropped < index && self.entries.pop_front().is_some() {
            self.dropped += 1;
        }
    }
}
