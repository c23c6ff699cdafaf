//! What a test does to a cluster.

use crate::api::{AlarmRequest, AlarmType, alarm_request::AlarmAction};
use crate::message::Request;
use crate::replica::Replica;

use super::log::Log;
use super::member::{Frozen, Process};
use super::{Etcd, Output};

/// What is to go wrong with one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mishap {
    /// What becomes of it.
    pub effect: Effect,
    /// What its sender hears.
    pub told: Told,
}

/// What becomes of a write whose sender does not hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is carried out as usual.
    Applied,
    /// It is carried out after so many milliseconds more.
    Late(u64),
    /// It is lost.
    Never,
}

/// What the sender of a write hears instead of its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Silence,
    /// That it took too long, at once.
    TimedOut,
}

/// The content of a member, as `etcdctl snapshot save` writes it.
#[derive(Debug, Clone)]
pub struct Snapshot(Replica);

impl Etcd {
    /// Kills a member. Its content stays.
    pub fn stop(&mut self, now: u64, member: usize) {
        self.advance(now);
        self.kill(member);
        self.settle();
    }

    /// Starts a member that is down.
    pub fn start(&mut self, now: u64, member: usize) {
        self.advance(now);
        if self.members[member].is_down() {
            self.members[member].process = Process::Up;
            self.settle();
        }
    }

    /// Freezes a member that is up: its connections stay open, and it neither hears nor says anything.
    pub fn freeze(&mut self, now: u64, member: usize) {
        self.advance(now);
        if self.members[member].is_up() {
            self.members[member].process = Process::Frozen(Frozen::default());
            self.settle();
        }
    }

    /// Lets a frozen member go on.
    pub fn thaw(&mut self, now: u64, member: usize) {
        self.advance(now);
        let Some(frozen) = self.members[member].frozen_mut().map(std::mem::take) else { return };
        self.members[member].process = Process::Up;
        self.outputs.extend(frozen.said);
        for heard in frozen.heard {
            self.hear(member, heard);
        }
        self.members[member].round = false;
        self.catch_up(member);
        self.settle();
        self.advance(now);
    }

    /// Cuts a member off from the others; clients still reach it.
    pub fn cut_off(&mut self, now: u64, member: usize) {
        self.advance(now);
        self.members[member].cut = true;
        self.settle();
    }

    /// Ends that.
    pub fn reconnect(&mut self, now: u64, member: usize) {
        self.advance(now);
        self.members[member].cut = false;
        self.settle();
    }

    /// Has a member carry out everything so many milliseconds after the others.
    pub fn lag(&mut self, now: u64, member: usize, lag_ms: u64) {
        self.advance(now);
        self.members[member].lag_ms = lag_ms;
        self.apply_due(member);
    }

    /// Has a member answer every read with what it has, as a paused member may (etcd #20418).
    pub fn stale_reads(&mut self, member: usize, on: bool) {
        self.members[member].stale_reads = on;
    }

    /// Has the next write of any client go wrong; several wait for their turns.
    pub fn mishap(&mut self, mishap: Mishap) {
        self.mishaps.push_back(mishap);
    }

    /// Raises or ends the alarm that a member is full: without room nothing is written, and leases are renewed. False if
    /// nobody takes that from this member now, who has no leader.
    pub fn no_space(&mut self, now: u64, member: usize, full: bool) -> bool {
        self.advance(now);
        if !self.is_in_touch(member) {
            return false;
        }
        let action = if full { AlarmAction::Activate } else { AlarmAction::Deactivate };
        let (action, member_id, alarm) = (action.into(), self.members[member].id, AlarmType::Nospace.into());
        self.pass_on(member, None, Request::Alarm(AlarmRequest { action, member_id, alarm }), 0);
        self.advance(now);
        true
    }

    /// Whether a member's process is there.
    pub fn is_up(&self, member: usize) -> bool {
        !self.members[member].is_down()
    }

    /// What a member has.
    pub fn snapshot(&self, member: usize) -> Snapshot {
        Snapshot(self.members[member].replica.clone())
    }

    /// Replaces a cluster by one made from a snapshot: its revisions, its leases, its keys. Those that were up start
    /// again. It has the same ids, unless it is to be another cluster.
    pub fn restore(&mut self, now: u64, snapshot: &Snapshot, other_cluster: bool) {
        self.advance(now);
        let was_up: Vec<usize> = (0..self.members.len()).filter(|member| self.is_up(*member)).collect();
        for member in &was_up {
            self.kill(*member);
        }
        if other_cluster {
            self.cluster = self.rng.bits();
        }
        self.log = Log::default();
        self.timers.clear();
        self.term = 1;
        for member in &mut self.members {
            if other_cluster {
                member.id = self.rng.bits();
            }
            member.replica = snapshot.0.clone();
            (member.received, member.applied, member.term) = (0, 0, 0);
            (member.headless, member.round) = (None, false);
        }
        for member in was_up {
            self.members[member].process = Process::Up;
        }
        self.settle();
    }

    fn kill(&mut self, place: usize) {
        let member = &mut self.members[place];
        if member.is_down() {
            return;
        }
        member.process = Process::Down;
        member.streams.clear();
        member.headless = None;
        self.calls.retain(|_, call| call.member != place);
        if self.leader == Some(place) {
            self.leader = None;
        }
        self.outputs.push_back(Output::Down { member: place });
    }
}
