//! Everything that can happen next, and how the cluster comes to rest.

use std::rc::Rc;

use tanist_core::ids::SessionId;
use tanist_core::master;
use tanist_core::tracking::LinkId;
use tanist_core::worker;

use crate::cluster::Cluster;
use crate::pipe::{AtMaster, Flying, Pipe, Said};
use crate::setup::{A, B};

/// One thing that happens. `again` = it will happen another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The lead of A ends, by the store. A does not hear of it.
    Deposed,
    /// The process of A is killed.
    Dies,
    /// A master that was deposed hears of it.
    Learns(usize),
    Elected(usize),
    /// A standby sees who leads.
    Sees(usize),
    Commits(usize),
    Opens(LinkId),
    Refused(LinkId),
    Breaks(LinkId),
    Up {
        link: LinkId,
        again: bool,
    },
    Down {
        link: LinkId,
        again: bool,
    },
    Noticed {
        master: usize,
        again: bool,
    },
    /// A master's answer to the question who leads arrives.
    Answered(usize),
    Retries,
}

impl Cluster {
    /// All that can happen now.
    pub(crate) fn possible(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.luck.deposals > 0 && self.holder.as_ref().is_some_and(|holder| holder.0 == A) {
            steps.push(if self.watcher.fate_is_death() { Step::Dies } else { Step::Deposed });
        }
        for master in [A, B] {
            self.steps_of_master(master, &mut steps);
        }
        for (link, pipe) in &self.pipes {
            let lives = self.masters[pipe.master].machine.is_some();
            if !pipe.opened {
                if lives && self.luck.registrations > 0 {
                    steps.push(Step::Opens(*link));
                }
                if !lives || self.luck.faults > 0 {
                    steps.push(Step::Refused(*link));
                }
                continue;
            }
            if self.luck.faults > 0 && pipe.worker_holds {
                steps.push(Step::Breaks(*link));
            }
            if !pipe.up.is_empty() {
                self.once_or_twice(&mut steps, |again| Step::Up { link: *link, again });
            }
            if !pipe.down.is_empty() {
                self.once_or_twice(&mut steps, |again| Step::Down { link: *link, again });
            }
        }
        if self.luck.retries > 0 && self.alarm.is_some() && !self.worker_is_connected() {
            steps.push(Step::Retries);
        }
        steps
    }

    fn once_or_twice(&self, steps: &mut Vec<Step>, step: impl Fn(bool) -> Step) {
        steps.push(step(false));
        if self.luck.faults > 0 {
            steps.push(step(true));
        }
    }

