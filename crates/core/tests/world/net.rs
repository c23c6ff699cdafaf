//! Sessions as what they are: two ordered pipes that can stall, break and lose what is in flight.
//!
//! ```text
//! peer machine ── Send ──▶ [ … in flight … ] ──▶ master machine     broken: both directions are empty, and each
//!              ◀── hear ── [ … in flight … ] ◀── ToWorker/ToApp       side hears of it later, for itself
//! ```
//!
//! Between two parties that are cut off from each other nothing moves. What was in flight arrives late, if the pipe
//! still stands when they are mended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tanist_core::ids::SessionId;
use tanist_core::msg::{AppToMaster, MasterToApp, MasterToWorker, WorkerToMaster};
use tanist_core::time::Mono;
use tanist_core::tracking::LinkId;

use crate::world::{Happening, World, millis};

/// Somebody who follows masters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// The worker process on this host.
    Worker(usize),
    /// The application client in this place.
    App(usize),
}

/// One process: who, and for the how manieth time.
pub(crate) type Process = (Who, u32);

/// The two ends of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Peer,
    Master,
}

/// What is under way.
#[derive(Debug, Clone)]
pub(crate) enum Cargo {
    FromWorker(WorkerToMaster),
    FromApp(AppToMaster),
    ToWorker(MasterToWorker),
    ToApp(MasterToApp),
    /// The other side has ended the session.
    End,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) peer: Process,
    pub(crate) link: LinkId,
    pub(crate) master: usize,
    /// Which sides still hold the session open.
    peer_open: bool,
    master_open: bool,
    broken: bool,
    /// When the last message towards each side arrives, so that none overtakes another.
    last: [Mono; 2],
    /// What has arrived and not been taken, because nothing moves between the two.
    waiting: [VecDeque<Cargo>; 2],
}

/// All sessions, and who is cut off from whom.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pipes: BTreeMap<SessionId, Pipe>,
    opened: u64,
    cuts: BTreeSet<(Who, usize)>,
}

/// A connection that is not answered is given up after this.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Keep-alives of either side find out within this time that nothing moves any more.
const KEEPALIVE_MILLIS: u64 = 20_000;

impl Net {
    pub(crate) fn is_cut(&self, who: Who, master: usize) -> bool {
        self.cuts.contains(&(who, master))
    }

    /// Sessions that both sides hold open.
    pub(crate) fn standing(&self) -> Vec<SessionId> {
        let standing = self.pipes.iter().filter(|(_, pipe)| pipe.peer_open && pipe.master_open && !pipe.broken);
        standing.map(|(session, _)| *session).collect()
    }

    /// Whose session this is, if the master holds it open.
    pub(crate) fn peer(&self, session: SessionId) -> Option<Process> {
        self.pipes.get(&session).filter(|pipe| pipe.master_open).map(|pipe| pipe.peer)
    }

    pub(crate) fn sessions_of_master(&self, master: usize) -> Vec<SessionId> {
        self.sessions(|pipe| pipe.master == master && pipe.master_open)
    }

    pub(crate) fn sessions_of(&self, peer: Process) -> Vec<SessionId> {
        self.sessions(|pipe| pipe.peer == peer)
    }

    fn sessions(&self, wanted: impl Fn(&Pipe) -> bool) -> Vec<SessionId> {
        self.pipes.iter().filter(|(_, pipe)| wanted(pipe)).map(|(session, _)| *session).collect()
    }

    fn session(&self, peer: Process, link: LinkId) -> Option<SessionId> {
        self.sessions(|pipe| pipe.peer == peer && pipe.link == link && pipe.peer_open).first().copied()
    }
}

impl World {
    /// A peer begins to open a session.
    pub(crate) fn connect(&mut self, peer: Process, link: LinkId, master: usize) {
        self.net.opened += 1;
        let session = SessionId(self.net.opened);
        let now = self.agenda.now().mono;
        let pipe = Pipe {
            peer,
            link,
            master,
            peer_open: true,
            master_open: false,
            broken: false,
            last: [now; 2],
            waiting: [VecDeque::new(), VecDeque::new()],
        };
        self.net.pipes.insert(session, pipe);
        if self.net.is_cut(peer.0, master) {
            self.agenda.after(CONNECT_DEADLINE, Happening::Broke { session, side: Side::Peer });
        } else {
            let wait = self.moment(5);
            self.agenda.after(wait, Happening::Opens { session });
        }
    }

    pub(crate) fn opens(&mut self, session: SessionId) {
        let Some(pipe) = self.net.pipes.get_mut(&session).filter(|pipe| pipe.peer_open) else { return };
        let (peer, link) = (pipe.peer, pipe.link);
        if self.masters[pipe.master].is_up() {
            pipe.master_open = true;
            self.peer_link_opened(peer, link);
        } else {
            self.broke(session, Side::Peer);
        }
    }

    /// A peer says something on a session that it holds open.
    pub(crate) fn send_up(&mut self, peer: Process, link: LinkId, cargo: Cargo) {
        if let Some(session) = self.net.session(peer, link) {
            self.send(session, Side::Master, cargo);
        }
    }

