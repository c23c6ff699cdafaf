//! A way through the small world in words.
//!
//! States are kept in a normal form in which workers and masters are numbered anew after every step. Whoever reads a way
//! wants to follow one worker through all of it: here everybody keeps the name that it had at the beginning.

use crate::action::Action;
use crate::normal::Renaming;
use crate::protocol::Protocol;
use crate::state::{Driver, Registration, Says, State, Transaction, Write, attempts};

const MASTERS: [&str; crate::scope::MASTERS] = ["master A", "master B", "master C"];
const WORKERS: [&str; crate::scope::WORKERS] = ["worker X", "worker Y"];

/// Every step of a way from the beginning, as a sentence.
pub fn retell(protocol: &Protocol, way: &[Action]) -> Vec<String> {
    let (mut state, renaming) = protocol.beginning();
    let mut names = Names(renaming);
    let mut told = Vec::with_capacity(way.len());
    for action in way {
        told.push(names.sentence(&state, *action));
        let Some((next, renaming)) = protocol.step(&state, *action) else {
            told.push("(this step is not possible here)".to_owned());
            break;
        };
        state = next;
        names.0 = names.0.then(renaming);
    }
    told
}

/// What everybody was called at the beginning.
struct Names(Renaming);

impl Names {
    fn master(&self, master: u8) -> &'static str {
        MASTERS[usize::from(self.0.masters[usize::from(master)])]
    }

    fn worker(&self, worker: u8) -> &'static str {
        WORKERS[usize::from(self.0.workers[usize::from(worker)])]
    }

    fn sentence(&self, state: &State, action: Action) -> String {
        use Action as A;
        let (m, w) = (|master| self.master(master), |worker| self.worker(worker));
        match action {
            A::KeyIsLost => "the leader key is lost".to_owned(),
            A::Bids { master } => format!("{} reads the store and bids for the office", m(master)),
            A::BidLands { master, .. } | A::TakesOffice { master, .. } => {
                format!("{} takes office in epoch {}", m(master), state.store.epoch + 1)
            }
            A::Quits { master } => format!("{} crashes or gives up", m(master)),
            A::Lands { master } => self.lands(state, master),
            A::StrayLands { stray } => {
                format!("the store applies a late transaction: {}", self.writes(state.strays[usize::from(stray)]))
            }
            A::Answered { master } => self.answered(state, master),
            A::Submits { master, .. } => format!("the client submits its driver to {}", m(master)),
            A::Arrives { worker, place, .. } => format!("{} arrives", self.registration(state, worker, place)),
            A::IsLost { worker, place } => format!("{} is lost", self.registration(state, worker, place)),
            A::SaysStarted { worker, attempt, .. } => format!("{} says that attempt {attempt} runs", w(worker)),
            A::SessionEnds { master, worker, .. } => format!("{} finds the session of {} ended", m(master), w(worker)),
            A::GivesUp { master, worker, .. } => format!("{} gives up the silent {}", m(master), w(worker)),
            A::FindsGone { master, worker, .. } => format!("{} finds the process of {} gone", m(master), w(worker)),
            A::HearsOf { worker, epoch } => format!("{} hears who leads in epoch {epoch}", w(worker)),
            A::LinkEnds { worker, master } => format!("{} finds its session with {} ended", w(worker), m(master)),
            A::Retries { worker } => format!("{} tries to register again", w(worker)),
            A::HearsRegistered { worker, master } => format!("{} hears {} confirm it", w(worker), m(master)),
            A::HearsLaunch { worker, master, attempt } => {
                format!("{} hears {} launch attempt {attempt}", w(worker), m(master))
            }
            A::HearsKill { worker, master, attempt } => {
                format!("{} hears {} end attempt {attempt}", w(worker), m(master))
            }
            A::Exits { worker, attempt } => format!("attempt {attempt} on {} ends", w(worker)),
            A::Crashes { worker } => format!("{} dies and is started again", w(worker)),
            A::IsCutOff { worker } => format!("{} is cut off", w(worker)),
            A::IsMended { worker } => format!("{} reaches everybody again", w(worker)),
            A::Pauses => "an operator pauses failover".to_owned(),
            A::Resumes => "an operator ends the pause".to_owned(),
            A::HandsOver { master, to } => format!("{} begins to hand the office over to {}", m(master), m(to)),
            A::StaysInDoubt { master } => format!("{} hears nothing of that and goes on", m(master)),
            A::HandoverExpires => "nobody waits for the named successor any longer".to_owned(),
        }
    }

    fn lands(&self, state: &State, master: u8) -> String {
        let transaction = state.leaders[usize::from(master)].and_then(|leader| leader.transaction());
        format!("the store applies the transaction of {}: {}", self.master(master), self.writes(transaction))
    }

    fn answered(&self, state: &State, master: u8) -> String {
        let commit = state.leaders[usize::from(master)].and_then(|leader| leader.commit);
        let says = commit.map(|commit| self.says(commit.batch.says)).unwrap_or_default();
        format!("{} hears that it was applied{says}", self.master(master))
    }

    fn registration(&self, state: &State, worker: u8, place: u8) -> String {
        match state.registrations[usize::from(worker)][usize::from(place)] {
            None => format!("no registration of {}", self.worker(worker)),
            Some(Registration { to, heard, runs, .. }) => {
                let (worker, to, runs) = (self.worker(worker), self.master(to), set(runs));
                format!("the registration of {worker}, which runs {runs}, with {to} for epoch {heard}")
            }
        }
    }

    fn writes(&self, transaction: Option<Transaction>) -> String {
        let Some(Transaction { epoch, writes, resignation, .. }) = transaction else { return "nothing".to_owned() };
        let mut parts = vec![format!("epoch {epoch}")];
        parts.extend(writes.driver.map(|driver| self.driver(driver)));
        for (worker, write) in (0..).zip(writes.workers) {
            match write {
                Write::Keep => {}
                Write::Put(_) => parts.push(format!("{} is recorded", self.worker(worker))),
                Write::Remove => parts.push(format!("{} is removed", self.worker(worker))),
            }
        }
        parts.extend(resignation.map(|resignation| format!("the office goes to {}", self.master(resignation.target))));
        parts.join(", ")
    }

    fn driver(&self, Driver { attempt, place, .. }: Driver) -> String {
        match place {
            None => format!("the driver waits after attempt {attempt}"),
            Some(place) if place.started => format!("attempt {attempt} runs on {}", self.worker(place.worker)),
            Some(place) => format!("attempt {attempt} is placed on {}", self.worker(place.worker)),
        }
    }

    /// What leaves a master now.
    fn says(&self, Says { acknowledge, to }: Says) -> String {
        let mut parts = Vec::new();
        if acknowledge {
            parts.push("acknowledges the submission".to_owned());
        }
        for (worker, saying) in (0..).zip(to) {
            let worker = self.worker(worker);
            if saying.registered {
                parts.push(format!("confirms {worker}"));
            }
            parts.extend(attempts(saying.launch).map(|attempt| format!("tells {worker} to launch attempt {attempt}")));
            parts.extend(attempts(saying.kill).map(|attempt| format!("tells {worker} to end attempt {attempt}")));
        }
        if parts.is_empty() { String::new() } else { format!(" and {}", parts.join(", ")) }
    }
}

fn set(runs: u8) -> String {
    let named: Vec<String> = attempts(runs).map(|attempt| format!("attempt {attempt}")).collect();
    if named.is_empty() { "nothing".to_owned() } else { named.join(", ") }
}
