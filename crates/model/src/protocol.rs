//! The model as `stateright` wants it: where it begins, what may happen, what must hold.

use stateright::{Model, Property};

use crate::action::Action;
use crate::master::Masters;
use crate::normal::Renaming;
use crate::scope::{ATTEMPTS, EPOCHS, MASTERS, Mutant, STRAYS, Scope, Start, UNDER_WAY, WORKERS};
use crate::state::{
    Batch, Budget, Known, Leader, Link, Memory, Mode, Run, Slot, State, Store, Worker, Wrongs, attempts,
};
use crate::worker::{Order, Workers};

/// The properties, by the names under which they are reported.
pub mod names {
    /// Commits carry non-decreasing epochs, and none by a term after its key is gone.
    pub const I1: &str = "I1 only the term in office writes";
    /// What was acknowledged is durable, and one request makes one driver.
    pub const I2: &str = "I2 acknowledged is durable";
    /// At most one live attempt; a second one only where the worker of the first could not be reached.
    pub const I3: &str = "I3 one live attempt";
    /// No registration is refused, and a worker that has been answered is registered with one master at a time.
    pub const I4: &str = "I4 registered once";
    /// No worker acts on a lower epoch than one it has heard of.
    pub const I9: &str = "I9 no step back";
    /// Nobody takes the office while failover is paused.
    pub const PAUSE: &str = "a pause holds";
    /// The machines do nothing that the model has no words for.
    pub const COMPLETE: &str = "the model is complete";

    /// A second attempt runs.
    pub const RELAUNCH: &str = "a relaunch happens";
    /// A leader has taken over a driver that a predecessor launched and that runs.
    pub const ADOPTION: &str = "an adoption happens";
    /// A worker has come to a new leader with what it runs.
    pub const REREGISTRATION: &str = "a re-registration happens";
    /// Two attempts run, because the worker of the first could not be reached.
    pub const SECOND_COPY: &str = "a second copy runs";
    /// The master that was named has taken the office.
    pub const SWITCHOVER: &str = "a switchover completes";
}

/// A check's small world: its bounds, the rule that is left out, and the machines.
#[derive(Debug)]
pub struct Protocol {
    /// The bounds.
    pub scope: Scope,
    /// The rule that is left out.
    pub mutant: Option<Mutant>,
    /// The core's master.
    pub masters: Masters,
    /// The core's worker.
    pub workers: Workers,
}

impl Protocol {
    /// With machines that have not been asked anything yet.
    pub fn new(scope: Scope, mutant: Option<Mutant>) -> Self {
        Self { scope, mutant, masters: Masters::default(), workers: Workers::default() }
    }

    /// Whether nothing leaves a leader whose key is gone but what the store has applied before.
    pub(crate) fn is_guarded(&self) -> bool {
        !matches!(self.mutant, Some(Mutant::NoGuard | Mutant::LeaseTrusted | Mutant::NoBarrier))
    }

    /// The state after a step, and who was numbered anew. None = the step is not possible.
    pub(crate) fn step(&self, state: &State, action: Action) -> Option<(State, Renaming)> {
        let mut world = World { protocol: self, state: *state };
        world.happens(action)?;
        let renaming = world.settle();
        Some((world.state, renaming))
    }

    /// Where it begins, and who was numbered anew.
    pub(crate) fn beginning(&self) -> (State, Renaming) {
        let state = match self.scope.start {
            Start::Cold => self.start(),
            Start::Formed => self.formed(),
        };
        let mut world = World { protocol: self, state };
        let renaming = world.settle();
        (world.state, renaming)
    }

    fn start(&self) -> State {
        let Scope { cuts, crashes, breaks, orders, .. } = self.scope;
        let slot = Slot { version: 0, content: None };
        let store = Store {
            office: None,
            epoch: 0,
            holders: [0; EPOCHS + 1],
            driver: Slot { version: 0, content: None },
            request: slot,
            workers: [slot; WORKERS],
            intent: Slot { version: 0, content: None },
        };
        let worker = Worker {
            incarnation: 1,
            mode: Mode::Boot { hinted: false },
            heard: 0,
            links: [None; MASTERS],
            runs: [Run::None; ATTEMPTS],
            answered: false,
            cut: false,
        };
        State {
            store,
            leaders: [None; MASTERS],
            bids: [None; MASTERS],
            strays: [None; STRAYS],
            workers: [worker; WORKERS],
            registrations: [[None; UNDER_WAY]; WORKERS],
            acknowledged: false,
            excused: 0,
            handed_over: false,
            budget: Budget { cuts, crashes, breaks, orders },
            wrongs: Wrongs::default(),
        }
    }

