//! What the loop hears of peers and clients.

use tanist_core::ids::{Epoch, SessionId};
use tanist_core::master::Event;
use tanist_core::msg::{AppToMaster, MasterToApp, MasterToWorker, WorkerToMaster};

use super::CommitLoop;
use super::term::StepDown;
use crate::handle::{Input, Said};
use crate::peers::Found;
use crate::seat::Answers;

impl CommitLoop {
    /// Takes the shell's part out of a message and gives the machine its own.
    pub(super) fn hear(&mut self, input: Input) {
        match input {
            Input::Worker(session, said) => self.hear_worker(session, said),
            Input::App(session, said) => self.hear_app(session, said),
            Input::Asked { request, answer } => {
                if let Some(reply) = self.outlets.replies.wait(answer) {
                    self.handle(Event::Request { reply, request });
                }
            }
            Input::Leave(order) => self.hear_order(order),
        }
    }

    fn hear_worker(&mut self, session: SessionId, said: Said<MasterToWorker, WorkerToMaster>) {
        let message = match said {
            Said::First(link, message) => {
                self.outlets.sessions.workers.open(session, link);
                self.look_for_answers();
                message
            }
            Said::More(message) if self.outlets.sessions.is_open(session) => message,
            Said::More(_) => return,
            Said::Last => return self.hear_last(session),
        };
        self.note_epoch(&message);
        self.handle(Event::Worker { session, message });
    }

    fn look_for_answers(&mut self) {
        if let Some(office) = self.seat.office().filter(|office| office.answers == Answers::Awaited) {
            office.answers = Answers::Some;
        }
    }

    fn hear_app(&mut self, session: SessionId, said: Said<MasterToApp, AppToMaster>) {
        let message = match said {
            Said::First(link, message) => {
                self.outlets.sessions.apps.open(session, link);
                message
            }
            Said::More(message) if self.outlets.sessions.is_open(session) => message,
            Said::More(_) => return,
            Said::Last => return self.hear_last(session),
        };
        self.handle(Event::App { session, message });
    }

    /// The machine hears of the end of a session once, whichever side was first.
    fn hear_last(&mut self, session: SessionId) {
        if self.outlets.sessions.close(session) {
            self.handle(Event::SessionClosed { session });
        }
    }

    /// The next epoch of ours is above every one that anybody has ever heard of (protocol 2).
    fn note_epoch(&self, message: &WorkerToMaster) {
        let heard = match message {
            WorkerToMaster::Register(worker) => worker.heard.as_ref(),
            WorkerToMaster::StaleCommand { heard, .. } => Some(heard),
            _ => None,
        };
        if let Some(term) = heard {
            self.raise_epoch(term.epoch);
        }
    }

    fn raise_epoch(&self, epoch: Epoch) {
        self.candidacy.candidate.heard.raise(epoch);
    }

    /// Somebody acts, or has acted, under a term above ours.
    pub(super) fn outranked(&mut self, why: String) {
        self.board.counts.higher_terms_seen.one();
        self.step_down.get_or_insert(StepDown::Outranked(why));
    }

    pub(super) fn take_finding(&mut self, found: Found) {
        match found {
            Found::Peer(peer, session, finding) => self.handle(Event::Probed { peer, session, finding }),
            Found::HigherTerm(peer, term) => {
                self.raise_epoch(term.epoch);
                self.outranked(format!("{peer:?} has heard of the higher term {term}"));
            }
        }
    }
}