    fn steps_of_master(&self, master: usize, steps: &mut Vec<Step>) {
        let process = &self.masters[master];
        if process.answer.is_some() {
            steps.push(Step::Answered(master));
        }
        if !process.notices.is_empty() {
            self.once_or_twice(steps, |again| Step::Noticed { master, again });
        }
        if process.machine.is_none() {
            return;
        }
        let holds = self.holder.as_ref().is_some_and(|holder| holder.0 == master);
        if process.office.is_some() {
            if !holds {
                // By the refusal of a commit, or otherwise.
                steps.push(Step::Learns(master));
            } else if !process.pending.is_empty() {
                steps.push(Step::Commits(master));
            }
        } else if self.holder.is_none() && self.luck.elections > 0 {
            steps.push(Step::Elected(master));
        } else if process.known.as_ref().map(|known| &known.term) != self.holder.as_ref().map(|holder| &holder.1) {
            steps.push(Step::Sees(master));
        }
    }

    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Deposed => {
                self.luck.deposals -= 1;
                self.holder = None;
            }
            Step::Dies => {
                self.luck.deposals -= 1;
                self.dies(A);
            }
            Step::Learns(master) => self.learns_loss(master),
            Step::Elected(master) => {
                self.luck.elections -= 1;
                self.elected(master);
            }
            Step::Sees(master) => self.sees_leader(master),
            Step::Commits(master) => self.commits(master),
            Step::Opens(link) => {
                self.luck.registrations -= 1;
                self.opens(link);
            }
            Step::Refused(link) => {
                let lives = self.pipes.get(&link).is_some_and(|pipe| self.masters[pipe.master].machine.is_some());
                self.luck.faults -= u32::from(lives);
                self.ends_for_worker(link);
            }
            Step::Breaks(link) => {
                self.luck.faults -= 1;
                self.breaks(link);
            }
            Step::Up { link, again } => self.arrives_up(link, again),
            Step::Down { link, again } => self.arrives_down(link, again),
            Step::Noticed { master, again } => self.notice_arrives(master, again),
            Step::Answered(master) => {
                if let Some(leader) = self.masters[master].answer.take() {
                    self.worker_handles(worker::Event::LeaderAnswer(leader));
                }
            }
            Step::Retries => {
                self.luck.retries -= 1;
                self.retries();
            }
        }
        self.settle();
    }

    /// What makes no difference for others whether it is late: commits of a term that nobody ends any more, since what leaves
    /// with them is late on its channel anyway; and the end of sessions that mean nothing to their master.
    fn settle(&mut self) {
        if self.luck.deposals == 0
            && let Some((holder, _)) = self.holder.clone()
            && !self.masters[holder].pending.is_empty()
        {
            self.commits(holder);
        }
        let means_nothing = |pipe: &Pipe| {
            pipe.at_master != AtMaster::Open && pipe.up.front().is_some_and(|flying| matches!(*flying.what, Said::End))
        };
        for pipe in self.pipes.values_mut().filter(|pipe| means_nothing(pipe)) {
            pipe.up.clear();
        }
        self.pipes.retain(|_, pipe| !pipe.is_over());
    }

    fn retries(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            self.worker_handles(worker::Event::Timer(worker::Timer::Tracking(alarm)));
        }
    }

    fn opens(&mut self, link: LinkId) {
        if let Some(pipe) = self.pipes.get_mut(&link) {
            pipe.opened = true;
            self.worker_handles(worker::Event::LinkOpened { link });
        }
    }

    fn ends_for_worker(&mut self, link: LinkId) {
        let Some(pipe) = self.pipes.get_mut(&link) else { return };
        let news = std::mem::take(&mut pipe.worker_holds);
        pipe.down.clear();
        self.drop_if_over(link);
        if news {
            self.worker_handles(worker::Event::LinkClosed { link });
        }
    }

    /// What is in flight is lost. The worker hears of it now, the master at some time.
    fn breaks(&mut self, link: LinkId) {
        let Some(pipe) = self.pipes.get_mut(&link) else { return };
        pipe.up.clear();
        if pipe.at_master == AtMaster::Open {
            pipe.up.push_back(Flying::new(Said::End));
        }
        self.ends_for_worker(link);
    }

    fn dies(&mut self, master: usize) {
        let process = &mut self.masters[master];
        (process.machine, process.office, process.known, process.question) = (None, None, None, None);
        process.pending = Rc::default();
        process.pending_print = 0;
        self.holder.take_if(|holder| holder.0 == master);
        for pipe in self.pipes.values_mut().filter(|pipe| pipe.master == master && pipe.opened) {
            pipe.up.clear();
            // What has left the process may still arrive, before the end of the connection.
            if pipe.worker_holds {
                pipe.down.push_back(Flying::new(Said::End));
            }
        }
        self.pipes.retain(|_, pipe| !pipe.is_over());
    }

    fn arrives_up(&mut self, link: LinkId, again: bool) {
        let Some(pipe) = self.pipes.get_mut(&link) else { return };
        let Some(Flying { what, .. }) = (if again { pipe.up.front().cloned() } else { pipe.up.pop_front() }) else {
            return;
        };
        self.luck.faults -= u32::from(again);
        let (master, session, before) = (pipe.master, SessionId(link.0), pipe.at_master);
        match Rc::unwrap_or_clone(what) {
            Said::Message(message) if before != AtMaster::Closed => {
                pipe.at_master = AtMaster::Open;
                self.master_handles(master, master::Event::Worker { session, message });
            }
            Said::End if before == AtMaster::Open => {
                pipe.at_master = AtMaster::Closed;
                self.master_handles(master, master::Event::SessionClosed { session });
            }
            Said::Message(_) | Said::End => {}
        }
        self.drop_if_over(link);
    }

    fn arrives_down(&mut self, link: LinkId, again: bool) {
        let Some(pipe) = self.pipes.get_mut(&link) else { return };
        let Some(Flying { what, .. }) = (if again { pipe.down.front().cloned() } else { pipe.down.pop_front() }) else {
            return;
        };
        self.luck.faults -= u32::from(again);
        match Rc::unwrap_or_clone(what) {
            Said::Message(message) => self.worker_handles(worker::Event::FromMaster { link, message }),
            Said::End => self.ends_for_worker(link),
        }
    }

    fn notice_arrives(&mut self, master: usize, again: bool) {
        let notices = &mut self.masters[master].notices;
        let Some(leader) = (if again { notices.front().cloned() } else { notices.pop_front() }) else { return };
        self.luck.faults -= u32::from(again);
        self.worker_handles(worker::Event::LeaderNotice(leader));
    }

    /// From here on nothing goes wrong: everything arrives, the worker tries again. With and without the announcements,
    /// it must find the leader.
    pub(crate) fn comes_to_rest(mut self) {
        self.luck.registrations = u32::MAX;
        self.luck.retries = u32::MAX;
        (self.luck.faults, self.luck.elections, self.luck.deposals) = (0, 1, 0);
        let mut unannounced = self.clone();
        unannounced.masters.iter_mut().for_each(|process| process.notices.clear());
        unannounced.rests(false);
        self.rests(true);
    }

    fn rests(&mut self, announced: bool) {
        /// Far more than it takes; a cluster that goes on for longer never comes to rest.
        const STEPS: usize = 1000;
        for _ in 0..STEPS {
            let steps = self.possible();
            let noticed = |step: &&Step| matches!(step, Step::Noticed { .. });
            if !announced {
                self.masters.iter_mut().for_each(|process| process.notices.clear());
            }
            // Trying again is what a worker does that hears nothing.
            let next = steps.iter().find(|step| **step != Step::Retries && (announced || !noticed(step)));
            match (next, steps.contains(&Step::Retries)) {
                (Some(step), _) => self.take(*step),
                (None, true) => {
                    self.wait(60_000);
                    self.take(Step::Retries);
                }
                (None, false) => return self.check_rest(),
            }
        }
        panic!("the worker does not come to rest: {:?}", self.possible());
    }
}