    /// The first master leads, and both workers are registered with it.
    fn formed(&self) -> State {
        let mut state = self.start();
        state.store.office = Some(1);
        state.store.epoch = 1;
        state.store.workers = [Slot { version: 1, content: Some(1) }; WORKERS];
        let known = Known::Heard { incarnation: 1, number: 1, open: true };
        state.leaders[0] = Some(Leader {
            epoch: 1,
            memory: Memory { driver: None, workers: [known; WORKERS] },
            ledger: state.store.read(),
            commit: None,
            pending: Batch::default(),
        });
        for worker in &mut state.workers {
            (worker.mode, worker.heard, worker.answered) = (Mode::Connected(0), 1, true);
            worker.links[0] = Some(Link { number: 1, heard: 1, epoch: 1, registered: true, launch: 0, kill: 0 });
        }
        state
    }
}

/// A state on its way to the next one.
pub(crate) struct World<'a> {
    pub(crate) protocol: &'a Protocol,
    pub(crate) state: State,
}

impl World<'_> {
    /// What happens. None = it cannot, in this state or within the bounds.
    fn happens(&mut self, action: Action) -> Option<()> {
        match action {
            Action::KeyIsLost => self.state.store.office = None,
            Action::Bids { master } => self.bids(master),
            Action::BidLands { master, choice } => self.bid_lands(master, choice)?,
            Action::TakesOffice { master, choice } => self.takes_office(master, choice)?,
            Action::Quits { master } => self.quits(master),
            Action::Lands { master } => self.lands(master)?,
            Action::StrayLands { stray } => self.stray_lands(stray)?,
            Action::Answered { master } => self.answered(master)?,
            Action::Submits { master, choice } => self.submits(master, choice)?,
            Action::Arrives { worker, place, choice } => self.arrives(worker, place, choice)?,
            Action::IsLost { worker, place } => {
                self.state.registrations[usize::from(worker)][usize::from(place)] = None;
            }
            Action::SaysStarted { worker, attempt, choice } => self.says_started(worker, attempt, choice)?,
            Action::SessionEnds { master, worker, choice } => self.session_ends(master, worker, choice)?,
            Action::GivesUp { master, worker, choice } => self.gives_up(master, worker, choice)?,
            Action::FindsGone { master, worker, choice } => self.finds_gone(master, worker, choice)?,
            Action::HearsOf { worker, epoch } => self.hears_of(worker, epoch)?,
            Action::LinkEnds { worker, master } => self.link_ends(worker, master)?,
            Action::Retries { worker } => self.retries(worker)?,
            Action::HearsRegistered { worker, master } => self.hears_registered(worker, master)?,
            Action::HearsLaunch { worker, master, attempt } => {
                self.hears_order(worker, master, Order::Launch(attempt))?;
            }
            Action::HearsKill { worker, master, attempt } => self.hears_order(worker, master, Order::Kill(attempt))?,
            Action::Exits { worker, attempt } => self.exits(worker, attempt),
            Action::Crashes { worker } => self.crashes(worker),
            Action::IsCutOff { worker } => self.is_cut_off(worker),
            Action::IsMended { worker } => self.is_mended(worker),
            Action::Pauses => self.ordered(|world| world.wishes_pause(true)),
            Action::Resumes => self.ordered(|world| world.wishes_pause(false)),
            Action::HandsOver { master, to } => self.orders_handover(master, to)?,
            Action::StaysInDoubt { master } => self.stays_in_doubt(master)?,
            Action::HandoverExpires => self.handover_expires(),
        }
        Some(())
    }

    /// An order to a leader whose term is over comes to nothing, and costs none.
    fn orders_handover(&mut self, master: u8, to: u8) -> Option<()> {
        let epoch = self.state.leaders[usize::from(master)]?.epoch;
        self.hands_over(master, to)?;
        self.state.budget.orders -= u8::from(self.state.store.is_held_by(epoch));
        Some(())
    }

    fn ordered(&mut self, order: impl FnOnce(&mut Self)) {
        self.state.budget.orders -= 1;
        order(self);
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.beginning().0]
    }

    /// Where something is broken already there is nothing more to be seen.
    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if holds(state) {
            self.possible(state, actions);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let (next, _) = self.step(state, action)?;
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(names::I1, |_, state: &State| !state.wrongs.written),
            Property::always(names::I2, |_, state: &State| !state.wrongs.twice && is_durable(state)),
            Property::always(names::I3, |_, state: &State| is_alone(state)),
            Property::always(names::I4, |_, state: &State| !state.wrongs.refused && is_registered_once(state)),
            Property::always(names::I9, |_, state: &State| !state.wrongs.obeyed),
            Property::always(names::PAUSE, |_, state: &State| !state.wrongs.paused),
            Property::always(names::COMPLETE, |_, state: &State| !state.wrongs.unknown),
        ];
        if self.scope.attempts > 1 {
            all.push(Property::sometimes(names::RELAUNCH, |_, state: &State| copies(state).any(|attempt| attempt > 1)));
        }
        if self.scope.epochs > 1 {
            all.push(Property::sometimes(names::ADOPTION, |_, state: &State| adopts(state)));
            all.push(Property::sometimes(names::REREGISTRATION, |_, state: &State| comes_back(state)));
        }
        if self.scope.cuts > 0 {
            all.push(Property::sometimes(names::SECOND_COPY, |_, state: &State| copies(state).count() > 1));
        }
        if self.scope.orders > 0 {
            all.push(Property::sometimes(names::SWITCHOVER, |_, state: &State| state.handed_over));
        }
        all
    }
}

