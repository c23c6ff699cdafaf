//! What the core's own worker does: `tanist_core::worker::Worker`, asked once for every question that comes up.
//!
//! Two questions, because the machine itself keeps them apart: whom it follows and obeys (`tanist_core::tracking`), and
//! what becomes of its programs. As with the master, a machine is led to the situation through a past, is given the
//! event, and its effects are put into the model's numbers.

mod past;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

use tanist_core::msg::{MasterToWorker, WorkerToMaster};
use tanist_core::tracking::LinkId;
use tanist_core::worker::{Effect, Event};

use crate::names;
use crate::scope::{EPOCHS, MASTERS};
use crate::state::{Mode, Runs, bit};

use self::past::Process;

/// Where a worker stands with the masters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Whom it follows.
    pub mode: Mode,
    /// The highest epoch that it has heard of.
    pub heard: u8,
    /// Of each session: what it had heard of when it registered there.
    pub links: [Option<u8>; MASTERS],
}

/// What a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum News {
    /// A leader of this epoch is named.
    Hears(u8),
    /// The session with this master ends.
    Closed(u8),
    /// It is time to try again.
    Retry,
    /// This master says, in this epoch, that it is registered.
    Registered(u8, u8),
    /// This master gives a command under this epoch.
    Command(u8, u8),
}

/// What becomes of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Link {
    /// There is none.
    #[default]
    None,
    /// It stays.
    Kept,
    /// It is new; a registration was sent on it.
    New,
}

/// What a worker does about news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reaction {
    /// Whom it follows from then on.
    pub mode: Mode,
    /// The highest epoch that it has heard of then.
    pub heard: u8,
    /// Its sessions.
    pub links: [Link; MASTERS],
    /// It obeys the command.
    pub obeys: bool,
    /// It does something that the model has no words for.
    pub unknown: bool,
}

/// What happens to the programs of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// This attempt is to be launched.
    Launch(u8),
    /// This attempt and earlier ones are to end.
    Kill(u8),
    /// The process of this attempt, which was told to, ends.
    Exit(u8),
}

/// Who won each epoch.
pub type Holders = [u8; EPOCHS + 1];

/// The worker's machine behind a memory of its answers.
#[derive(Debug, Default)]
pub struct Workers {
    reactions: RwLock<HashMap<(Standing, Holders, News), Reaction>>,
    runs: RwLock<HashMap<(Runs, Order), Runs>>,
    inventories: RwLock<HashMap<Runs, u8>>,
}

impl Workers {
    /// What a worker does about news, with so many masters.
    pub fn react(&self, masters: usize, standing: Standing, holders: Holders, news: News) -> Reaction {
        remembered(&self.reactions, (standing, holders, news), || react(masters, standing, holders, news))
    }

    /// What becomes of the programs of a worker.
    pub fn order(&self, runs: Runs, order: Order) -> Runs {
        remembered(&self.runs, (runs, order), || obey(runs, order))
    }

    /// The attempts that a worker reports when it registers.
    ///
    /// # Panics
    /// If its machine does not register after it has lost its session.
    pub fn inventory(&self, runs: Runs) -> u8 {
        remembered(&self.inventories, runs, || {
            let told = Process::with_runs(runs).registers_anew();
            told.unwrap_or_else(|| panic!("a worker that has lost its session registers again"))
        })
    }

    /// How many questions there were.
    pub fn questions(&self) -> usize {
        let [reactions, runs] = [
            self.reactions.read().unwrap_or_else(PoisonError::into_inner).len(),
            self.runs.read().unwrap_or_else(PoisonError::into_inner).len(),
        ];
        reactions + runs
    }
}

fn remembered<Q: Hash + Eq + Copy, A: Copy>(memory: &RwLock<HashMap<Q, A>>, question: Q, ask: impl FnOnce() -> A) -> A {
    let known = memory.read().unwrap_or_else(PoisonError::into_inner).get(&question).copied();
    known.unwrap_or_else(|| {
        let answer = ask();
        memory.write().unwrap_or_else(PoisonError::into_inner).insert(question, answer);
        answer
    })
}

fn react(masters: usize, standing: Standing, holders: Holders, news: News) -> Reaction {
    let mut process = Process::with_standing(masters, standing, holders);
    let before = process.links();
    let probe = news_event(&process, holders, news);
    let mut obeys = false;
    let mut unknown = false;
    if let Some(event) = probe {
        for effect in process.handle(event) {
            match effect {
                Effect::Prepare { .. } => obeys = true,
                Effect::Exit { .. } => unknown = true,
                _ => {}
            }
        }
    }
    process.open_what_is_asked_for();
    let links = fates(before, process.links());
    let hinted = match (standing.mode, news) {
        (Mode::Boot { hinted }, News::Hears(epoch)) => hinted || epoch >= standing.heard,
        (Mode::Boot { hinted }, _) => hinted,
        (Mode::Connected(_) | Mode::Lost(_), _) => false,
    };
    let (mode, heard) = process.shows(hinted);
    Reaction { mode, heard, links, obeys, unknown }
}

/// What has become of the session with each master.
fn fates(before: [Option<LinkId>; MASTERS], after: [Option<LinkId>; MASTERS]) -> [Link; MASTERS] {
    std::array::from_fn(|master| match (before[master], after[master]) {
        (_, None) => Link::None,
        (before, now) if before == now => Link::Kept,
        _ => Link::New,
    })
}

/// The news in the core's words; none = there is nobody to tell it.
fn news_event(process: &Process, holders: Holders, news: News) -> Option<Event> {
    let from =
        |master: u8, message: MasterToWorker| process.link_with(master).map(|link| Event::FromMaster { link, message });
    match news {
        News::Hears(epoch) => Some(Event::LeaderNotice(names::leader(holders[usize::from(epoch)], epoch))),
        News::Closed(master) => process.link_with(master).map(|link| Event::LinkClosed { link }),
        News::Retry => process.retry.map(|timer| Event::Timer(tanist_core::worker::Timer::Tracking(timer))),
        News::Registered(master, epoch) => from(master, past::registered(master, epoch)),
        News::Command(master, epoch) => from(master, past::command(epoch, past::launch(1))),
    }
}

fn obey(runs: Runs, order: Order) -> Runs {
    let mut process = Process::with_runs(runs);
    match order {
        Order::Launch(attempt) => process.command(past::launch(attempt)),
        Order::Kill(attempt) => process.command(past::kill(attempt)),
        Order::Exit(attempt) => process.exits(attempt),
    }
    process.runs()
}

/// What a worker says about what it runs.
fn told(effects: &[Effect]) -> Option<u8> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send { message: WorkerToMaster::Register(registration), .. } => {
            let running = registration.inventory.drivers.iter().filter(|driver| !driver.state.is_final());
            Some(running.fold(0, |set, driver| set | bit(names::attempt_of(driver.attempt))))
        }
        _ => None,
    })
}
