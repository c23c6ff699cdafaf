//! How much of the world one check looks at, and which rule it leaves out.

use crate::protocol::names;

/// Masters at most. Arrays have this length; a scope uses the first ones.
pub const MASTERS: usize = 3;

/// Workers, always.
pub const WORKERS: usize = 2;

/// Terms at most.
pub const EPOCHS: usize = 4;

/// Launches of the driver at most.
pub const ATTEMPTS: usize = 4;

/// Transactions that may be under way although nobody waits for them, at most.
pub const STRAYS: usize = 2;

/// Registrations that may be under way from one worker at once, at most.
pub const UNDER_WAY: usize = 2;

/// No bound.
pub const ANY: u8 = u8::MAX;

/// Where a check begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nobody leads, nobody is registered, nothing is stored.
    Cold,
    /// The first master leads in epoch 1 and both workers are registered with it.
    Formed,
}

/// The bounds of one check. Everything that is not bounded here may happen at any time and any number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each switches one thing")]
pub struct Scope {
    /// For tables.
    pub name: &'static str,
    /// Where it begins.
    pub start: Start,
    /// How many masters there are, at most [`MASTERS`].
    pub masters: usize,
    /// No term has a higher epoch; at most [`EPOCHS`].
    pub epochs: u8,
    /// No launch has a higher attempt; at most [`ATTEMPTS`].
    pub attempts: u8,
    /// How often a worker is cut off from everybody.
    pub cuts: u8,
    /// How often a worker process dies and is started again, under its old id.
    pub crashes: u8,
    /// How often a session breaks that both sides hold open; [`ANY`] = any number of times.
    pub breaks: u8,
    /// How often operators pause, resume, or hand the office over. Bids for the office are under way for a while then.
    pub orders: u8,
    /// Registrations that may be on their way from one worker at once, at most [`UNDER_WAY`].
    pub registrations: usize,
    /// A registration that a worker process has sent before it died may still arrive.
    pub dead_letters: bool,
    /// A leader goes on while its transaction is under way.
    pub pipelined: bool,
    /// A transaction may reach the store a second time, at any later moment: it was sent again because its outcome was
    /// not known.
    pub copies: bool,
    /// Transactions that may reach the store although nobody waits for them, at most [`STRAYS`]: the last ones.
    pub strays: usize,
    /// Steps looked at, at most: a check that needs more has failed.
    pub steps: usize,
    /// States that differ in nothing that matters are one (`docs/model.md`).
    pub reduced: bool,
}

impl Scope {
    /// A change of leader under a running driver: lost keys, lost and late transactions, lost messages.
    pub const OFFICE: Self = Self {
        name: "office",
        start: Start::Formed,
        masters: 2,
        epochs: 3,
        attempts: 2,
        cuts: 0,
        crashes: 0,
        breaks: ANY,
        orders: 0,
        registrations: 1,
        dead_letters: false,
        pipelined: true,
        copies: false,
        strays: 1,
        steps: 50_000_000,
        reduced: true,
    };

    /// A worker is given up and comes back.
    pub const LOST_WORKER: Self =
        Self { name: "lost-worker", epochs: 2, attempts: 3, cuts: 1, breaks: 1, pipelined: false, ..Self::OFFICE };

    /// A worker process dies and is started again.
    pub const RESTART: Self =
        Self { name: "restart", epochs: 2, crashes: 1, breaks: 0, registrations: 2, pipelined: false, ..Self::OFFICE };

    /// The same, and what the dead process has sent arrives late.
    pub const DEAD_LETTERS: Self = Self {
        name: "dead-letters",
        epochs: 1,
        crashes: 1,
        breaks: 1,
        registrations: 2,
        dead_letters: true,
        pipelined: false,
        ..Self::OFFICE
    };

    /// Registrations overtake each other.
    pub const OVERTAKING: Self =
        Self { name: "overtaking", epochs: 2, registrations: 2, breaks: 2, pipelined: false, ..Self::OFFICE };

    /// Switchover and pause.
    pub const OPERATORS: Self =
        Self { name: "operators", attempts: 1, orders: 2, breaks: 0, strays: 2, pipelined: false, ..Self::OFFICE };

