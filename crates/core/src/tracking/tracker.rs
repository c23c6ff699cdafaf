//! The machine: states, links and terms.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::link::{Link, Session};
use super::retry::{QUICK_RETRIES, Schedule};
use super::search::{Campaign, without_repetition};
use super::{Effect, Following, LinkId, Timer, TrackingConfig, Trouble};
use crate::ids::{ClusterId, Term};
use crate::model::LeaderInfo;
use crate::rng::Rng;
use crate::time::Mono;

/// A session that lasted less than this does not start the retries anew: a master that takes a registration and closes
/// the session at once must not be asked in a tight loop.
const STABLE_SESSION: Duration = Duration::from_secs(10);

/// What the owner of a tracker does next, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// For the shell.
    Do(Effect),
    /// Wake me with this timer at this time.
    Arm { timer: Timer, at: Mono },
    /// From here on lower terms are refused; durable before anything that follows.
    Adopt { term: Term, cluster: ClusterId },
    /// Say who you are on this session.
    Register { link: LinkId, address: String },
    /// Registered here.
    Connected { link: LinkId },
    /// Registered nowhere any more.
    Lost,
    /// Say that you live.
    Heartbeat { link: LinkId },
    /// Nobody can be found; the retries have ended.
    GiveUp { reason: String },
    /// For the log.
    Warn(Trouble),
}

/// Whether a command may be obeyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fence {
    /// Yes.
    Obey,
    /// No: this term has been obeyed, which is higher or has the same rank.
    Refuse { heard: Term },
}

/// How a term stands to the highest one obeyed so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rank {
    Higher,
    Same,
    Lower(Term),
    Conflict(Term),
}

#[derive(Debug, Clone)]
pub(super) enum State {
    /// `hinted` was named by a standby and is tried beside the configured masters.
    Bootstrapping {
        hinted: Option<String>,
    },
    Connected(Session),
    Lost {
        leader: LeaderInfo,
        address: String,
    },
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Tracker {
    pub(super) config: TrackingConfig,
    pub(super) schedule: Schedule,
    pub(super) heard: Option<Term>,
    cluster: Option<ClusterId>,
    pub(super) state: State,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) next_link: u64,
    pub(super) campaign: Option<Campaign>,
    pub(super) next_alarm: u64,
    proven_at: Option<Mono>,
    /// Acts of masters that were refused because of their term.
    refused: u64,
}

impl Tracker {
    /// `heard` is what an earlier process of the same identity obeyed.
    pub(crate) fn new(config: TrackingConfig, heard: Option<(Term, ClusterId)>, rng: &mut Rng) -> Self {
        let (heard, cluster) = heard.unzip();
        Self {
            schedule: Schedule::draw(config.max_registration_retries, rng),
            config: TrackingConfig { masters: without_repetition(config.masters), ..config },
            heard,
            cluster,
            state: State::Bootstrapping { hinted: None },
            links: BTreeMap::new(),
            next_link: 1,
            campaign: None,
            next_alarm: 1,
            proven_at: None,
            refused: 0,
        }
    }

    pub(crate) fn heard(&self) -> Option<&Term> {
        self.heard.as_ref()
    }

    pub(crate) fn cluster(&self) -> Option<&ClusterId> {
        self.cluster.as_ref()
    }

    /// How many acts of masters were refused because of their term: commands, notices, announcements, answers to
    /// registrations.
    pub(crate) fn refused_acts(&self) -> u64 {
        self.refused
    }

    /// The registered session.
    pub(crate) fn session(&self) -> Option<LinkId> {
        self.connected().map(|session| session.link)
    }

    /// The latest moment of which it is certain that a leader had heard of this process after it: when the latest
    /// message was *sent* that a leader has answered.
    pub(crate) fn proven_at(&self) -> Option<Mono> {
        self.proven_at
    }

    pub(crate) fn following(&self) -> Following {
        match &self.state {
            State::Bootstrapping { .. } => Following::Nobody,
            State::Connected(session) => Following::Connected(session.leader.clone()),
            State::Lost { leader, .. } => Following::Lost(leader.clone()),
        }
    }

    fn connected(&self) -> Option<&Session> {
        match &self.state {
            State::Connected(session) => Some(session),
            _ => None,
        }
    }

