//! Workers and the network around them, told anew as far as the core's machines do not decide.
//!
//! A session carries its registration at most once, at any time. What a master says on it may arrive in any order, any
//! number of times, or never, until the session ends. Who leads may be heard of by anybody at any time.

use crate::master::Happening;
use crate::protocol::World;
use crate::scope::{ANY, ATTEMPTS, Mutant};
use crate::state::{Budget, Known, Link, Mode, Registration, Run, Worker, bit};
use crate::worker::{self, News, Order, Reaction, Standing};

impl Known {
    /// The mutant: nobody knows which registration was first.
    pub(crate) fn forget_order(&mut self) {
        if let Self::Heard { number, .. } = self {
            *number = 0;
        }
    }
}

impl Worker {
    fn standing(&self) -> Standing {
        Standing { mode: self.mode, heard: self.heard, links: self.links.map(|link| link.map(|link| link.heard)) }
    }
}

impl World<'_> {
    /// A worker's machine is told something, and what it does about its sessions is done. None = no room for another
    /// registration on its way.
    fn told(&mut self, worker: u8, news: News) -> Option<Reaction> {
        let standing = self.state.workers[usize::from(worker)].standing();
        self.reacts(worker, standing, news)
    }

    fn reacts(&mut self, worker: u8, standing: Standing, news: News) -> Option<Reaction> {
        let protocol = self.protocol;
        let reaction = protocol.workers.react(protocol.scope.masters, standing, self.state.store.holders, news);
        self.state.wrongs.unknown |= reaction.unknown;
        let known = &mut self.state.workers[usize::from(worker)];
        (known.mode, known.heard) = (reaction.mode, reaction.heard);
        known.answered |= matches!(reaction.mode, Mode::Connected(_));
        for (master, fate) in (0..).zip(reaction.links) {
            match fate {
                worker::Link::None => *self.link_mut(worker, master) = None,
                worker::Link::Kept => {}
                worker::Link::New => self.registers(worker, master)?,
            }
        }
        Some(reaction)
    }

    fn link_mut(&mut self, worker: u8, master: u8) -> &mut Option<Link> {
        &mut self.state.workers[usize::from(worker)].links[usize::from(master)]
    }

    /// A session is opened, and a registration leaves on it.
    fn registers(&mut self, worker: u8, master: u8) -> Option<()> {
        let number = self.last_number(worker) + 1;
        let Worker { incarnation, heard, runs, .. } = self.state.workers[usize::from(worker)];
        let runs = self.protocol.workers.inventory(runs);
        let way = self.state.registrations[usize::from(worker)]
            .iter_mut()
            .take(self.protocol.scope.registrations)
            .find(|way| way.is_none())?;
        *way = Some(Registration { to: master, incarnation, number, heard, runs });
        let link = Link { number, heard, epoch: 0, registered: false, launch: 0, kill: 0 };
        *self.link_mut(worker, master) = Some(link);
        Some(())
    }

    pub(crate) fn hears_of(&mut self, worker: u8, epoch: u8) -> Option<()> {
        self.told(worker, News::Hears(epoch)).map(drop)
    }

    /// A session that both sides hold open breaks.
    pub(crate) fn breaks(&mut self, master: u8, worker: u8) {
        let link = *self.link_mut(worker, master);
        let breaks = link.is_some_and(|link| self.state.is_held_open(master, worker, link.number));
        if breaks && self.protocol.scope.breaks != ANY {
            self.state.budget.breaks -= 1;
        }
    }

    pub(crate) fn link_ends(&mut self, worker: u8, master: u8) -> Option<()> {
        self.breaks(master, worker);
        self.told(worker, News::Closed(master)).map(drop)
    }

    pub(crate) fn retries(&mut self, worker: u8) -> Option<()> {
        let mut standing = self.state.workers[usize::from(worker)].standing();
        if self.protocol.mutant == Some(Mutant::BlindRegistration) && matches!(standing.mode, Mode::Lost(_)) {
            standing.mode = Mode::Boot { hinted: true };
        }
        self.reacts(worker, standing, News::Retry).map(drop)
    }

    /// The epoch under which a master speaks, as a worker hears it that obeys everybody.
    fn as_heard(&self, worker: u8, epoch: u8) -> u8 {
        let heard = self.state.workers[usize::from(worker)].heard;
        if self.protocol.mutant == Some(Mutant::NoFence) { epoch.max(heard) } else { epoch }
    }

    pub(crate) fn hears_registered(&mut self, worker: u8, master: u8) -> Option<()> {
        let link = (*self.link_mut(worker, master)).filter(|link| link.registered)?;
        let heard = self.state.workers[usize::from(worker)].heard;
        let epoch = self.as_heard(worker, link.epoch);
        let reaction = self.told(worker, News::Registered(master, epoch))?;
        self.state.wrongs.obeyed |= reaction.mode == Mode::Connected(master) && link.epoch < heard;
        Some(())
    }

    pub(crate) fn hears_order(&mut self, worker: u8, master: u8, order: Order) -> Option<()> {
        let link = (*self.link_mut(worker, master))?;
        let heard = self.state.workers[usize::from(worker)].heard;
        let epoch = self.as_heard(worker, link.epoch);
        let reaction = self.told(worker, News::Command(master, epoch))?;
        if !reaction.obeys {
            return Some(());
        }
        self.state.wrongs.obeyed |= link.epoch < heard;
        let runs = self.state.workers[usize::from(worker)].runs;
        self.state.workers[usize::from(worker)].runs = self.protocol.workers.order(runs, order);
        Some(())
    }

    pub(crate) fn exits(&mut self, worker: u8, attempt: u8) {
        let runs = self.state.workers[usize::from(worker)].runs;
        self.state.workers[usize::from(worker)].runs = self.protocol.workers.order(runs, Order::Exit(attempt));
    }

    /// The process dies with everything that it has started. Its successor has read from disk what it had heard of.
    pub(crate) fn crashes(&mut self, worker: u8) {
        self.state.budget.crashes -= 1;
        if !self.protocol.scope.dead_letters {
            self.state.registrations[usize::from(worker)] = Default::default();
        }
        let worker = &mut self.state.workers[usize::from(worker)];
        worker.incarnation += 1;
        worker.mode = Mode::Boot { hinted: false };
        worker.links = Default::default();
        worker.runs = [Run::None; ATTEMPTS];
        worker.answered = false;
    }

    pub(crate) fn is_cut_off(&mut self, worker: u8) {
        let Budget { cuts, .. } = &mut self.state.budget;
        *cuts -= 1;
        self.state.workers[usize::from(worker)].cut = true;
    }

    pub(crate) fn is_mended(&mut self, worker: u8) {
        self.state.workers[usize::from(worker)].cut = false;
    }

    pub(crate) fn arrives(&mut self, worker: u8, place: u8, choice: u8) -> Option<()> {
        let registration = self.state.registrations[usize::from(worker)][usize::from(place)].take()?;
        self.decides(registration.to, Happening::Registers(worker, registration), choice, 0)
    }

    pub(crate) fn says_started(&mut self, worker: u8, attempt: u8, choice: u8) -> Option<()> {
        let Mode::Connected(master) = self.state.workers[usize::from(worker)].mode else { return None };
        self.decides(master, Happening::Started(worker, attempt), choice, 0)
    }

    /// Whoever is given up because it cannot be reached may have a second copy beside its own.
    pub(crate) fn gives_up(&mut self, master: u8, worker: u8, choice: u8) -> Option<()> {
        let driver = self.state.leaders[usize::from(master)]?.memory.driver;
        let there = driver.filter(|driver| driver.place.is_some_and(|place| place.worker == worker));
        let excuses = there.map_or(0, |driver| bit(driver.attempt));
        self.decides(master, Happening::Silent(worker), choice, excuses)
    }

    pub(crate) fn finds_gone(&mut self, master: u8, worker: u8, choice: u8) -> Option<()> {
        self.decides(master, Happening::Gone(worker), choice, 0)
    }
}
