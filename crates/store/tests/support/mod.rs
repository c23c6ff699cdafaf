//! Stores in real etcds, for the tests of the etcd backend.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use tanist_store::conformance::{Harness, Leader};
use tanist_store::etcd::{EtcdOptions, EtcdStore};
use tanist_store::{Candidate, ElectionError, LeaderElection, Loss, Standing, Tenure, Trouble};
use tanist_testkit::Etcd;

/// The shortest lease: what waits for one to expire waits no longer than it must.
pub(crate) const TTL: Duration = Duration::from_secs(3);

/// The name of the clusters of these tests.
pub(crate) const CLUSTER: &str = "test";

/// How long anything may take that takes moments on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// The etcd that all tests of a program share; it ends with the program.
pub(crate) fn shared_etcd() -> &'static Etcd {
    static ETCD: OnceLock<Etcd> = OnceLock::new();
    ETCD.get_or_init(|| Etcd::start(1).unwrap())
}

/// A prefix that nobody else has.
pub(crate) fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("/test-{}/", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// One cluster's store, and masters of this very process on it.
pub(crate) struct Cluster {
    pub(crate) options: EtcdOptions,
}

impl Cluster {
    /// Below a prefix of its own in an etcd.
    pub(crate) fn new(etcd: &Etcd) -> Self {
        let options = EtcdOptions { prefix: fresh_prefix(), ttl: TTL, ..EtcdOptions::new(etcd.endpoints(), CLUSTER) };
        Self { options }
    }

    /// A key as etcd knows it.
    pub(crate) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.options.prefix)
    }

    /// Another master process.
    pub(crate) fn open(&self) -> Arc<EtcdStore> {
        Arc::new(EtcdStore::open(self.options.clone()).unwrap())
    }
}

#[async_trait]
impl Harness for Cluster {
    type Backend = EtcdStore;

    async fn master(&self) -> Arc<EtcdStore> {
        self.open()
    }

    async fn crash(&self, master: Arc<EtcdStore>) {
        drop(Arc::into_inner(master).expect("nobody else uses a master that crashes"));
    }

    fn takeover(&self) -> Duration {
        SOON
    }

    fn is_alone(&self) -> bool {
        false
    }

    fn takes_turns(&self) -> bool {
        true
    }
}

/// A candidacy that runs by itself.
pub(crate) type Campaign = JoinHandle<Result<Tenure, ElectionError>>;

/// Stands for office in a task.
pub(crate) fn stand(store: &Arc<EtcdStore>, candidate: Candidate) -> Campaign {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.campaign(&candidate).await })
}

/// The office that a candidacy must win.
pub(crate) async fn won(store: &Arc<EtcdStore>, campaign: Campaign) -> Leader<EtcdStore> {
    let tenure = timeout(SOON, campaign).await.expect("the office is won in time").unwrap().unwrap();
    Leader::new(Arc::clone(store), tenure)
}

/// Waits until a standing is as wanted.
pub(crate) async fn standing(tenure: &Tenure, what: &str, wanted: impl FnMut(&Standing) -> bool) {
    let mut standing = tenure.standing.clone();
    let reached = timeout(SOON, standing.wait_for(wanted)).await.map(drop);
    reached.unwrap_or_else(|_| panic!("{what}: still {:?}", tenure.standing.borrow()));
}

pub(crate) fn is_held(standing: &Standing) -> bool {
    matches!(standing, Standing::Held { .. })
}

pub(crate) fn is_lost(standing: &Standing) -> bool {
    *standing == Standing::Lost(Loss::Expired)
}

/// Waits until the trouble that is shown is as wanted.
pub(crate) async fn trouble(store: &EtcdStore, what: &str, mut wanted: impl FnMut(Option<&str>) -> bool) {
    let mut trouble = store.trouble();
    let wanted = |trouble: &Option<Trouble>| wanted(trouble.as_ref().map(|trouble| trouble.what.as_str()));
    let reached = timeout(SOON, trouble.wait_for(wanted)).await.map(drop);
    reached.unwrap_or_else(|_| panic!("{what}: still {:?}", store.trouble().borrow()));
}