    fn session_mut(&mut self, link: LinkId) -> Option<&mut Session> {
        match &mut self.state {
            State::Connected(session) if session.link == link => Some(session),
            _ => None,
        }
    }

    /// Begins to look for a master.
    pub(crate) fn start(&mut self, now: Mono, steps: &mut Vec<Step>) {
        if self.campaign.is_none() && self.connected().is_none() {
            self.begin_campaign(0, true, now, steps);
        }
    }

    /// Closes everything and looks for nobody any more.
    pub(crate) fn stop(&mut self, steps: &mut Vec<Step>) {
        self.campaign = None;
        self.close_all(steps);
    }

    pub(crate) fn opened(&mut self, now: Mono, link: LinkId, steps: &mut Vec<Step>) {
        if let Some(known) = self.links.get_mut(&link).filter(|known| known.registering_since.is_none()) {
            known.registering_since = Some(now);
            known.heard.clone_from(&self.heard);
            steps.push(Step::Register { link, address: known.address.clone() });
        }
    }

    pub(crate) fn closed(&mut self, now: Mono, link: LinkId, steps: &mut Vec<Step>) {
        self.links.remove(&link);
        if self.session() == Some(link) {
            self.lose(now, steps);
        }
    }

    /// Something arrived on a session. True = it is the registered one.
    pub(crate) fn heard_on(&mut self, now: Mono, link: LinkId) -> bool {
        let session = self.session_mut(link);
        session.map(|session| session.last_heard = now).is_some()
    }

    /// Our heartbeats are answered in order; each answer proves how late the master surely had heard of us.
    pub(crate) fn heartbeat_seen(&mut self, link: LinkId) {
        let Some(session) = self.session_mut(link) else { return };
        if let Some(sent) = session.unanswered.pop_front() {
            self.proven_at = self.proven_at.max(Some(sent));
        }
    }

    /// A heartbeat out of turn, because what it says has changed. Returns the session to send it on, if there is one.
    pub(crate) fn extra_heartbeat(&mut self, now: Mono) -> Option<LinkId> {
        let link = self.session()?;
        self.session_mut(link)?.unanswered.push_back(now);
        Some(link)
    }

    /// A master that does not lead. On the registered session that is a leader who is not sure of its lead: it lives,
    /// but proves nothing. Who would be registered there instead asks it to say when there is a leader.
    pub(crate) fn standby(&mut self, now: Mono, link: LinkId, leader: Option<&LeaderInfo>, steps: &mut Vec<Step>) {
        let Some(known) = self.links.get(&link).cloned() else { return };
        if let Some(session) = self.session_mut(link) {
            session.unanswered.pop_front();
        } else {
            self.close(link, steps);
        }
        if let Some(leader) = leader {
            self.named(now, &known, leader, steps);
        }
        if self.session() != Some(link) && !self.is_trying(&known.address) {
            steps.push(self.question(&known.address));
        }
    }

    /// A master that does not act as a leader has named one.
    fn named(&mut self, now: Mono, by: &Link, leader: &LeaderInfo, steps: &mut Vec<Step>) {
        if self.came_too_early(by, leader) {
            self.connect(now, by.address.clone(), steps);
        } else if matches!(self.state, State::Lost { .. }) && self.rank(&leader.term) == Rank::Same {
            // The leader that is looked for is there and only suspended: it may resume at any moment, unannounced.
            self.stay_quick(now, steps);
        } else {
            self.heard_of(now, leader, steps);
        }
    }

    /// This master leads, and its term was heard of only after the registration was sent there.
    fn came_too_early(&self, link: &Link, leader: &LeaderInfo) -> bool {
        self.session().is_none()
            && link.address == leader.address
            && link.registering_since.is_some()
            && link.heard != self.heard
            && self.rank(&leader.term) == Rank::Same
    }

    /// The master will not have us. Nothing runs yet: useless to go on (WR-08). Otherwise the retries go on.
    pub(crate) fn refused(&mut self, link: LinkId, reason: String, steps: &mut Vec<Step>) {
        let Some(from) = self.links.get(&link).map(|link| link.address.clone()) else { return };
        if matches!(self.state, State::Bootstrapping { .. }) {
            self.stop(steps);
            steps.push(Step::GiveUp { reason: format!("master at {from} refuses the registration: {reason}") });
        } else if self.session() != Some(link) {
            self.close(link, steps);
            steps.push(Step::Warn(Trouble::Refused { reason, from }));
        }
    }

