//! The network between hosts: connections as two ordered pipes that can stall, break, and lose what is in flight.
//!
//! Between two hosts that are cut off from each other, in one direction or both, nothing moves that way. What was in
//! flight arrives late, if the connection still stands when they are mended; keep-alives may have found out before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tanist_core::time::Mono;

use crate::agenda::millis;
use crate::port::{CallId, ConnId, Frame, In};
use crate::world::{Happening, World};

/// A host, and the program on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A master.
    Master(usize),
    /// A member of etcd.
    Etcd(usize),
    /// A worker.
    Worker(usize),
    /// An application client.
    App(usize),
    /// Who submits and gives orders.
    Operator,
}

/// One process: whose, and for the how manieth time.
pub type Process = (Party, u32);

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who has opened it.
    Client,
    /// Who has taken it.
    Server,
}

/// What travels.
#[derive(Debug, Clone)]
pub enum Cargo {
    /// A connection is wanted.
    Syn,
    /// It is taken.
    Accept,
    /// Nobody listens.
    Refuse,
    /// A part of a call.
    Frame(CallId, Frame),
    /// The other side has closed.
    Fin,
}

#[derive(Debug)]
struct Conn {
    client: Process,
    server: Process,
    /// Which sides still hold it open.
    open: [bool; 2],
    broken: bool,
    /// When the last of what goes to each side arrives, so that nothing overtakes.
    last: [Mono; 2],
    /// What has arrived and cannot be taken, because nothing moves between the two.
    waiting: [VecDeque<Cargo>; 2],
}

/// All connections, and who is cut off from whom.
#[derive(Debug, Default)]
pub struct Net {
    conns: BTreeMap<ConnId, Conn>,
    cuts: BTreeSet<(Party, Party)>,
    slow: BTreeMap<Party, u64>,
    last: u64,
}

/// Keep-alives, and the patience of TCP, find out within this time that nothing moves any more.
const KEEPALIVE_MILLIS: u64 = 20_000;

impl Net {
    /// A number for a connection of a host without a port of its own.
    pub fn new_conn(&mut self) -> ConnId {
        self.last += 1;
        ConnId(self.last)
    }

    /// Whether nothing gets from the one to the other.
    pub fn is_cut(&self, from: Party, to: Party) -> bool {
        self.cuts.contains(&(from, to))
    }

    /// Everything to and from a host takes so many milliseconds longer.
    pub fn slow(&mut self, party: Party, millis: u64) {
        if millis == 0 {
            self.slow.remove(&party);
        } else {
            self.slow.insert(party, millis);
        }
    }

    /// Connections that both sides hold open.
    pub fn standing(&self) -> Vec<ConnId> {
        let standing = self.conns.iter().filter(|(_, conn)| conn.open == [true, true] && !conn.broken);
        standing.map(|(id, _)| *id).collect()
    }

    fn of(&self, wanted: impl Fn(&Conn) -> bool) -> Vec<ConnId> {
        self.conns.iter().filter(|(_, conn)| wanted(conn)).map(|(id, _)| *id).collect()
    }
}

