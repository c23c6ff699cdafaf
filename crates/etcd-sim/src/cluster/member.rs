//! One member.

use std::collections::BTreeMap;

use crate::message::Request;
use crate::replica::Replica;
use crate::watch::Watches;

use super::streams::StreamRequest;
use super::{CallId, Output, StreamId};

/// A member, up or not: its content outlives its process.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: u64,
    pub(super) replica: Replica,
    pub(super) process: Process,
    /// Its network to the other members is cut.
    pub(super) cut: bool,
    /// How long after the agreement it carries out a change, in milliseconds.
    pub(super) lag_ms: u64,
    /// It answers reads at once with what it has, also those that must not be old (etcd #20418).
    pub(super) stale_reads: bool,
    /// How much of the log it has.
    pub(super) received: u64,
    /// How much of that it has carried out.
    pub(super) applied: u64,
    /// The term of the last leader it was in touch with.
    pub(super) term: u64,
    pub(super) headless: Option<Headless>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// A round of catching up is ordered.
    pub(super) round: bool,
}

#[derive(Debug)]
pub(super) enum Process {
    Up,
    Frozen(Frozen),
    Down,
}

/// What waits for a frozen process to go on.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    pub(super) heard: Vec<Heard>,
    pub(super) said: Vec<Output>,
}

/// What a member is told.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    Call { call: CallId, request: Request, require_leader: bool },
    Open { stream: StreamId, require_leader: bool },
    Stream { stream: StreamId, request: StreamRequest },
}

/// No word from a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Headless {
    pub(super) since: u64,
    /// From then on it says so.
    pub(super) noticed_at: u64,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) require_leader: bool,
    pub(super) watches: Watches,
}

impl Member {
    pub(super) fn new(id: u64) -> Self {
        Self {
            id,
            replica: Replica::new(),
            process: Process::Up,
            cut: false,
            lag_ms: 0,
            stale_reads: false,
            received: 0,
            applied: 0,
            term: 0,
            headless: None,
            streams: BTreeMap::new(),
            round: false,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.process, Process::Up)
    }

    pub(super) fn is_down(&self) -> bool {
        matches!(self.process, Process::Down)
    }

    pub(super) fn frozen_mut(&mut self) -> Option<&mut Frozen> {
        match &mut self.process {
            Process::Frozen(frozen) => Some(frozen),
            _ => None,
        }
    }

    /// Whether it knows that it has no leader.
    pub(super) fn knows_no_leader(&self, now: u64) -> bool {
        self.headless.is_some_and(|headless| headless.noticed_at <= now)
    }
}
