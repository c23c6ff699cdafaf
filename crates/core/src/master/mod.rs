//! The master's machine: role, registry, applications, drivers, scheduling, recovery.
//!
//! ```text
//! event ──▶ Master::handle(now, event, &mut effects)
//!               STANDBY: no state but who leads
//!               leading: Leader ── registry · reconcile · apps · drivers · submission
//!                              ── placement (carries out what schedule::Scheduler decides)
//!                              ── liveness · recovery · decommission · foreign_apps · foreign_workers
//! ```
//!
//! **Invariant**: all state of a term lives in `Leader` and is dropped whole when the lead is lost. Nothing is ever
//! rolled back, because nothing that was not durable has been shown to anybody ([`Effect::waits_for_commit`]).

mod apps;
mod check;
mod config;
mod dead;
mod decommission;
mod drivers;
mod effect;
mod entities;
mod event;
mod executors;
mod foreign_apps;
mod foreign_workers;
mod id_series;
mod leader;
mod liveness;
mod names;
mod picture;
mod placement;
mod reconcile;
mod recorded;
mod recovery;
mod registry;
pub mod schedule;
mod submission;
#[cfg(test)]
mod tests;
mod view;
mod waiting;

pub use config::{
    EXECUTOR_ID_BLOCK, HEARTBEATS_PER_TIMEOUT, HOUSEKEEPING_EVERY, MASS_LOSS_FLOOR, MasterConfig, REQUEST_MEMORY,
};
pub use effect::{Effect, Recalled};
pub use event::{Event, Finding, Peer, Timer};
pub use id_series::LAST_GENERATION;
pub use view::{AppView, DriverView, ExecutorView, MasterView, Missing, WorkerView};

use crate::model::{LeaderInfo, MasterRole};
use crate::msg::{AppToMaster, ClientReply, MasterToApp, MasterToWorker, NotLeading, WorkerToMaster};
use crate::rng::Rng;
use crate::time::{Now, Wall};
use leader::{Ctx, Leader};

/// The machine of one master process, over all its terms. A clone goes its own way, so that every order of events can be
/// tried from one state.
#[derive(Debug, Clone)]
pub struct Master {
    config: MasterConfig,
    rng: Rng,
    state: State,
}

/// A master either leads or knows at most who does.
#[derive(Debug, Clone)]
enum State {
    Standby(Option<LeaderInfo>),
    Leading(Box<Leader>),
}

impl Master {
    /// A standby. All its random choices follow from `seed`.
    pub fn new(config: MasterConfig, seed: u64) -> Self {
        Self { config, rng: Rng::new(seed), state: State::Standby(None) }
    }

    /// The role now.
    pub fn role(&self) -> MasterRole {
        match &self.state {
            State::Standby(_) => MasterRole::Standby,
            State::Leading(leader) => leader.role,
        }
    }

    /// Handles one event; what is to be done is appended to `effects` in order.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        match (&mut self.state, event) {
            (_, Event::Elected { leader, recovered }) => {
                let mut ctx = Ctx { config: &self.config, rng: &mut self.rng, now, effects };
                self.state = State::Leading(Box::new(Leader::recover(leader, *recovered, &mut ctx)));
            }
            (State::Leading(_), Event::Deposed) => self.state = State::Standby(None),
            (State::Leading(leader), event) => {
                let mut ctx = Ctx { config: &self.config, rng: &mut self.rng, now, effects };
                leader.handle(event, &mut ctx);
            }
            (State::Standby(known), Event::LeaderSeen(seen)) => *known = seen,
            (State::Standby(known), event) => answer_as_standby(known.as_ref(), &event, effects),
        }
    }

    /// What recovery still waits for.
    pub fn missing(&self) -> Missing {
        match &self.state {
            State::Standby(_) => Missing::default(),
            State::Leading(leader) => leader.missing,
        }
    }

    /// The picture to publish.
    pub fn view(&self, taken_at: Wall) -> MasterView {
        match &self.state {
            State::Standby(known) => MasterView { leader: known.clone(), taken_at, ..MasterView::default() },
            State::Leading(leader) => leader.view(&self.config, taken_at),
        }
    }

    /// Every invariant of the state, broken ones as text. Empty = all hold. For tests and the simulator.
    pub fn check(&self) -> Vec<String> {
        match &self.state {
            State::Standby(_) => Vec::new(),
            State::Leading(leader) => leader.check(),
        }
    }
}

/// EL-09, made helpful: whoever asks a standby hears who leads.
fn answer_as_standby(known: Option<&LeaderInfo>, event: &Event, effects: &mut Vec<Effect>) {
    match *event {
        Event::Worker { session, message: WorkerToMaster::Register(_) | WorkerToMaster::Decommissioning } => {
            effects.push(Effect::ToWorker { session, message: MasterToWorker::Standby { leader: known.cloned() } });
        }
        Event::App { session, message: AppToMaster::Register(_) } => {
            effects.push(Effect::ToApp { session, message: MasterToApp::Standby { leader: known.cloned() } });
        }
        // A session of an ended term of ours: its peer must look for the leader.
        Event::Worker { session, .. } | Event::App { session, .. } => effects.push(Effect::CloseSession { session }),
        Event::Request { reply, .. } => {
            effects.push(Effect::Reply { to: reply, reply: not_leading(MasterRole::Standby, known) });
        }
        Event::Elected { .. }
        | Event::Deposed
        | Event::Suspended
        | Event::Resumed
        | Event::LeaderSeen(_)
        | Event::SessionClosed { .. }
        | Event::Probed { .. }
        | Event::Timer(_) => {}
    }
}

/// What a master answers that may not act: where to go.
fn not_leading(role: MasterRole, leader: Option<&LeaderInfo>) -> ClientReply {
    ClientReply::NotLeading(NotLeading { role, leader: leader.cloned() })
}