impl Conn {
    fn process(&self, side: Side) -> Process {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// From whom to whom something goes that goes to this side.
    fn way(&self, to: Side) -> (Party, Party) {
        (self.process(to.other()).0, self.process(to).0)
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl World {
    /// A program begins to open a connection.
    pub fn connect(&mut self, conn: ConnId, client: Process, address: &str) {
        let Some(server) = crate::settings::listens_at(address) else { return };
        let now = self.agenda.now();
        let new = Conn {
            client,
            server: (server, 0),
            open: [true, false],
            broken: false,
            last: [now; 2],
            waiting: [VecDeque::new(), VecDeque::new()],
        };
        self.net.conns.insert(conn, new);
        self.send(conn, Side::Server, Cargo::Syn);
    }

    /// A side says something.
    pub fn send(&mut self, id: ConnId, to: Side, cargo: Cargo) {
        let base = self.latency();
        let now = self.agenda.now();
        let Some(conn) = self.net.conns.get_mut(&id).filter(|conn| !conn.broken) else { return };
        let (from, towards) = conn.way(to);
        let slow = |party| self.net.slow.get(&party).copied().unwrap_or(0);
        let arrives = now + base + millis(slow(from) + slow(towards));
        let last = &mut conn.last[to as usize];
        *last = arrives.max(*last);
        self.agenda.at(*last, Happening::Arrives { conn: id, to, cargo });
    }

    /// A part of a call is said by one of the two parties.
    pub fn send_frame(&mut self, id: ConnId, by: Process, call: CallId, frame: Frame) {
        let Some(conn) = self.net.conns.get(&id) else { return };
        let to = if conn.client == by { Side::Server } else { Side::Client };
        self.send(id, to, Cargo::Frame(call, frame));
    }

    /// A part of an answer is said by who has taken the connection.
    pub fn send_down(&mut self, id: ConnId, call: CallId, frame: Frame) {
        self.send(id, Side::Client, Cargo::Frame(call, frame));
    }

    /// Something has arrived.
    pub fn arrives(&mut self, id: ConnId, to: Side, cargo: Cargo) {
        if let Some(conn) = self.net.conns.get_mut(&id) {
            conn.waiting[to as usize].push_back(cargo);
            self.flows(id, to);
        }
    }

    /// Hands over what has arrived, in order, unless the way is cut or the receiver stands still.
    pub fn flows(&mut self, id: ConnId, to: Side) {
        while let Some(conn) = self.net.conns.get(&id) {
            let (from, towards) = conn.way(to);
            if conn.broken || self.net.is_cut(from, towards) || self.stands_still(towards) {
                return;
            }
            let Some(cargo) = self.net.conns.get_mut(&id).and_then(|conn| conn.waiting[to as usize].pop_front()) else {
                return;
            };
            self.trace.cargo(self.agenda.now(), id, to, &cargo);
            self.reaches(id, to, cargo);
        }
    }

    fn reaches(&mut self, id: ConnId, to: Side, cargo: Cargo) {
        let Some(conn) = self.net.conns.get_mut(&id) else { return };
        let open = conn.open[to as usize];
        match cargo {
            Cargo::Syn => self.syn(id),
            Cargo::Accept if open => {
                let client = conn.client;
                self.hears(client, id, In::Accepted);
            }
            Cargo::Refuse => {
                let client = conn.client;
                self.net.conns.remove(&id);
                if open {
                    self.hears(client, id, In::Refused);
                }
            }
            Cargo::Frame(call, frame) if open => {
                let process = conn.process(to);
                self.hears(process, id, In::Frame(call, frame));
            }
            Cargo::Fin => self.broke(id, to),
            Cargo::Accept | Cargo::Frame(..) => {}
        }
    }

    fn syn(&mut self, id: ConnId) {
        let Some(party) = self.net.conns.get(&id).map(|conn| conn.server.0) else { return };
        let life = self.life(party);
        let Some(conn) = self.net.conns.get_mut(&id) else { return };
        match life {
            Some(life) => {
                conn.server.1 = life;
                conn.open[Side::Server as usize] = true;
                self.send(id, Side::Client, Cargo::Accept);
            }
            None => self.send(id, Side::Client, Cargo::Refuse),
        }
    }

    /// A side hears that its connection is over.
    pub fn broke(&mut self, id: ConnId, side: Side) {
        let Some(conn) = self.net.conns.get_mut(&id) else { return };
        let process = conn.process(side);
        let news = std::mem::take(&mut conn.open[side as usize]);
        if conn.open == [false, false] {
            self.net.conns.remove(&id);
        }
        if news {
            self.hears(process, id, In::Broken);
        }
    }

    /// A side closes; what it has said before still arrives.
    pub fn close(&mut self, id: ConnId, by: Process) {
        let Some(conn) = self.net.conns.get_mut(&id) else { return };
        let side = if conn.client == by { Side::Client } else { Side::Server };
        if std::mem::take(&mut conn.open[side as usize]) {
            self.send(id, side.other(), Cargo::Fin);
            if self.net.conns.get(&id).is_some_and(|conn| conn.open == [false, false] && conn.server.1 != 0) {
                self.net.conns.remove(&id);
            }
        }
    }

    /// The connection breaks: what is in flight is lost.
    pub fn break_conn(&mut self, id: ConnId) {
        let Some(conn) = self.net.conns.get_mut(&id).filter(|conn| !conn.broken) else { return };
        conn.broken = true;
        for side in [Side::Client, Side::Server] {
            let wait = self.latency();
            self.agenda.after(wait, Happening::Broke { conn: id, side });
        }
    }

    /// A process has ended: its system ends its connections.
    pub fn process_ended(&mut self, process: Process) {
        for id in self.net.of(|conn| conn.client == process || conn.server == process) {
            let Some(conn) = self.net.conns.get_mut(&id) else { continue };
            let side = if conn.client == process { Side::Client } else { Side::Server };
            conn.open[side as usize] = false;
            conn.waiting[side as usize].clear();
            self.send(id, side.other(), Cargo::Fin);
        }
    }

    /// Nothing gets from the one to the other any more, until they are mended.
    pub fn cut(&mut self, from: Party, to: Party) {
        if !self.net.cuts.insert((from, to)) {
            return;
        }
        for conn in self.between(from, to) {
            let wait = millis(self.rng.between(1000, KEEPALIVE_MILLIS));
            self.agenda.after(wait, Happening::KeptAlive { conn });
        }
    }

    /// A host does not answer any more: whoever is connected to it may find out.
    pub fn keep_alives(&mut self, party: Party) {
        for conn in self.net.of(|conn| conn.client.0 == party || conn.server.0 == party) {
            let wait = millis(self.rng.between(1000, KEEPALIVE_MILLIS));
            self.agenda.after(wait, Happening::KeptAlive { conn });
        }
    }

    /// A keep-alive that was due while the parties were cut off: it has failed if they still are.
    pub fn kept_alive(&mut self, id: ConnId) {
        let Some(conn) = self.net.conns.get(&id) else { return };
        let ways = [conn.way(Side::Client), conn.way(Side::Server)];
        if ways.iter().any(|(from, to)| self.net.is_cut(*from, *to) || self.stands_still(*to)) {
            self.break_conn(id);
        }
    }

    /// Something gets through again.
    pub fn mend(&mut self, from: Party, to: Party) {
        if self.net.cuts.remove(&(from, to)) {
            self.flows_between(from, to);
        }
    }

    /// All cuts end, and everything is as fast as before.
    pub fn mend_all(&mut self) {
        self.net.slow.clear();
        while let Some((from, to)) = self.net.cuts.first().copied() {
            self.mend(from, to);
        }
    }

    /// A host goes on: what has arrived there meanwhile is heard.
    pub fn flows_to(&mut self, party: Party) {
        for id in self.net.of(|conn| conn.client.0 == party || conn.server.0 == party) {
            for to in [Side::Client, Side::Server] {
                self.agenda.after(Duration::ZERO, Happening::Flows { conn: id, to });
            }
        }
    }

    fn flows_between(&mut self, from: Party, to: Party) {
        for conn in self.between(from, to) {
            for to in [Side::Client, Side::Server] {
                self.agenda.after(Duration::ZERO, Happening::Flows { conn, to });
            }
        }
    }

    fn between(&self, one: Party, other: Party) -> Vec<ConnId> {
        let pair = |conn: &Conn| [(conn.client.0, conn.server.0), (conn.server.0, conn.client.0)];
        self.net.of(|conn| pair(conn).contains(&(one, other)))
    }

    /// From one host to another: mostly a millisecond or two, seldom much more.
    fn latency(&mut self) -> Duration {
        millis(match self.rng.between(0, 200) {
            0 => self.rng.between(1, 50),
            _ => self.rng.between(1, 4),
        })
    }
}
