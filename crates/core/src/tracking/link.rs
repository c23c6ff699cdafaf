//! One session attempt, and what is known of a registered session: is it alive, and since when surely so?

use std::collections::VecDeque;
use std::time::Duration;

use super::LinkId;
use crate::ids::Term;
use crate::model::LeaderInfo;
use crate::time::Mono;

/// A session is given up after so many heartbeats in a row without a sign of life. Two of the four of a worker time-out
/// (HB-01), so that another session can still be had before the master gives the worker up.
pub(super) const SILENT_HEARTBEATS: u32 = 2;

/// A session that was asked for and not closed.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) address: String,
    pub(super) since: Mono,
    /// When the registration was sent.
    pub(super) registering_since: Option<Mono>,
    /// The highest term that was heard of by then.
    pub(super) heard: Option<Term>,
}

/// The registered session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) link: LinkId,
    pub(super) leader: LeaderInfo,
    /// Where to come back to.
    pub(super) address: String,
    pub(super) since: Mono,
    /// Retries that it took to get here.
    pub(super) retries: u32,
    pub(super) heartbeat_every: Duration,
    pub(super) last_heard: Mono,
    /// When the heartbeats were sent that have no answer yet. Answers come in order.
    pub(super) unanswered: VecDeque<Mono>,
}

impl Session {
    /// Nothing was heard since the oldest of [`SILENT_HEARTBEATS`] unanswered heartbeats. Not judged by time alone:
    /// after a pause of this very process the answers may be waiting to be read.
    pub(super) fn is_silent(&self, now: Mono) -> bool {
        let Some(oldest) = self.unanswered.front() else { return false };
        self.unanswered.len() >= SILENT_HEARTBEATS as usize
            && self.last_heard <= *oldest
            && now - *oldest >= self.heartbeat_every * SILENT_HEARTBEATS
    }
}
