//! What is compared: masters and workers of either kind, on this machine.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use tanist_testkit::{Cluster, Etcd, Original, OriginalShape, Shape, Spark, Store};

/// What a worker offers: enough for all applications at once. The machine has less.
const CORES: u32 = 32;
const MEMORY: &str = "32g";

/// How long a master of ours may take to be in office.
const IN_OFFICE_WITHIN: Duration = Duration::from_secs(30);

/// One of the systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum System {
    /// Ours, with an etcd of one member.
    Tanist,
    /// Spark's, with the ZooKeeper in its jars, one server.
    Zookeeper,
    /// Spark's, which keeps nothing.
    None,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tanist => "Tanist",
            Self::Zookeeper => "Spark ZOOKEEPER",
            Self::None => "Spark NONE",
        })
    }
}

/// A system that runs. It ends with the value.
pub(crate) enum Running {
    Tanist { cluster: Box<Cluster>, leader: usize, _etcd: Etcd },
    Spark(Original),
}

impl System {
    /// Whether another master can take over.
    pub(crate) fn has_standby(self) -> bool {
        self != Self::None
    }

    /// Starts so many masters and workers, and waits until they are of use.
    ///
    /// # Errors
    /// If a process does not start.
    pub(crate) fn start(self, spark: &Spark, masters: usize, workers: usize) -> Result<Running> {
        if self != Self::Tanist {
            let zookeeper = self == Self::Zookeeper;
            let shape = OriginalShape { masters, zookeeper, workers, cores: CORES, memory: MEMORY };
            return Original::start(spark, shape).map(Running::Spark).with_context(|| format!("starting {self}"));
        }
        let etcd = Etcd::start(1)?;
        let cluster = Cluster::start(Shape {
            masters,
            workers,
            cores: CORES,
            memory: MEMORY,
            store: Store::etcd(&etcd),
            spark_home: Some(spark.home.clone()),
            ..Shape::default()
        })?;
        let leader = cluster.leader();
        cluster.wait_for_leader(leader, IN_OFFICE_WITHIN);
        Ok(Running::Tanist { cluster: Box::new(cluster), leader, _etcd: etcd })
    }
}

impl Running {
    /// All masters as an application names them, without `spark://`.
    pub(crate) fn masters(&self) -> String {
        match self {
            Self::Tanist { cluster, .. } => cluster.addresses(),
            Self::Spark(original) => {
                original.masters.iter().map(|master| master.address.as_str()).collect::<Vec<_>>().join(",")
            }
        }
    }

    /// `host:port` of the leader, and its process.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn leader(&self) -> Result<(&str, i32)> {
        let leader = match self {
            Self::Tanist { cluster, leader, .. } => {
                cluster.masters.get(*leader).map(|master| (master.address.as_str(), master.pid()))
            }
            Self::Spark(original) => original.masters.first().map(|master| (master.address.as_str(), master.pid())),
        };
        leader.context("a leader")
    }

    /// `kill -9` of the leader; when.
    pub(crate) fn kill_leader(&mut self) -> Instant {
        let at = Instant::now();
        match self {
            Self::Tanist { cluster, leader, .. } => cluster.masters[*leader].kill_nine(),
            Self::Spark(original) => original.masters[0].kill_nine(),
        }
        at
    }
}
