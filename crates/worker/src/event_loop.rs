//! The one task that owns the machine: it feeds it one event at a time and carries its effects out in order.
//!
//! Effects only begin something, and nothing here waits for it, with one exception: a term is durable before anything
//! that follows from it is begun.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use tanist_core::ids::{ClusterId, Term};
use tanist_core::time::{Mono, Now, Wall, millis};
use tanist_core::tracking;
use tanist_core::worker::{Effect, Event, Worker};

use crate::board::Board;
use crate::cleaner::Cleaner;
use crate::error::WorkerError;
use crate::handle::Input;
use crate::links::Links;
use crate::runner::host::boottime_ms;
use crate::runs::Runs;
use crate::service::Exit;
use crate::state_dir::StateDir;
use crate::story;
use crate::timers::Timers;

/// Most inputs that are handled before the clock is looked at again.
const INPUTS_PER_TURN: usize = 512;

/// First pause before a term that could not be made durable is written again.
const SAVE_AGAIN_FIRST: Duration = Duration::from_millis(100);

/// Longest such pause.
const SAVE_AGAIN_LONGEST: Duration = Duration::from_secs(5);

/// The loop with everything it owns.
pub(crate) struct EventLoop {
    machine: Worker,
    inbox: mpsc::Receiver<Input>,
    /// How often the worker was told to stop.
    stops: watch::Receiver<u32>,
    stops_seen: u32,
    hands: Hands,
    /// What happened while effects were carried out.
    echoes: VecDeque<Event>,
    exit: Option<Exit>,
}

/// Where effects go.
pub(crate) struct Hands {
    pub(crate) links: Links,
    pub(crate) runs: Runs,
    pub(crate) cleaner: Cleaner,
    pub(crate) state: Arc<StateDir>,
    pub(crate) timers: Timers,
    pub(crate) board: Arc<Board>,
}

/// What is left of a loop that has ended, to be closed after the endpoint.
pub(crate) struct Ended {
    pub(crate) exit: Exit,
    pub(crate) links: Links,
    pub(crate) cleaner: Cleaner,
}

impl EventLoop {
    pub(crate) fn new(
        machine: Worker,
        inbox: mpsc::Receiver<Input>,
        stops: watch::Receiver<u32>,
        hands: Hands,
    ) -> Self {
        Self { machine, inbox, stops, stops_seen: 0, hands, echoes: VecDeque::new(), exit: None }
    }

    /// Runs until the machine wants to end. What programs are left end with this.
    ///
    /// # Errors
    /// If it was told to stop while a term could not be made durable.
    pub(crate) async fn run(mut self) -> Result<Ended, WorkerError> {
        let mut inputs = Vec::with_capacity(INPUTS_PER_TURN);
        self.handle(Event::Start).await?;
        loop {
            if let Some(exit) = self.exit.take() {
                let Hands { links, cleaner, .. } = self.hands;
                return Ok(Ended { exit, links, cleaner });
            }
            let pause = self.hands.timers.pause(mono());
            tokio::select! {
                biased;
                // To stop is asked rarely, and nothing new is to be taken after it.
                Ok(()) = self.stops.changed() => self.stop().await?,
                // What was heard comes before alarms: an answer that is there already was not late.
                _ = self.inbox.recv_many(&mut inputs, INPUTS_PER_TURN) => {}
                // Readers come last; what is below looks after their wish anyway.
                () = self.hands.board.asked() => {}
                () = sleep(pause) => {}
            }
            self.hands.board.turn();
            for input in inputs.drain(..) {
                self.hear(input).await?;
            }
            let now = mono();
            while let Some(timer) = self.hands.timers.due(now) {
                self.handle(Event::Timer(timer)).await?;
            }
            self.hands.board.show_if_wanted(|| self.machine.view(wall()));
        }
    }