    /// The first answer wins, if its term is not over.
    pub(crate) fn registered(
        &mut self,
        now: Mono,
        link: LinkId,
        leader: LeaderInfo,
        heartbeat_every: Duration,
        steps: &mut Vec<Step>,
    ) {
        let Some(known) = self.links.get(&link).cloned() else { return };
        if !self.admit(&leader, steps) {
            let active = self.session() == Some(link);
            self.close(link, steps);
            if active {
                self.lose(now, steps);
            }
            return;
        }
        self.proven_at = self.proven_at.max(known.registering_since);
        if let Some(session) = self.session_mut(link) {
            session.leader = leader;
            return;
        }
        for other in self.links.keys().copied().filter(|other| *other != link).collect::<Vec<_>>() {
            self.close(other, steps);
        }
        let retries = self.campaign.take().map_or(0, |campaign| campaign.retries);
        let address = if self.config.prefer_configured_master_address { known.address } else { leader.address.clone() };
        self.state = State::Connected(Session {
            link,
            leader,
            address,
            since: now,
            retries,
            heartbeat_every,
            last_heard: now,
            unanswered: VecDeque::new(),
        });
        steps.push(Step::Connected { link });
        self.beat(now, link, steps);
    }

    /// The master does not know this session (HB-06): as good as closed.
    pub(crate) fn unknown_session(&mut self, now: Mono, link: LinkId, steps: &mut Vec<Step>) {
        if self.session() == Some(link) {
            self.close(link, steps);
            self.lose(now, steps);
        } else if self.links.contains_key(&link) {
            self.close(link, steps);
        }
    }

    /// Registers again at once because the last registration has become wrong. Without effect before the first one.
    pub(crate) fn register_anew(&mut self, now: Mono, steps: &mut Vec<Step>) {
        match &self.state {
            State::Bootstrapping { .. } => {}
            State::Connected(session) => {
                let (leader, address) = (session.leader.clone(), session.address.clone());
                self.leave_session(leader, address, steps);
                self.begin_campaign(0, true, now, steps);
            }
            State::Lost { .. } => {
                self.close_all(steps);
                self.attempt(now, steps);
            }
        }
    }

    /// A leader announced itself at our own endpoint (`MasterChanged`).
    ///
    /// Before any master answered, only announcements from an address that was configured or hinted count: the caller
    /// may belong to another cluster and mean a former owner of our port.
    pub(crate) fn announced(&mut self, now: Mono, leader: &LeaderInfo, steps: &mut Vec<Step>) {
        if self.cluster.is_none() && !self.candidates().contains(&leader.address) {
            return;
        }
        let rank = self.rank(&leader.term);
        if let Rank::Lower(heard) = rank {
            let (other, from) = (leader.term.clone(), leader.address.clone());
            self.refuse(Trouble::OldTerm { heard, other, from }, steps);
        } else if rank == Rank::Same && matches!(self.state, State::Lost { .. }) {
            // It is there: no need to wait for the next retry.
            self.attempt(now, steps);
        } else {
            self.heard_of(now, leader, steps);
        }
    }

    pub(crate) fn due(&mut self, now: Mono, timer: Timer, steps: &mut Vec<Step>) {
        match timer {
            Timer::Retry(alarm) => self.retry(now, alarm, steps),
            Timer::Heartbeat(link) => self.beat(now, link, steps),
        }
    }

    /// Whether a command of this term may be obeyed; a higher one is adopted first (protocol 5).
    pub(crate) fn fence(&mut self, term: &Term, steps: &mut Vec<Step>) -> Fence {
        let from = self.connected().map(|session| session.leader.address.clone()).unwrap_or_default();
        match (self.rank(term), self.cluster.clone()) {
            (Rank::Same, _) => Fence::Obey,
            (Rank::Higher, cluster) => {
                self.heard = Some(term.clone());
                if let State::Connected(session) = &mut self.state {
                    session.leader.term = term.clone();
                }
                if let Some(cluster) = cluster {
                    steps.push(Step::Adopt { term: term.clone(), cluster });
                }
                Fence::Obey
            }
            (Rank::Lower(heard), _) => {
                self.refuse(Trouble::OldTerm { heard: heard.clone(), other: term.clone(), from }, steps);
                Fence::Refuse { heard }
            }
            (Rank::Conflict(heard), _) => {
                self.refuse(Trouble::Conflict { heard: heard.clone(), other: term.clone(), from }, steps);
                Fence::Refuse { heard }
            }
        }
    }