    /// A master says something on a session that it holds open.
    pub(crate) fn send_down(&mut self, session: SessionId, cargo: Cargo) {
        if self.net.peer(session).is_some() {
            self.send(session, Side::Peer, cargo);
        }
    }

    fn send(&mut self, session: SessionId, to: Side, cargo: Cargo) {
        let now = self.agenda.now().mono;
        let arrives = now + self.moment(5);
        let Some(pipe) = self.net.pipes.get_mut(&session).filter(|pipe| !pipe.broken) else { return };
        let last = &mut pipe.last[to as usize];
        *last = arrives.max(*last);
        self.agenda.at(*last, Happening::Arrives { session, to, cargo });
    }

    pub(crate) fn arrives(&mut self, session: SessionId, to: Side, cargo: Cargo) {
        if let Some(pipe) = self.net.pipes.get_mut(&session) {
            pipe.waiting[to as usize].push_back(cargo);
            self.flows(session, to);
        }
    }

    /// Hands over what has arrived, in order, unless the parties are cut off from each other.
    pub(crate) fn flows(&mut self, session: SessionId, to: Side) {
        while let Some(pipe) = self.net.pipes.get_mut(&session) {
            if pipe.broken || self.net.cuts.contains(&(pipe.peer.0, pipe.master)) {
                return;
            }
            let Some(cargo) = pipe.waiting[to as usize].pop_front() else { return };
            let (peer, link, master) = (pipe.peer, pipe.link, pipe.master);
            match (to, cargo) {
                (side, Cargo::End) => self.broke(session, side),
                (Side::Peer, cargo) if pipe.peer_open => self.peer_hears(peer, link, cargo),
                (Side::Master, cargo) if pipe.master_open => self.master_hears(master, session, cargo),
                _ => {}
            }
        }
    }

    /// A side hears that its session is over.
    pub(crate) fn broke(&mut self, session: SessionId, side: Side) {
        let Some(pipe) = self.net.pipes.get_mut(&session) else { return };
        let (peer, link, master) = (pipe.peer, pipe.link, pipe.master);
        let held = match side {
            Side::Peer => &mut pipe.peer_open,
            Side::Master => &mut pipe.master_open,
        };
        let news = std::mem::take(held);
        self.drop_pipe_if_over(session);
        match side {
            Side::Peer if news => self.peer_link_closed(peer, link),
            Side::Master if news => self.master_session_closed(master, session),
            _ => {}
        }
    }

    /// A side ends a session; what it has said before still arrives.
    pub(crate) fn end_session(&mut self, session: SessionId, by: Side) {
        let Some(pipe) = self.net.pipes.get_mut(&session) else { return };
        let (held, to) = match by {
            Side::Peer => (&mut pipe.peer_open, Side::Master),
            Side::Master => (&mut pipe.master_open, Side::Peer),
        };
        if std::mem::take(held) {
            self.send(session, to, Cargo::End);
            self.drop_pipe_if_over(session);
        }
    }

    /// A peer ends a session.
    pub(crate) fn disconnect(&mut self, peer: Process, link: LinkId) {
        if let Some(session) = self.net.session(peer, link) {
            self.end_session(session, Side::Peer);
        }
    }

    fn drop_pipe_if_over(&mut self, session: SessionId) {
        let over = |pipe: &Pipe| !pipe.peer_open && !pipe.master_open;
        if self.net.pipes.get(&session).is_some_and(over) {
            self.net.pipes.remove(&session);
        }
    }

    /// The connection breaks: what is in flight is lost.
    pub(crate) fn break_session(&mut self, session: SessionId) {
        let Some(pipe) = self.net.pipes.get_mut(&session).filter(|pipe| !pipe.broken) else { return };
        pipe.broken = true;
        for side in [Side::Peer, Side::Master] {
            let wait = self.moment(300);
            self.agenda.after(wait, Happening::Broke { session, side });
        }
    }

    /// Nothing moves any more between two parties, until they are mended.
    pub(crate) fn cut(&mut self, who: Who, master: usize) {
        self.net.cuts.insert((who, master));
        for session in self.net.sessions(|pipe| (pipe.peer.0, pipe.master) == (who, master)) {
            let wait = millis(self.rng.between(0, KEEPALIVE_MILLIS));
            self.agenda.after(wait, Happening::KeptAlive { session });
        }
    }

    /// A keep-alive that was due while the parties were cut off: it has failed if they still are.
    pub(crate) fn kept_alive(&mut self, session: SessionId) {
        let Some(pipe) = self.net.pipes.get(&session) else { return };
        if self.net.is_cut(pipe.peer.0, pipe.master) {
            self.break_session(session);
        }
    }

    pub(crate) fn mend(&mut self, who: Who, master: usize) {
        self.net.cuts.remove(&(who, master));
        for session in self.net.sessions(|pipe| (pipe.peer.0, pipe.master) == (who, master)) {
            for to in [Side::Peer, Side::Master] {
                self.agenda.after(Duration::ZERO, Happening::Flows { session, to });
            }
        }
    }

    pub(crate) fn mend_all(&mut self) {
        while let Some((who, master)) = self.net.cuts.first().copied() {
            self.mend(who, master);
        }
    }
}
