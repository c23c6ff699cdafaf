//! Looking for a master: whom to ask, and how often.

use std::time::Duration;

use super::link::Link;
use super::retry::{QUICK_RETRIES, Schedule};
use super::tracker::{Rank, State, Step, Tracker};
use super::{Effect, LinkId, Timer};
use crate::model::LeaderInfo;
use crate::time::Mono;

/// How long an open or opening session may stay without an answer before the next retry replaces it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// One search for a master; there is at most one (WR-06).
#[derive(Debug, Clone)]
pub(super) struct Campaign {
    pub(super) retries: u32,
    /// Number of the alarm that is waited for.
    alarm: u64,
}

impl Tracker {
    pub(super) fn begin_campaign(&mut self, retries: u32, at_once: bool, now: Mono, steps: &mut Vec<Step>) {
        self.campaign = Some(Campaign { retries, alarm: 0 });
        if at_once {
            self.attempt(now, steps);
        }
        self.arm_retry(now, steps);
    }

    /// The next retry comes no later than in the quick phase.
    pub(super) fn stay_quick(&mut self, now: Mono, steps: &mut Vec<Step>) {
        let Some(campaign) = &mut self.campaign else { return };
        if campaign.retries >= QUICK_RETRIES {
            campaign.retries = QUICK_RETRIES - 1;
            self.arm_retry(now, steps);
        }
    }

    fn arm_retry(&mut self, now: Mono, steps: &mut Vec<Step>) {
        let Some(campaign) = &mut self.campaign else { return };
        campaign.alarm = self.next_alarm;
        self.next_alarm += 1;
        let at = now + self.schedule.delay(campaign.retries);
        steps.push(Step::Arm { timer: Timer::Retry(campaign.alarm), at });
    }

    pub(super) fn retry(&mut self, now: Mono, alarm: u64, steps: &mut Vec<Step>) {
        let Some(campaign) = self.campaign.as_mut().filter(|campaign| campaign.alarm == alarm) else { return };
        if Schedule::exhausted(campaign.retries, self.config.max_registration_retries) {
            self.stop(steps);
            steps.push(Step::GiveUp { reason: "All masters are unresponsive! Giving up.".to_owned() });
            return;
        }
        campaign.retries = campaign.retries.saturating_add(1);
        if self.attempt(now, steps) {
            self.ask_the_others(steps);
        }
        self.arm_retry(now, steps);
    }

    /// Whom to ask to register us now: all, while nobody has ever answered; after that one only.
    pub(super) fn candidates(&self) -> Vec<String> {
        match &self.state {
            State::Bootstrapping { hinted } => {
                without_repetition(self.config.masters.iter().chain(hinted).cloned().collect())
            }
            State::Connected(session) => vec![session.address.clone()],
            State::Lost { address, .. } => vec![address.clone()],
        }
    }

    /// Asks to be registered wherever that is not under way. True if anybody was asked.
    pub(super) fn attempt(&mut self, now: Mono, steps: &mut Vec<Step>) -> bool {
        let mut asked = false;
        for address in self.candidates() {
            let open: Vec<(LinkId, Mono)> = self
                .links
                .iter()
                .filter(|(_, link)| link.address == address)
                .map(|(id, link)| (*id, link.since))
                .collect();
            let (stale, fresh): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|(_, since)| now - *since >= ANSWER_PATIENCE);
            for (link, _) in stale {
                self.close(link, steps);
            }
            if fresh.is_empty() {
                asked = true;
                self.connect(now, address, steps);
            }
        }
        asked
    }

    /// The answer to [`Effect::AskLeader`]. The term that was heard of is one, too: its leader may act again.
    pub(crate) fn answered(&mut self, now: Mono, leader: &LeaderInfo, steps: &mut Vec<Step>) {
        let rank = self.rank(&leader.term);
        match &mut self.state {
            State::Lost { .. } if rank == Rank::Same => {
                self.attempt(now, steps);
            }
            State::Bootstrapping { hinted } if rank == Rank::Same => {
                *hinted = Some(leader.address.clone());
                self.try_hinted(now, &leader.address, steps);
            }
            _ => self.heard_of(now, leader, steps),
        }
        // That question is spent. Who follows nobody yet puts no other one before its next retry.
        if rank == Rank::Higher && matches!(self.state, State::Bootstrapping { .. }) {
            let idle = self.config.masters.iter().filter(|address| !self.is_trying(address.as_str()));
            steps.extend(idle.map(|address| self.question(address)));
        }
    }

    /// Somebody named this leader. Counts only with a higher term, and, before any master answered, with the one that an
    /// earlier process obeyed.
    pub(super) fn heard_of(&mut self, now: Mono, leader: &LeaderInfo, steps: &mut Vec<Step>) {
        let news = match self.rank(&leader.term) {
            Rank::Lower(_) => false,
            Rank::Same => matches!(self.state, State::Bootstrapping { hinted: None }),
            Rank::Higher | Rank::Conflict(_) => true,
        };
        if !news || !self.admit(leader, steps) {
            return;
        }
        match &mut self.state {
            State::Bootstrapping { hinted } => {
                *hinted = Some(leader.address.clone());
                // Once per rise of the term: two masters that name each other are not asked in a tight loop.
                self.try_hinted(now, &leader.address, steps);
            }
            State::Connected(_) | State::Lost { .. } => {
                self.leave_session(leader.clone(), leader.address.clone(), steps);
                self.begin_campaign(0, true, now, steps);
            }
        }
    }

    fn try_hinted(&mut self, now: Mono, address: &str, steps: &mut Vec<Step>) {
        if self.campaign.is_some() && !self.is_trying(address) {
            self.connect(now, address.to_owned(), steps);
        }
    }

    /// The standing question, to every configured master but the one that is followed: that one answers by registering
    /// us or by naming another. While nobody is followed all of them are asked to register us.
    pub(super) fn ask_the_others(&self, steps: &mut Vec<Step>) {
        steps.extend(self.others().map(|address| self.question(address)));
    }

    /// The standing question to this master.
    pub(super) fn question(&self, address: &str) -> Step {
        Step::Do(Effect::AskLeader { address: address.to_owned(), above: self.heard.clone() })
    }

    /// Whether a session with this master is open or being opened.
    pub(super) fn is_trying(&self, address: &str) -> bool {
        self.links.values().any(|link| link.address == address)
    }

    /// Configured masters that are not asked to register us.
    pub(super) fn others(&self) -> impl Iterator<Item = &String> {
        let followed = self.candidates();
        self.config.masters.iter().filter(move |address| !followed.contains(address))
    }

    pub(super) fn connect(&mut self, now: Mono, address: String, steps: &mut Vec<Step>) {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(link, Link { address: address.clone(), since: now, registering_since: None, heard: None });
        steps.push(Step::Do(Effect::Connect { link, address }));
    }
}

/// Keeps the first of equal addresses.
pub(super) fn without_repetition(addresses: Vec<String>) -> Vec<String> {
    let mut once = Vec::with_capacity(addresses.len());
    for address in addresses {
        if !once.contains(&address) {
            once.push(address);
        }
    }
    once
}