    /// Everything begins.
    pub const COLD: Self = Self {
        name: "cold-start",
        start: Start::Cold,
        epochs: 2,
        registrations: 2,
        breaks: 0,
        pipelined: false,
        ..Self::OFFICE
    };

    /// Transactions arrive a second time.
    pub const COPIES: Self = Self {
        name: "late-copies",
        epochs: 2,
        cuts: 1,
        breaks: 1,
        copies: true,
        strays: 2,
        pipelined: false,
        ..Self::OFFICE
    };
}

/// What every change is checked within.
pub const NORMAL: [Scope; 8] = [
    Scope::OFFICE,
    Scope::LOST_WORKER,
    Scope::RESTART,
    Scope::DEAD_LETTERS,
    Scope::OVERTAKING,
    Scope::OPERATORS,
    Scope::COLD,
    Scope::COPIES,
];

/// Steps looked at within the wider bounds.
const MANY: usize = 1_000_000_000;

/// Wider bounds, for when there is time.
pub const LONG: [Scope; 6] = [
    Scope { name: "three-masters", masters: 3, steps: MANY, ..Scope::OFFICE },
    Scope { name: "lost-worker", epochs: 3, breaks: 2, steps: MANY, ..Scope::LOST_WORKER },
    Scope { name: "restart", attempts: 3, breaks: 1, steps: MANY, ..Scope::RESTART },
    Scope { name: "dead-letters", epochs: 2, steps: MANY, ..Scope::DEAD_LETTERS },
    Scope { name: "operators", attempts: 2, orders: 3, steps: MANY, ..Scope::OPERATORS },
    Scope { name: "late-copies", attempts: 3, steps: MANY, ..Scope::COPIES },
];

/// A rule that is left out, to see that the check notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Transactions of a term do not compare `ha/leader`.
    NoGuard,
    /// Transactions do not compare the records that they touch.
    NoCompare,
    /// A worker obeys every master that it has a session with, whatever it has heard of.
    NoFence,
    /// What waits for the commit leaves at once.
    NoBarrier,
    /// A new leader takes workers that have not reported yet for lost.
    NoPatience,
    /// A worker that has lost its session asks all masters to register it.
    BlindRegistration,
    /// A term writes unguarded as long as it believes that its lease lives.
    LeaseTrusted,
    /// A registration counts although a later one was quicker.
    NoOrder,
    /// A finding about an endpoint counts although the worker has registered since it was asked for.
    LooseFindings,
    /// The office is taken although what operators want has changed since it was read.
    NoIntent,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NoGuard,
        Self::NoCompare,
        Self::NoFence,
        Self::NoBarrier,
        Self::NoPatience,
        Self::BlindRegistration,
        Self::LeaseTrusted,
        Self::NoOrder,
        Self::LooseFindings,
        Self::NoIntent,
    ];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoGuard => "no-guard",
            Self::NoCompare => "no-compare",
            Self::NoFence => "no-fence",
            Self::NoBarrier => "no-barrier",
            Self::NoPatience => "no-patience",
            Self::BlindRegistration => "blind-registration",
            Self::LeaseTrusted => "lease-trusted",
            Self::NoOrder => "no-order",
            Self::LooseFindings => "loose-findings",
            Self::NoIntent => "no-intent",
        }
    }

    /// Within which bounds it is caught, and by which property.
    pub fn hunted(self) -> (Scope, &'static str) {
        match self {
            Self::NoGuard | Self::LeaseTrusted => (Scope::OFFICE, names::I1),
            Self::NoCompare => (Scope::COPIES, names::I3),
            Self::NoFence => (Scope::COLD, names::I9),
            Self::NoBarrier => (Scope::OFFICE, names::I2),
            Self::NoPatience => (Scope::OFFICE, names::I3),
            Self::BlindRegistration => (Scope::OFFICE, names::I4),
            Self::NoOrder => (Scope::OVERTAKING, names::I3),
            Self::LooseFindings => (Scope { breaks: 1, ..Scope::RESTART }, names::I3),
            Self::NoIntent => (Scope::OPERATORS, names::PAUSE),
        }
    }
}