    async fn stop(&mut self) -> Result<(), WorkerError> {
        let stops = *self.stops.borrow_and_update();
        while self.stops_seen < stops {
            self.stops_seen += 1;
            self.handle(Event::Stop).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, input: Input) -> Result<(), WorkerError> {
        match input {
            Input::Event(event) => self.handle(event).await,
            Input::Notice { leader, answer } => {
                self.handle(Event::LeaderNotice(leader)).await?;
                // A master that has stopped waiting asks again.
                let _ = answer.send(self.machine.heard().cloned());
                Ok(())
            }
        }
    }

    /// Feeds an event to the machine, and what its effects bring about at once.
    async fn handle(&mut self, event: Event) -> Result<(), WorkerError> {
        self.echoes.push_back(event);
        while let Some(event) = self.echoes.pop_front() {
            story::heard(&event);
            if let Event::LinkClosed { link } = event {
                self.hands.links.disconnect(link);
            }
            let mut effects = Vec::new();
            self.machine.handle(Now { mono: mono(), wall: wall() }, event, &mut effects);
            for effect in effects {
                self.carry_out(effect).await?;
            }
        }
        Ok(())
    }

    async fn carry_out(&mut self, effect: Effect) -> Result<(), WorkerError> {
        story::done(&effect);
        let hands = &mut self.hands;
        match effect {
            Effect::Track(tracking::Effect::Connect { link, address }) => hands.links.connect(link, address),
            Effect::Track(tracking::Effect::Disconnect { link }) => hands.links.disconnect(link),
            Effect::Track(tracking::Effect::AskLeader { address, above }) => hands.links.ask_leader(address, above),
            Effect::Send { link, message } => {
                if !hands.links.say(link, message) {
                    self.echoes.push_back(Event::LinkClosed { link });
                }
            }
            Effect::SaveTerm { term, cluster } => self.save(term, cluster).await?,
            Effect::Prepare { run, what } => {
                let deletions = hands.cleaner.in_the_way(&what);
                hands.runs.prepare(run, what, deletions);
            }
            Effect::Spawn { run, launch } => hands.runs.spawn(run, *launch),
            Effect::Limit { run, limit } => hands.runs.limit(run, limit),
            Effect::Terminate { run } => hands.runs.terminate(run),
            Effect::Kill { run } => hands.runs.kill(run),
            Effect::Forget { run } => hands.runs.forget(run),
            Effect::ListDirs => hands.cleaner.list(),
            Effect::DeleteDirs(dirs) => hands.cleaner.delete(dirs),
            Effect::DeleteScratch { app } => hands.cleaner.delete_scratch(&app),
            Effect::Arm { timer, at } => hands.timers.arm(timer, at),
            Effect::Warn(_) => {}
            Effect::Exit { code, why } => self.exit = Some(Exit { code, why }),
        }
        Ok(())
    }

    /// Makes a term durable, however long it takes: nothing may be done under it before. What runs goes on meanwhile.
    async fn save(&mut self, term: Term, cluster: ClusterId) -> Result<(), WorkerError> {
        self.hands.board.save(true);
        let saved = self.save_at_last(term, cluster).await;
        self.hands.board.save(false);
        saved
    }

    async fn save_at_last(&mut self, term: Term, cluster: ClusterId) -> Result<(), WorkerError> {
        let mut pauses = ExponentialBackoff {
            initial_interval: SAVE_AGAIN_FIRST,
            current_interval: SAVE_AGAIN_FIRST,
            max_interval: SAVE_AGAIN_LONGEST,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        loop {
            let (state, next, of) = (Arc::clone(&self.hands.state), term.clone(), cluster.clone());
            let saved = spawn_blocking(move || state.save(&next, &of)).await;
            let Err(source) = saved.unwrap_or_else(|error| Err(io::Error::from(error))) else { return Ok(()) };
            let path = self.hands.state.term_file();
            tracing::error!(path = %path.display(), %term, error = %source, "term not saved; nothing is done before it is");
            let pause = pauses.next_backoff().unwrap_or(SAVE_AGAIN_LONGEST);
            tokio::select! {
                biased;
                // Also if that was asked long ago.
                Ok(_) = self.stops.wait_for(|stops| *stops > 0) => {
                    return Err(WorkerError::TermNotSaved { term: term.to_string(), path, source });
                }
                () = sleep(pause) => {}
            }
        }
    }
}

/// The clock that decisions are made by.
pub(crate) fn mono() -> Mono {
    Mono(boottime_ms())
}

/// The clock for people.
pub(crate) fn wall() -> Wall {
    wall_at(SystemTime::now())
}

/// A time before 1970 is shown as 1970.
pub(crate) fn wall_at(time: SystemTime) -> Wall {
    Wall(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
}