/// Everything that must hold in every state.
fn holds(state: &State) -> bool {
    state.wrongs == Wrongs::default() && is_durable(state) && is_alone(state) && is_registered_once(state)
}

fn is_durable(state: &State) -> bool {
    let Store { driver, request, .. } = &state.store;
    !state.acknowledged || driver.content.is_some_and(|driver| request.content == Some(driver.born))
}

/// The attempts that live, on all workers.
fn copies(state: &State) -> impl Iterator<Item = u8> {
    state.workers.iter().flat_map(|worker| attempts(worker.alive()))
}

/// Every live attempt but the latest is excused, and none lives twice.
fn is_alone(state: &State) -> bool {
    let mut alive = 0;
    for worker in &state.workers {
        if alive & worker.alive() != 0 {
            return false;
        }
        alive |= worker.alive();
    }
    let latest = alive.checked_ilog2().map_or(0, |at| 1 << at);
    alive & !latest & !state.excused == 0
}

/// A master that has confirmed a registration believes to have the worker until the session ends.
fn is_registered_once(state: &State) -> bool {
    state.workers.iter().filter(|worker| worker.answered).all(|worker| {
        let confirmed = worker.links.iter().flatten().filter(|link| link.registered);
        confirmed.count() <= 1
    })
}

/// A leader has a worker registered that runs what an earlier term has launched there.
fn adopts(state: &State) -> bool {
    state.leaders.iter().flatten().any(|leader| {
        let place = leader.memory.driver.and_then(|driver| Some((driver.attempt, driver.place?)));
        place.is_some_and(|(attempt, place)| {
            let worker = usize::from(place.worker);
            let open = matches!(leader.memory.workers[worker], Known::Heard { open: true, .. });
            open && place.epoch < leader.epoch && attempts(state.workers[worker].alive()).any(|live| live == attempt)
        })
    })
}

/// A worker that runs something is registered with a later leader than the first one.
fn comes_back(state: &State) -> bool {
    let back = |worker: &Worker| matches!(worker.mode, Mode::Connected(_)) && worker.heard > 1 && worker.alive() > 0;
    state.workers.iter().any(back)
}
