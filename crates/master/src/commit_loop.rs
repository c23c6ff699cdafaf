//! The one task that owns the machine, and the barrier of protocol 3.
//!
//! Each turn takes what has happened — first from the store, then from peers and clients, then from the clock — and
//! feeds it to the machine one event at a time. What comes out is split: effects that change nobody's belief leave at
//! once, all others go into the pending batch behind the changes they rest on. Whenever no commit is under way, the
//! pending batch is taken and committed as one guarded transaction, while the next one fills. Its effects leave when
//! that has succeeded, and not before.
//!
//! **Invariant**: the machine may run ahead of the store, because whatever it shows the world is behind this barrier,
//! and a refused commit drops the machine's whole state. Nothing is ever rolled back.

mod barrier;
mod hear;
mod leave;
mod term;
mod view;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use tanist_core::ids::{Epoch, MasterId};
use tanist_core::master::{Effect, Event, Master};
use tanist_core::time::{Mono, Now};
use tanist_store::{Intent, LeaderRecord, MemberRecord, Resignation, Trouble, clock, failpoint};

use crate::board::Board;
use crate::error::{MasterError, RequestError};
use crate::handle::{INBOX_CAPACITY, Input};
use crate::release::Outlets;
use crate::seat::{Batch, Candidacy, Seat};
use crate::spark::Face;

use self::leave::Departure;
pub(crate) use self::leave::LeaveOrder;
use self::term::StepDown;
use self::view::Viewing;

/// Most messages that are handled before the store and the clock are looked at again.
const INPUTS_PER_TURN: usize = 512;

/// The loop comes round at least this often: four times within the second after which a lease is no longer renewed.
const TURN_AT_LEAST_EVERY: Duration = Duration::from_millis(250);

/// A master that has just won reads what its predecessor left, in milliseconds. Whoever comes meanwhile waits that long
/// instead of being sent away and coming again; but no longer than this.
const READING_AT_MOST: Duration = Duration::from_secs(1);

/// Who commits for many gathers for so long before the next commit: a transaction costs the store much the same for a few
/// as for many.
const GATHERED_FOR: Duration = Duration::from_millis(4);

/// So many effects in one batch are many. Who asks alone is not kept waiting.
const MANY: usize = 8;

/// Most effects that wait behind the barrier. Beyond, the loop stops listening until the store has caught up: peers
/// and clients wait then, instead of this process growing without bound.
const PENDING_MOST: usize = 100_000;

/// If nobody could be heard for longer than this (the process or its host slept, or the store lagged), alarms are put
/// off by as much, so that nobody is declared lost for a silence of our own.
const DEAF_AT_MOST: Duration = Duration::from_secs(2);

/// The loop with everything it owns.
pub(crate) struct CommitLoop {
    machine: Master,
    me: MasterId,
    candidacy: Candidacy,
    seat: Seat,
    leader: watch::Receiver<Option<LeaderRecord>>,
    intent: watch::Receiver<Intent>,
    trouble: watch::Receiver<Option<Trouble>>,
    /// How this process is known to the others.
    member: watch::Sender<MemberRecord>,
    departure: Option<Departure>,
    pending: Batch,
    /// The pending batch is not committed before.
    gathers_until: Mono,
    outlets: Outlets,
    step_down: Option<StepDown>,
    board: Arc<Board>,
    viewing: Viewing,
    inbox: mpsc::Receiver<Input>,
    /// Keeps the inbox open: the loop ends by order, not because nobody is left who could ask.
    _open: mpsc::Sender<Input>,
    /// When the inbox was looked into last.
    listened: Mono,
    /// What is written down about a term beside its records; nobody waits for it.
    errands: JoinSet<()>,
    /// Room for the effects of one event.
    effects: Vec<Effect>,
}

impl CommitLoop {
    /// A loop in its first turn, and the way into its inbox. It keeps `member` up to date.
    pub(crate) fn new(
        machine: Master,
        candidacy: Candidacy,
        member: watch::Sender<MemberRecord>,
    ) -> (Self, mpsc::Sender<Input>) {
        let (open, inbox) = mpsc::channel(INBOX_CAPACITY);
        let (election, board) = (candidacy.backend.election.clone(), candidacy.board.clone());
        let mut leader = election.leader();
        leader.mark_changed();
        let new = Self {
            machine,
            me: candidacy.candidate.master.clone(),
            seat: Seat::candidate(candidacy.clone(), None),
            candidacy,
            leader,
            intent: election.intent(),
            trouble: election.trouble(),
            member,
            departure: None,
            pending: Batch::default(),
            gathers_until: Mono::default(),
            outlets: Outlets::new(board.clone()),
            step_down: None,
            board,
            viewing: Viewing::default(),
            inbox,
            _open: open.clone(),
            listened: clock::mono(),
            errands: JoinSet::new(),
            effects: Vec::new(),
        };
        (new, open)
    }