    /// A master acted under a term that is over, or that conflicts with the one obeyed.
    fn refuse(&mut self, trouble: Trouble, steps: &mut Vec<Step>) {
        self.refused = self.refused.saturating_add(1);
        steps.push(Step::Warn(trouble));
    }

    pub(super) fn rank(&self, term: &Term) -> Rank {
        match &self.heard {
            None => Rank::Higher,
            Some(heard) if term.rank() > heard.rank() => Rank::Higher,
            Some(heard) if term == heard => Rank::Same,
            Some(heard) if term.rank() == heard.rank() => Rank::Conflict(heard.clone()),
            Some(heard) => Rank::Lower(heard.clone()),
        }
    }

    /// Whether this leader may be followed; a higher term is adopted at once.
    pub(super) fn admit(&mut self, leader: &LeaderInfo, steps: &mut Vec<Step>) -> bool {
        let from = || leader.address.clone();
        if let Some(ours) = self.cluster.clone().filter(|ours| *ours != leader.cluster) {
            let theirs = leader.cluster.clone();
            steps.push(Step::Warn(Trouble::OtherCluster { ours, theirs, from: from() }));
            return false;
        }
        let other = leader.term.clone();
        match self.rank(&leader.term) {
            Rank::Same => true,
            Rank::Higher => {
                (self.heard, self.cluster) = (Some(other.clone()), Some(leader.cluster.clone()));
                steps.push(Step::Adopt { term: other, cluster: leader.cluster.clone() });
                true
            }
            Rank::Lower(heard) => {
                self.refuse(Trouble::OldTerm { heard, other, from: from() }, steps);
                false
            }
            Rank::Conflict(heard) => {
                self.refuse(Trouble::Conflict { heard, other, from: from() }, steps);
                false
            }
        }
    }

    /// The session with the leader is gone; its link is closed already. Where there are others, one of them may be about to
    /// lead, and answers then: the lost one is tried again with the first retry. Who is asked at once by everybody it has
    /// served would have no time for anything else.
    fn lose(&mut self, now: Mono, steps: &mut Vec<Step>) {
        let State::Connected(session) = &self.state else { return };
        let (leader, address) = (session.leader.clone(), session.address.clone());
        let stable = now - session.since >= STABLE_SESSION;
        let retries = if stable { 0 } else { session.retries.saturating_add(1).min(QUICK_RETRIES - 1) };
        self.leave_session(leader, address, steps);
        self.ask_the_others(steps);
        let alone = self.others().next().is_none();
        self.begin_campaign(retries, stable && alone, now, steps);
    }

    /// From now on this leader is to be found.
    pub(super) fn leave_session(&mut self, leader: LeaderInfo, address: String, steps: &mut Vec<Step>) {
        self.close_all(steps);
        let was_connected = self.connected().is_some();
        self.state = State::Lost { leader, address };
        if was_connected {
            steps.push(Step::Lost);
        }
    }

    pub(super) fn close(&mut self, link: LinkId, steps: &mut Vec<Step>) {
        self.links.remove(&link);
        steps.push(Step::Do(Effect::Disconnect { link }));
    }

    pub(super) fn close_all(&mut self, steps: &mut Vec<Step>) {
        while let Some((link, _)) = self.links.pop_first() {
            steps.push(Step::Do(Effect::Disconnect { link }));
        }
    }

    /// HB-01, the first at once. A silent session is closed instead and counts as lost. With the others, standing questions
    /// that were answered or have broken are put again.
    fn beat(&mut self, now: Mono, link: LinkId, steps: &mut Vec<Step>) {
        let Some(session) = self.session_mut(link) else { return };
        if session.is_silent(now) {
            self.close(link, steps);
            return self.lose(now, steps);
        }
        session.unanswered.push_back(now);
        let (at, first) = (now + session.heartbeat_every, session.since == now);
        steps.push(Step::Heartbeat { link });
        steps.push(Step::Arm { timer: Timer::Heartbeat(link), at });
        if !first {
            self.ask_the_others(steps);
        }
    }
}
