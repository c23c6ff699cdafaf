//! What a master process is started with.

use std::fmt;
use std::sync::Arc;

use tanist_core::ids::MasterId;
use tanist_core::master::MasterConfig;
use tanist_store::{LeaderElection, PersistenceEngine};

use crate::spark::SparkOptions;

/// Who this master is and how it behaves. The settings in `config` are the same on every master of a cluster.
#[derive(Debug, Clone)]
pub struct MasterOptions {
    /// This master; unique in its cluster, the same over restarts.
    pub id: MasterId,
    /// Host name or address by which workers, applications and clients reach it.
    pub advertised_host: String,
    /// Port by which they reach it; `None` = the port of the listener.
    pub advertised_port: Option<u16>,
    /// Address of its web pages, if it has any.
    pub ui_url: Option<String>,
    /// `host:port` of its REST submission server, if it has one.
    pub rest: Option<String>,
    /// How programs of Spark are treated.
    pub spark: SparkOptions,
    /// Settings of the machine.
    pub config: MasterConfig,
    /// All random choices of the machine follow from this.
    pub seed: u64,
}

/// Where a master stands for election, and what it keeps its records in. Both are faces of one store.
#[derive(Clone)]
pub struct Backend {
    /// The office.
    pub election: Arc<dyn LeaderElection>,
    /// The records.
    pub engine: Arc<dyn PersistenceEngine>,
    /// What becomes of a process that finds the store unusable.
    pub unusable: Unusable,
}

/// What becomes of a process that finds at its first candidacy that no repetition helps. One that has stood for election
/// once goes on whatever it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It ends, and says why: the store is files of this host, and so is what is wrong with them.
    Ends,
    /// It stays a standby that shows the reason, and tries again: the store is elsewhere, and so are those who can mend it.
    Waits,
}

impl Backend {
    /// A store that is files of this host.
    pub fn on_this_host<S: LeaderElection + PersistenceEngine + 'static>(store: Arc<S>) -> Self {
        Self { election: store.clone(), engine: store, unusable: Unusable::Ends }
    }

    /// A store that several hosts reach.
    pub fn shared<S: LeaderElection + PersistenceEngine + 'static>(store: Arc<S>) -> Self {
        Self { election: store.clone(), engine: store, unusable: Unusable::Waits }
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("unusable", &self.unusable).finish_non_exhaustive()
    }
}