    /// Runs until told to stop, and then leaves the office in order. `face` calls clients that speak another protocol.
    ///
    /// # Errors
    /// Only if this process can never lead.
    pub(crate) async fn run(mut self, face: Face, stop: CancellationToken) -> Result<(), MasterError> {
        self.outlets.face = Some(face);
        let mut inputs = Vec::with_capacity(INPUTS_PER_TURN);
        let _ended = self.board.ended.clone().drop_guard();
        loop {
            let departing = self.is_departing();
            let listening = self.listens();
            let pause = self.pause(listening);
            tokio::select! {
                biased;
                // Nothing is begun any more once we are to stop.
                () = stop.cancelled() => break,
                // What the store says frees what waits behind the barrier, or ends the term.
                news = self.seat.news() => self.take_news(news)?,
                () = changed(&mut self.leader) => self.see_leader(),
                // Findings are few, and recovery waits for them.
                found = self.outlets.peers.found(), if !departing => self.take_finding(found),
                _ = self.inbox.recv_many(&mut inputs, INPUTS_PER_TURN), if listening => {}
                // Readers come last; the turn below looks after their wish anyway.
                () = self.board.asked() => {}
                () = sleep(pause) => {}
            }
            // Only to be waited at: a loop that hangs is a fault that tests order.
            drop(failpoint::reach("master.loop.turn").await);
            self.turn(&mut inputs, listening);
        }
        self.close().await;
        Ok(())
    }

    /// Everything that one turn does after it has woken. Waits for nothing.
    fn turn(&mut self, inputs: &mut Vec<Input>, listening: bool) {
        let now = clock::mono();
        self.board.pulse.tick(now);
        if let Some(tenure) = self.seat.tenure() {
            tenure.progress.tick(now);
        }
        while self.errands.try_join_next().is_some() {}
        for input in inputs.drain(..) {
            // Heartbeats are answered at once, and workers take such an answer for a leader's: so not past the deadline or the
            // end of the term, even if this process stood still while they waited.
            self.look_at_standing();
            self.leave_if_asked();
            self.hear(input);
        }
        if listening {
            self.ring(now);
        }
        while let Some(session) = self.outlets.ended.pop() {
            self.handle(Event::SessionClosed { session });
        }
        self.look_at_standing();
        self.leave_if_asked();
        self.start_commit();
        self.board.counts.effects_waiting.set(self.pending.effects.len());
        self.depart();
        // After the commit was begun: a view takes a while to build, and what is to leave need not wait for it.
        self.refresh_view();
        self.show();
    }

    /// How long there is nothing to do, unless something happens.
    fn pause(&mut self, listening: bool) -> Duration {
        let now = clock::mono();
        let alarm = if listening { self.outlets.timers.next() } else { None };
        let deadline = self.seat.office().and_then(|office| office.deadline());
        let gathered = (self.gathers_until > now).then_some(self.gathers_until);
        let all = [alarm, deadline, self.viewing.due(), self.drained_by(), gathered];
        let next = all.into_iter().flatten().map(|at| at - now).min();
        next.unwrap_or(TURN_AT_LEAST_EVERY).min(TURN_AT_LEAST_EVERY)
    }

    /// The machine hears of what is due.
    fn ring(&mut self, now: Mono) {
        let deaf = now - self.listened;
        if deaf > DEAF_AT_MOST {
            tracing::warn!(
                seconds = deaf.as_secs(),
                "nobody could be heard for a while: alarms are put off by as much"
            );
            self.outlets.timers.postpone(deaf);
        }
        self.listened = now;
        while let Some(timer) = self.outlets.timers.due(now) {
            self.handle(Event::Timer(timer));
        }
    }

    /// Feeds one event to the machine and sorts what comes out.
    fn handle(&mut self, event: Event) {
        let now = Now { mono: clock::mono(), wall: clock::wall() };
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.handle(now, event, &mut effects);
        let leading = matches!(self.seat, Seat::Leading(_));
        for effect in effects.drain(..) {
            match effect {
                Effect::StepDown { why } => self.outranked(why),
                Effect::Persist(changes) if leading => self.pending.groups.push(changes),
                effect if leading && effect.waits_for_commit() && holds() => self.pending.effects.push(effect),
                // Without an office there is no commit to wait for, and nothing to make durable.
                effect @ Effect::Persist(_) => tracing::error!(?effect, "a change without an office"),
                effect => self.outlets.carry_out(effect),
            }
        }
        self.effects = effects;
    }

    /// Whether peers and clients are heard, and alarms ring.
    fn listens(&self) -> bool {
        let reads = matches!(self.seat, Seat::Taking { won_at, .. } if clock::mono() - won_at < READING_AT_MOST);
        !reads && !self.is_departing() && self.pending.effects.len() < PENDING_MOST
    }

    /// The epoch of the term that was won, for the log.
    fn epoch(&self) -> Epoch {
        self.seat.tenure().map(|tenure| tenure.record.epoch).unwrap_or_default()
    }

    /// The orderly end of the process: what is committed still leaves, the office is free at once, and whoever waits is
    /// told to go elsewhere, and whether the request may have taken effect.
    async fn close(mut self) {
        self.inbox.close();
        while let Some(input) = self.inbox.recv().await {
            input.refuse();
        }
        if let Some(batch) = self.seat.finish_commit().await {
            self.release(batch, false);
        }
        if let Some(tenure) = self.seat.tenure() {
            let election = &*self.candidacy.backend.election;
            let resignation = Resignation::open("the process was told to stop");
            if let Err(error) = crate::seat::resign(election, tenure, &resignation).await {
                tracing::warn!(epoch = %self.epoch(), %error, "leaving the office failed: the term ends by itself");
            }
        }
        self.outlets.end_term(&RequestError::Stopped);
        tracing::info!(master = %self.me, "master stopped");
    }
}

/// The barrier holds, unless a test wants to see whether it is noticed that it does not.
fn holds() -> bool {
    failpoint::hit("master.barrier").is_ok()
}

/// The observed leader changes as long as the election lives; after that nothing more is heard of it.
async fn changed(leader: &mut watch::Receiver<Option<LeaderRecord>>) {
    if leader.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
