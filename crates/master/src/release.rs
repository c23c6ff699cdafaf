//! Carrying out effects that may leave now. Never waits for anybody.

use std::sync::Arc;

use tokio::sync::watch;

use tanist_core::ids::{ReplyToken, SessionId};
use tanist_core::master::{Effect, Peer, Recalled};
use tanist_core::model::LeaderInfo;
use tanist_core::msg::{ClientReply, MasterToApp, MasterToWorker, WorkerCommand};
use tanist_core::time::{Mono, millis};
use tanist_store::{Standing, clock, failpoint};

use crate::board::Board;
use crate::error::RequestError;
use crate::peers::{Call, Peers, Recall};
use crate::replies::Replies;
use crate::sessions::{Delivery, Sessions};
use crate::spark::Face;
use crate::story;
use crate::timers::Timers;

/// Everywhere an effect can go. All of it belongs to the present term and is emptied at its end.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) sessions: Sessions,
    pub(crate) replies: Replies,
    pub(crate) timers: Timers,
    pub(crate) peers: Peers,
    /// Calls the clients that speak another protocol.
    pub(crate) face: Option<Face>,
    board: Arc<Board>,
    /// The term in office.
    pub(crate) term: Option<InOffice>,
    /// Sessions that ended here and that the machine has not been told of yet.
    pub(crate) ended: Vec<SessionId>,
}

/// A term in office, as far as it matters to what leaves.
#[derive(Debug)]
pub(crate) struct InOffice {
    /// How this master is announced.
    leader: LeaderInfo,
    standing: watch::Receiver<Standing>,
    won_at: Mono,
    /// Something was launched.
    decided: bool,
}

impl InOffice {
    pub(crate) fn new(leader: LeaderInfo, standing: watch::Receiver<Standing>, won_at: Mono) -> Self {
        Self { leader, standing, won_at, decided: false }
    }

    /// Tells once of the first launch.
    fn note(&mut self, message: &MasterToWorker) {
        let MasterToWorker::Command(command) = message else { return };
        if !self.decided && is_launch(&command.body) {
            self.decided = true;
            let since_election_ms = millis(clock::mono() - self.won_at);
            tracing::info!(epoch = %self.leader.term.epoch, since_election_ms, "first decision of the term");
        }
    }
}

fn is_launch(command: &WorkerCommand) -> bool {
    matches!(command, WorkerCommand::LaunchDriver { .. } | WorkerCommand::LaunchExecutor { .. })
}

impl Outlets {
    pub(crate) fn new(board: Arc<Board>) -> Self {
        Self {
            face: None,
            board,
            sessions: Sessions::default(),
            replies: Replies::default(),
            timers: Timers::default(),
            peers: Peers::new(),
            term: None,
            ended: Vec::new(),
        }
    }

    /// Carries one effect out.
    pub(crate) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::ToWorker { session, message } => self.tell_worker(session, message),
            Effect::ToApp { session, message } => self.tell_app(session, message),
            Effect::Reply { to, reply } => self.reply(to, reply),
            Effect::CloseSession { session } => self.close(session),
            Effect::Announce { peer, endpoint } => {
                if let Some(term) = &self.term {
                    let told = self.board.told.knows(&term.leader.term, &peer);
                    let call = Call { endpoint, leader: term.leader.clone(), told };
                    self.peers.announce(peer, call, term.standing.clone());
                } else {
                    tracing::error!(?peer, "a master that does not lead has nothing to announce");
                }
            }
            Effect::Recall { registration, session } => self.recall(registration, session),
            Effect::Probe { peer, endpoint, session } => self.peers.probe(peer, endpoint, session),
            Effect::Arm { timer, at } => self.timers.arm(timer, at),
            // The loop takes these two out before: one goes into a batch, the other ends the term.
            effect @ (Effect::Persist(_) | Effect::StepDown { .. }) => {
                tracing::error!(?effect, "an effect of the loop reached an outlet");
            }
        }
    }

    fn recall(&mut self, registration: Recalled, session: Option<SessionId>) {
        let (Some(term), Some(face)) = (&self.term, &self.face) else {
            return tracing::error!(peer = ?registration.peer(), "a peer that cannot be called from here");
        };
        let ui_url = term.leader.ui_url.clone();
        let call = Recall { face: face.clone(), registration, session, ui_url };
        self.peers.recall(call, term.standing.clone());
    }

    /// Ends everything that belongs to a term. Whoever waits for an answer hears why there is none.
    pub(crate) fn end_term(&mut self, why: &RequestError) {
        self.sessions.close_all();
        self.replies.fail_all(why);
        self.timers.clear();
        self.peers.clear();
        self.term = None;
        self.ended.clear();
    }

    fn tell_worker(&mut self, session: SessionId, message: MasterToWorker) {
        if failpoint::hit("master.send.worker.before").is_err() {
            return self.close(session);
        }
        let peer = self.sessions.workers.peer(session);
        story::to_worker(session, peer, &message);
        if let (MasterToWorker::Registered(_), Some(peer)) = (&message, peer) {
            self.peers.arrived(peer);
        }
        if let Some(term) = &mut self.term {
            term.note(&message);
        }
        let delivery = self.sessions.workers.say(session, message);
        self.note(session, &delivery);
        if failpoint::hit("master.send.worker.after").is_err() {
            self.close(session);
        }
    }

    fn tell_app(&mut self, session: SessionId, message: MasterToApp) {
        if failpoint::hit("master.send.app.before").is_err() {
            return self.close(session);
        }
        story::to_app(session, &message);
        if let MasterToApp::Registered(registered) = &message {
            self.peers.arrived(&Peer::App(registered.app.clone()));
        }
        let delivery = self.sessions.apps.say(session, message);
        self.note(session, &delivery);
        if failpoint::hit("master.send.app.after").is_err() {
            self.close(session);
        }
    }

    /// An answer that a test has ordered to be lost leaves its asker as a broken connection would.
    fn reply(&mut self, to: ReplyToken, reply: ClientReply) {
        if failpoint::hit("master.send.reply.before").is_err() {
            return self.replies.lose(to);
        }
        story::replied(&reply);
        self.replies.answer(to, Ok(reply));
        // Without a wait this can only end the process.
        drop(failpoint::hit("master.send.reply.after"));
    }

    /// Ends a session, and lets the machine know. What a test has ordered to be lost is lost with its session too, as a
    /// connection loses it.
    fn close(&mut self, session: SessionId) {
        if self.sessions.close(session) {
            self.ended.push(session);
        }
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
