//! Carrying out effects that may leave now. Never waits for anybody.

use tanist_core::ids::SessionId;
use tanist_core::master::{Effect, Peer};
use tanist_core::model::LeaderInfo;
use tanist_core::msg::{ClientReply, MasterToApp, MasterToWorker};

use crate::error::RequestError;
use crate::peers::Peers;
use crate::replies::Replies;
use crate::sessions::{Delivery, Sessions};
use crate::story;
use crate::timers::Timers;

/// Everywhere an effect can go. All of it belongs to the present term and is emptied at its end.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) sessions: Sessions,
    pub(crate) replies: Replies,
    pub(crate) timers: Timers,
    pub(crate) peers: Peers,
    /// How this master is announced while it leads.
    pub(crate) leader: Option<LeaderInfo>,
    /// Sessions that ended here and that the machine has not been told of yet.
    pub(crate) ended: Vec<SessionId>,
}

impl Outlets {
    pub(crate) fn new() -> Self {
        Self {
            sessions: Sessions::default(),
            replies: Replies::default(),
            timers: Timers::default(),
            peers: Peers::new(),
            leader: None,
            ended: Vec::new(),
        }
    }

    /// Carries one effect out.
    pub(crate) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::ToWorker { session, message } => self.tell_worker(session, message),
            Effect::ToApp { session, message } => self.tell_app(session, message),
            Effect::Reply { to, reply } => {
                story::replied(&reply);
                self.replies.answer(to, Ok(reply));
            }
            Effect::CloseSession { session } => {
                if self.sessions.close(session) {
                    self.ended.push(session);
                }
            }
            Effect::Announce { peer, endpoint } => {
                if let Some(leader) = self.leader.clone() {
                    self.peers.announce(peer, endpoint, leader);
                } else {
                    tracing::error!(?peer, "a master that does not lead has nothing to announce");
                }
            }
            Effect::Probe { peer, endpoint, session } => self.peers.probe(peer, endpoint, session),
            Effect::Arm { timer, at } => self.timers.arm(timer, at),
            // The loop takes these two out before: one goes into a batch, the other ends the term.
            effect @ (Effect::Persist(_) | Effect::StepDown { .. }) => {
                tracing::error!(?effect, "an effect of the loop reached an outlet");
            }
        }
    }

    /// Ends everything that belongs to a term. Whoever waits for an answer hears why there is none.
    pub(crate) fn end_term(&mut self, why: &RequestError) {
        self.sessions.close_all();
        self.replies.fail_all(why);
        self.timers.clear();
        self.peers.clear();
        self.leader = None;
        self.ended.clear();
    }

    fn tell_worker(&mut self, session: SessionId, message: MasterToWorker) {
        let peer = self.sessions.workers.peer(session);
        story::to_worker(session, peer, &message);
        if let (MasterToWorker::Registered(_), Some(peer)) = (&message, peer) {
            self.peers.arrived(peer);
        }
        let delivery = self.sessions.workers.say(session, message);
        self.note(session, &delivery);
    }

    fn tell_app(&mut self, session: SessionId, message: MasterToApp) {
        story::to_app(session, &message);
        if let MasterToApp::Registered(registered) = &message {
            self.peers.arrived(&Peer::App(registered.app.clone()));
        }
        let delivery = self.sessions.apps.say(session, message);
        self.note(session, &delivery);
    }

    fn note(&mut self, session: SessionId, delivery: &Delivery) {
        match delivery {
            Delivery::Sent => {}
            Delivery::NoSession => tracing::debug!(%session, "message for a session that has ended"),
            Delivery::Disconnected => self.ended.push(session),
        }
    }

    /// Answers those of a batch that wait for a reply, where the batch can never be stored: `culprit` tells whether a
    /// reply belongs to the change that cannot be.
    pub(crate) fn refuse_batch(&mut self, effects: Vec<Effect>, culprit: impl Fn(&ClientReply) -> bool, why: &str) {
        for effect in effects {
            if let Effect::Reply { to, reply } = effect {
                let why = why.to_owned();
                let error = if culprit(&reply) {
                    RequestError::NeverStorable { why }
                } else {
                    RequestError::BatchRefused { why }
                };
                self.replies.answer(to, Err(error));
            }
        }
    }
}
