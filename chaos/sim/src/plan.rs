//! What users, operators and bad luck do to a cluster: drawn from a seed before the run begins, as a list, so that a part
//! of it can be tried again.

use tanist_core::rng::Rng;
use tanist_etcd_sim::{Effect, Mishap, Told};

use crate::net::Party;
use crate::settings::{MASTERS, Size};

/// Raised whenever seeds mean something else than before.
pub const VERSION: u32 = 3;

/// Which master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one in office at that moment.
    Leader,
    /// This one.
    Number(usize),
}

/// Which member of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// The one that leads the others at that moment.
    Leader,
    /// This one.
    Number(usize),
}

/// One thing that is done to the cluster; lengths in milliseconds.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    // Work.
    Submit { master: usize, cores: u32, supervise: bool, once: bool },
    Storm { master: usize, drivers: u32 },
    Repeat { pick: usize, master: usize },
    KillDriver { pick: usize, master: usize },
    ProgramExits { pick: usize, code: i32 },
    Want { client: usize, total: u32 },
    EndExecutor { client: usize, pick: usize },
    Clear { master: usize },
    StopApp { client: usize, back: u64 },
    KillApp { client: usize, master: usize },
    // Workers and applications.
    CrashApp { client: usize, back: u64 },
    CrashWorker { host: usize, back: u64, disk: Disk },
    StopWorker { host: usize, back: u64 },
    StillWorker { host: usize, length: u64 },
    Decommission { host: usize },
    DecommissionHost { host: usize, master: usize },
    LowDisk { host: usize, low: bool },
    // Masters.
    CrashMaster { master: Which, back: u64 },
    StopMaster { master: Which, back: u64 },
    SuspendMaster { master: Which, length: u64 },
    HangMaster { master: Which, length: u64 },
    FailPoint { master: Which, point: &'static str, wait: Option<u64>, times: u32 },
    RestartAll { back: u64 },
    // Operators.
    Switchover { at: Which, target: Option<usize> },
    TwoSwitchovers { target: usize },
    Pause { at: usize, length: u64 },
    Resume { at: usize },
    // etcd.
    StopMember { member: Member, back: u64 },
    FreezeMember { member: Member, length: u64 },
    CutMember { member: Member, length: u64 },
    LagMember { member: usize, by: u64, length: u64 },
    StaleMember { member: usize, length: u64 },
    LoseQuorum { length: u64 },
    LoseAll { length: u64 },
    NoSpace { member: usize, length: u64 },
    Mishaps { mishap: Mishap, times: u32 },
    Compact,
    RevokeLease,
    DeleteLeader,
    // The network.
    Cut { one: Party, other: Party, both: bool, length: u64 },
    Isolate { party: Party, from: Kind, length: u64 },
    LeaderCutOff { from: Kind, length: u64 },
    Slow { party: Party, by: u64, length: u64 },
    Break { pick: usize },
    // Clocks.
    Rate { party: Party, rate: u64, length: u64 },
    Wall { party: Party, ahead: i64 },
}

impl Fault {
    /// What kind it is, for the figures.
    pub fn kind(&self) -> String {
        let words = format!("{self:?}");
        words.split([' ', '{']).next().unwrap_or_default().to_owned()
    }
}

/// Whom somebody is cut off from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All members of etcd.
    Etcd,
    /// The other masters.
    Masters,
    /// All workers.
    Workers,
    /// All of them.
    Everybody,
}

/// What a worker that starts again finds on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// What it had.
    Kept,
    /// Nothing.
    Lost,
    /// What it had some terms ago.
    Old,
}

/// What is done to a cluster, and when, in milliseconds from the beginning.
pub type Plan = Vec<(u64, Fault)>;

/// Where faults are ordered in a master, before and after what it asks.
const POINTS: [&str; 8] = [
    "etcd.commit.before",
    "etcd.commit.after",
    "etcd.election.before",
    "etcd.election.after",
    "etcd.lease.after",
    "etcd.read.after",
    "master.commit.after",
    "master.send.announce.before",
];

/// Everything that happens in a run of this length.
pub fn draw(seed: u64, size: Size, length: u64) -> Plan {
    let mut draw = Draw { rng: Rng::new(seed ^ 0x7a6e_1157_0000_0001), size, steady: seed.is_multiple_of(2) };
    let mut plan = Vec::new();
    let mut at = 3_000;
    while at < length {
        plan.push((at, draw.fault()));
        at += match draw.below(10) {
            0..4 => draw.below(40),
            4..8 => 500 + draw.below(4_000),
            _ => 4_000 + draw.below(12_000),
        };
    }
    plan
}

