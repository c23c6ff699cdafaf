//! What a cluster consists of.

use std::path::PathBuf;

use crate::etcd::Etcd;

/// What a cluster consists of.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Masters.
    pub masters: usize,
    /// Workers.
    pub workers: usize,
    /// Cores of each worker.
    pub cores: u32,
    /// Memory of each worker, e.g. `2g`.
    pub memory: &'static str,
    /// Further flags of every master.
    pub master_flags: Vec<&'static str>,
    /// Further flags of every worker.
    pub worker_flags: Vec<&'static str>,
    /// Where masters keep their records.
    pub store: Store,
    /// Whether masters serve submissions over REST, each on a port of its own.
    pub rest: bool,
    /// Where workers find Spark, for Java programs.
    pub spark_home: Option<PathBuf>,
    /// Whether masters and workers are reached through proxies, so that the network between them can fail. Whose process
    /// is gone then looks cut off, not gone: its proxy still listens.
    pub proxied: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            masters: 2,
            workers: 2,
            cores: 4,
            memory: "2g",
            master_flags: Vec::new(),
            worker_flags: Vec::new(),
            store: Store::Embedded,
            rest: false,
            spark_home: None,
            proxied: false,
        }
    }
}

/// Where masters keep their records.
#[derive(Debug, Clone)]
pub enum Store {
    /// In a directory of the cluster's own.
    Embedded,
    /// In etcd.
    Etcd(InEtcd),
}

/// How masters find their records in etcd.
#[derive(Debug, Clone)]
pub struct InEtcd {
    /// Members of etcd, as masters are given them.
    pub endpoints: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Further flags, such as `--etcd-user`.
    pub flags: Vec<String>,
}

impl Store {
    /// In this etcd, under a name of its own.
    pub fn etcd(etcd: &Etcd) -> Self {
        Self::Etcd(InEtcd { endpoints: etcd.endpoint_list(), cluster: "test".to_owned(), flags: Vec::new() })
    }

    /// The flags of a master; `directory` is for an embedded store.
    pub(crate) fn flags(&self, directory: &str) -> Vec<String> {
        match self {
            Self::Embedded => vec!["--store".to_owned(), directory.to_owned()],
            Self::Etcd(InEtcd { endpoints, cluster, flags }) => {
                let words = ["--etcd", endpoints, "--cluster", cluster];
                words.into_iter().map(str::to_owned).chain(flags.iter().cloned()).collect()
            }
        }
    }
}
