//! Deliberately wrong builds, to show that the simulator finds what is wrong with them.
//!
//! None of it is in the product: the guard is taken out of transactions on their way to etcd, the barrier is held open by a
//! fail point, and the names of requests are taken off on their way to a master.

use tanist_etcd_sim::Request;
use tanist_store::etcd::default_prefix;
use tanist_store::simulated::Order;

use crate::settings;
use crate::world::World;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Transactions of a term are applied whoever is in office.
    NoGuard,
    /// Effects leave a master before what they rest on is durable.
    EffectsFirst,
    /// Masters do not recognise a submission that is said again.
    RequestsForgotten,
}

/// All of them.
pub const ALL: [Broken; 3] = [Broken::NoGuard, Broken::EffectsFirst, Broken::RequestsForgotten];

/// How often a fault is ordered that is to last.
const ALWAYS: u32 = u32::MAX;

impl Broken {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoGuard => "no-guard",
            Self::EffectsFirst => "effects-first",
            Self::RequestsForgotten => "requests-forgotten",
        }
    }
}

impl World {
    /// What is wrong with a master, from its beginning.
    pub fn break_master(&mut self, master: usize) {
        if self.broken == Some(Broken::EffectsFirst) {
            self.masters[master].order("master.barrier", Order::Error, ALWAYS);
        }
    }
}

/// A transaction without the compares of its guard.
pub fn without_guard(request: Request) -> Request {
    let Request::Txn(mut txn) = request else { return request };
    let leader = format!("{}ha/leader", default_prefix(settings::CLUSTER));
    let writes_leader = txn.success.iter().any(|op| format!("{op:?}").contains("ha/leader"));
    if !writes_leader {
        txn.compare.retain(|compare| compare.key != leader.as_bytes());
    }
    Request::Txn(txn)
}
