//! Who leads, what is agreed upon, and what each member has carried out of it.

use crate::lessor::Lessor;
use crate::message::{Request, Response};

use super::log::{Entry, Proposal};
use super::member::{Headless, Member};
use super::{Etcd, Timer};

/// What a new leader adds to the life of every lease, in milliseconds: an election time-out.
const EXTENSION_MS: u64 = 1000;

/// Leases are looked at every so many milliseconds, from some moment on.
const PHASES_MS: u64 = 500;

/// A member that has missed its leader for so long, in milliseconds, ends the streams that want one.
const CUT_AFTER_MS: std::ops::Range<u64> = 2000..3000;

impl Etcd {
    /// Whether a member can talk to the others.
    fn is_connected(&self, member: &Member) -> bool {
        member.is_up() && (!member.cut || self.members.len() == 1)
    }

    fn has_quorum(&self) -> bool {
        let connected = self.members.iter().filter(|member| self.is_connected(member)).count();
        connected * 2 > self.members.len()
    }

    /// The leader, as long as it has a quorum.
    pub(super) fn leading(&self) -> Option<usize> {
        self.leader.filter(|leader| self.is_connected(&self.members[*leader]) && self.has_quorum())
    }

    /// Whether a member can reach a leader that has a quorum.
    pub(super) fn is_in_touch(&self, member: usize) -> bool {
        self.leading().is_some() && self.is_connected(&self.members[member])
    }

    /// After a member, or the network, has changed: who finds a leader goes on with it, who misses one begins to wait.
    pub(super) fn settle(&mut self) {
        if self.leading().is_some() {
            for proposal in std::mem::take(&mut self.log.stalled) {
                self.commit(proposal);
            }
        }
        for place in 0..self.members.len() {
            let in_touch = self.is_in_touch(place);
            let member = &mut self.members[place];
            if in_touch {
                let changed = std::mem::replace(&mut member.term, self.term) != self.term;
                let was_headless = member.headless.take().is_some();
                member.received = self.log.end();
                self.apply_due(place);
                if changed || was_headless {
                    self.resume(place, changed);
                }
            } else if !member.is_up() {
                member.headless = None;
            } else if member.headless.is_none() {
                self.begin_headless(place);
            }
        }
    }

    fn begin_headless(&mut self, place: usize) {
        let (since, patience) = (self.now, self.rng.within(&self.config.election_ms.clone()));
        self.members[place].headless = Some(Headless { since, noticed_at: since + patience });
        self.after(patience, Timer::Campaign(place, since));
        let cut = patience + self.rng.within(&CUT_AFTER_MS);
        self.after(cut, Timer::CutStreams(place, since));
    }

    /// A member stands for election, if it still misses its leader: who has all that was agreed upon wins.
    pub(super) fn campaign(&mut self, place: usize, since: u64) {
        let member = &self.members[place];
        if member.headless.is_none_or(|headless| headless.since != since) {
            return;
        }
        let has_everything = member.received == self.log.end();
        if self.is_connected(member) && has_everything && self.has_quorum() {
            self.elect(place);
            return;
        }
        if self.leader == Some(place) {
            self.leader = None;
        }
        let patience = self.rng.within(&self.config.election_ms.clone());
        self.after(patience.max(1), Timer::Campaign(place, since));
    }

    /// Makes a member the leader. What its predecessor had under way it may have or not.
    pub(super) fn elect(&mut self, place: usize) {
        self.term += 1;
        self.leader = Some(place);
        self.elected_at = self.now;
        for proposal in std::mem::take(&mut self.log.stalled) {
            if proposal.reached && self.rng.coin() {
                self.push(proposal);
            }
        }
        self.members[place].received = self.log.end();
        self.apply_all(place);
        let phase = self.rng.within(&(0..PHASES_MS));
        self.lessor = Lessor::new(self.now, phase, EXTENSION_MS, self.members[place].replica.store.leases());
        self.settle();
    }

    /// Has the leader end what has expired.
    pub(super) fn scan_leases(&mut self) {
        let Some(leader) = self.leading() else { return };
        for id in self.lessor.scan(self.now) {
            self.pass_on(leader, None, crate::api::LeaseRevokeRequest { id }.into(), 0);
        }
    }

    pub(super) fn commit_or_stall(&mut self, proposal: Proposal) {
        if self.leading().is_some() {
            self.commit(proposal);
        } else {
            self.log.stalled.push(proposal);
        }
    }

    fn push(&mut self, Proposal { request, origin, .. }: Proposal) {
        self.log.push(Entry { request, origin, committed_at: self.now });
    }

    fn commit(&mut self, proposal: Proposal) {
        self.push(proposal);
        for place in 0..self.members.len() {
            if self.is_in_touch(place) {
                self.members[place].received = self.log.end();
                self.apply_due(place);
            }
        }
        let applied = self.members.iter().map(|member| member.applied).min().unwrap_or(0);
        self.log.drop_before(applied);
    }

    /// Carries out at a member what it has had for as long as it lags.
    pub(super) fn apply_due(&mut self, place: usize) {
        while let Some((entry, due)) = self.next_entry(place) {
            if due > self.now {
                let delay = due - self.now;
                self.after(delay, Timer::Apply(place));
                return;
            }
            self.apply(place, &entry);
        }
    }

    fn apply_all(&mut self, place: usize) {
        while let Some((entry, _)) = self.next_entry(place) {
            self.apply(place, &entry);
        }
    }

    fn next_entry(&self, place: usize) -> Option<(Entry, u64)> {
        let member = &self.members[place];
        let next = Some(member.applied).filter(|applied| member.is_up() && *applied < member.received)?;
        let entry = self.log.get(next)?.clone();
        let due = entry.committed_at + member.lag_ms;
        Some((entry, due))
    }

    fn apply(&mut self, place: usize, Entry { request, origin, .. }: &Entry) {
        let member = &mut self.members[place];
        member.applied += 1;
        let before = member.replica.store.revision();
        let result = member.replica.apply(request);
        if member.replica.store.revision() > before {
            self.tell_watches(place);
        }
        if self.leader == Some(place)
            && let Some(Ok(response)) = &result
        {
            self.keep_lease(request, response);
        }
        if let (Some((_, call)), Some(result)) = (origin.filter(|(member, _)| *member == place), result)
            && self.calls.contains_key(&call)
        {
            self.answer(place, call, result);
        }
        self.answer_reads(place);
    }

    /// The leader's clock follows its content.
    fn keep_lease(&mut self, request: &Request, response: &Response) {
        match (request, response) {
            (_, Response::Grant(granted)) => self.lessor.restart(self.now, granted.id, granted.ttl),
            (Request::Revoke(revoked), _) => {
                self.lessor.end(revoked.id);
                self.answer_late_renewals(revoked.id);
            }
            _ => {}
        }
    }
}