struct Draw {
    rng: Rng,
    size: Size,
    /// Clocks run as they should, so that promises that rest on them can be looked at.
    steady: bool,
}

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.rng.between(0, limit)
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or(0)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn master(&mut self) -> usize {
        self.pick(MASTERS)
    }

    /// Mostly the one that matters.
    fn which(&mut self) -> Which {
        if self.below(3) > 0 { Which::Leader } else { Which::Number(self.master()) }
    }

    fn member(&mut self) -> Member {
        if self.coin() { Member::Leader } else { Member::Number(self.master()) }
    }

    /// A moment, some seconds, seldom a minute or more.
    fn length(&mut self) -> u64 {
        match self.below(10) {
            0..3 => 1 + self.below(500),
            3..8 => 500 + self.below(8_000),
            8 => 8_000 + self.below(15_000),
            _ => 20_000 + self.below(60_000),
        }
    }

    fn fault(&mut self) -> Fault {
        match self.below(100) {
            0..34 => self.work(),
            34..46 => self.peers(),
            46..68 => self.masters(),
            68..75 => self.operators(),
            75..86 => self.etcd(),
            86..96 => self.network(),
            _ => self.clocks(),
        }
    }

    fn work(&mut self) -> Fault {
        let (master, client, pick) = (self.master(), self.pick(self.size.clients), self.pick(1000));
        match self.below(26) {
            0..6 => {
                let (cores, supervise, once) = (1 + u32::from(self.coin()), self.coin(), self.steady && self.coin());
                Fault::Submit { master, cores, supervise, once }
            }
            6 => Fault::Storm { master, drivers: 20 + u32::try_from(self.below(60)).unwrap_or(0) },
            7..9 => Fault::Repeat { pick, master },
            9..11 => Fault::KillDriver { pick, master },
            11..18 => Fault::ProgramExits { pick, code: i32::from(self.coin()) },
            18..21 => Fault::Want { client, total: u32::try_from(self.below(5)).unwrap_or(0) },
            21..23 => Fault::EndExecutor { client, pick },
            23 => Fault::Clear { master },
            24 => Fault::StopApp { client, back: self.length() },
            _ => Fault::KillApp { client, master },
        }
    }

    fn peers(&mut self) -> Fault {
        let (host, client, length) = (self.pick(self.size.hosts), self.pick(self.size.clients), self.length());
        match self.below(13) {
            0..2 => Fault::CrashApp { client, back: length },
            2..6 => {
                let disk = [Disk::Kept, Disk::Kept, Disk::Lost, Disk::Old][self.pick(4)];
                Fault::CrashWorker { host, back: length, disk }
            }
            6 => Fault::StopWorker { host, back: length },
            7..10 => Fault::StillWorker { host, length },
            10 => Fault::Decommission { host },
            11 => Fault::DecommissionHost { host, master: self.master() },
            _ => Fault::LowDisk { host, low: self.coin() },
        }
    }

    fn masters(&mut self) -> Fault {
        let (master, length) = (self.which(), self.length());
        match self.below(12) {
            0..4 => Fault::CrashMaster { master, back: length },
            4..6 => Fault::StopMaster { master, back: length },
            6..8 => Fault::SuspendMaster { master, length },
            8..10 => Fault::HangMaster { master, length: length.min(20_000) },
            10 => {
                let point = POINTS[self.pick(POINTS.len())];
                let wait = self.coin().then(|| self.length().min(10_000));
                Fault::FailPoint { master, point, wait, times: 1 + u32::try_from(self.below(3)).unwrap_or(0) }
            }
            _ => {
                if self.below(4) == 0 {
                    Fault::RestartAll { back: length }
                } else {
                    Fault::CrashMaster { master, back: length }
                }
            }
        }
    }

    fn operators(&mut self) -> Fault {
        let (at, target) = (self.which(), self.master());
        match self.below(10) {
            0..4 => Fault::Switchover { at, target: Some(target) },
            4..7 => Fault::Switchover { at, target: None },
            7 => Fault::TwoSwitchovers { target },
            8 => Fault::Pause { at: target, length: 1_000 + self.length() },
            _ => Fault::Resume { at: target },
        }
    }

    fn etcd(&mut self) -> Fault {
        let (member, number, length) = (self.member(), self.master(), self.length());
        match self.below(20) {
            0..3 => Fault::StopMember { member, back: length },
            3..5 => Fault::FreezeMember { member, length },
            5..7 => Fault::CutMember { member, length },
            7 => Fault::LagMember { member: number, by: 20 + self.below(1_000), length },
            8 => Fault::StaleMember { member: number, length },
            9 => Fault::LoseQuorum { length },
            10 => Fault::LoseAll { length },
            11 => Fault::NoSpace { member: number, length },
            12..15 => Fault::Mishaps { mishap: self.mishap(), times: 1 + u32::try_from(self.below(4)).unwrap_or(0) },
            15 => Fault::Compact,
            16..18 => Fault::RevokeLease,
            _ => Fault::DeleteLeader,
        }
    }

    fn mishap(&mut self) -> Mishap {
        let effect = match self.below(3) {
            0 => Effect::Applied,
            1 => Effect::Late(self.below(8_000)),
            _ => Effect::Never,
        };
        Mishap { effect, told: if self.coin() { Told::Silence } else { Told::TimedOut } }
    }

    fn party(&mut self) -> Party {
        match self.below(4) {
            0..2 => Party::Master(self.master()),
            2 => Party::Worker(self.pick(self.size.hosts)),
            _ => Party::App(self.pick(self.size.clients)),
        }
    }

    fn network(&mut self) -> Fault {
        let (party, length) = (self.party(), self.length());
        let other = if self.coin() { Party::Master(self.master()) } else { Party::Etcd(self.master()) };
        let kind = [Kind::Etcd, Kind::Masters, Kind::Workers, Kind::Everybody][self.pick(4)];
        match self.below(10) {
            0..3 => Fault::Cut { one: party, other, both: self.coin(), length },
            3 => Fault::Cut { one: other, other: party, both: false, length },
            4 => Fault::Isolate { party, from: kind, length },
            5..7 => Fault::LeaderCutOff { from: kind, length },
            7 => Fault::Slow { party: other, by: 1 + self.below(1_500), length },
            _ => Fault::Break { pick: self.pick(1000) },
        }
    }

    fn clocks(&mut self) -> Fault {
        let party = self.party();
        if self.steady || self.coin() {
            let hour = 3_600_000;
            return Fault::Wall { party, ahead: i64::try_from(self.below(2 * hour)).unwrap_or(0) - 3_600_000 };
        }
        Fault::Rate { party, rate: 800 + self.below(401), length: 60_000 + self.below(120_000) }
    }
}
