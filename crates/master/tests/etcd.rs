//! Masters on a real etcd: handed over, killed, cut off from it, and set up wrongly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use tanist_core::ids::{Epoch, MasterId};
use tanist_core::master::MasterConfig;
use tanist_core::model::MasterRole;
use tanist_core::msg::ClientReply;
use tanist_master::{Backend, MasterHandle, MasterOptions, MasterService, SparkOptions};
use tanist_store::election::Ending;
use tanist_store::etcd::{EtcdOptions, EtcdStore};
use tanist_testkit::Etcd;

use support::peers::{WorkerPort, WorkerSession, registration};
use support::{submission, within};

/// Below the lease of 5 s by far: what is done within it did not wait for one.
const AT_ONCE: Duration = Duration::from_secs(2);

/// One master in etcd. Dropping it is a crash: nothing is said, everything is cut.
struct Master {
    service: MasterService,
}

impl Master {
    async fn start(etcd: &Etcd, id: &str) -> Self {
        Self::of_cluster(etcd, id, "test").await
    }

    async fn of_cluster(etcd: &Etcd, id: &str, cluster: &str) -> Self {
        let mut options = EtcdOptions::new(etcd.endpoints(), cluster);
        "/tanist/test/v1/".clone_into(&mut options.prefix);
        let backend = Backend::shared(Arc::new(EtcdStore::open(options).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = MasterOptions {
            id: MasterId::new(id).unwrap(),
            advertised_host: "127.0.0.1".to_owned(),
            advertised_port: None,
            ui_url: None,
            rest: None,
            spark: SparkOptions::default(),
            config: MasterConfig::new().unwrap(),
            seed: 7,
        };
        Self { service: MasterService::start(options, backend, listener).unwrap() }
    }

    fn handle(&self) -> &MasterHandle {
        self.service.handle()
    }

    async fn is(&self, role: MasterRole) -> Epoch {
        let mut leadership = self.handle().leadership();
        let found = within("a role", leadership.wait_for(|found| found.role == role)).await.unwrap().clone();
        found.leader.map(|leader| leader.term.epoch).unwrap_or_default()
    }

    async fn does(&self, what: &str) -> String {
        within(what, async {
            loop {
                let (doing, _) = self.handle().doing();
                if doing.starts_with(what) {
                    return doing;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    async fn submit(&self) {
        let reply = within("a reply", self.handle().request(submission())).await.unwrap();
        assert!(matches!(reply, ClientReply::Submitted { .. }), "{reply:?}");
    }

    /// Waits until it is known as a member that can follow.
    async fn knows(&self, others: usize) {
        within("the members", async {
            while self.handle().ha(0).await.members.len() <= others {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_goes_to_and_fro_twenty_times() {
    let etcd = Etcd::start(1).unwrap();
    let first = Master::start(&etcd, "m1").await;
    first.is(MasterRole::Alive).await;
    let second = Master::start(&etcd, "m2").await;
    first.knows(1).await;
    let mut gaps = Vec::new();
    for round in 0..20 {
        let (from, to) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
        from.submit().await;
        let begun = Instant::now();
        let target = to.handle().id().clone();
        within("the order", from.handle().leave(Some(target), "test".to_owned())).await.unwrap();
        to.is(MasterRole::Alive).await;
        gaps.push(begun.elapsed());
        from.is(MasterRole::Standby).await;
    }
    gaps.sort();
    assert!(gaps[19] < AT_ONCE, "nobody held off: {gaps:?}");
    let status = second.handle().ha(100).await;
    assert_eq!(status.history.len(), 21);
    let handed = |ending: &Ending| matches!(ending, Ending::HandedOver { .. });
    let ended = status.history.iter().filter_map(|term| term.ended.as_ref());
    assert!(ended.clone().all(|ended| handed(&ended.how)) && ended.count() == 20, "{:?}", status.history);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_dies_is_deposed_and_what_it_knew_goes_on() {
    let etcd = Etcd::start(1).unwrap();
    let mut port = WorkerPort::open("w1").await;
    let mut leader = Master::start(&etcd, "m0").await;
    let mut epoch = leader.is(MasterRole::Alive).await;
    let session = WorkerSession::registered(leader.handle().address(), registration("w1", port.port)).await;
    for n in 1..=3 {
        let standby = Master::start(&etcd, &format!("m{n}")).await;
        standby.does(&format!("waits: m{} leads", n - 1)).await;
        standby.knows(1).await;
        within("the leader is heard", async {
            while standby.handle().doing().0.ends_with("from here") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let begun = Instant::now();
        drop(leader);
        let next = standby.is(MasterRole::Recovering).await;
        assert!(begun.elapsed() < AT_ONCE, "{:?} is a lease", begun.elapsed());
        assert_eq!(next.0, epoch.0 + 1);
        let told = within(
            "an announcement",
            port.announced.wait_for(|leader| leader.as_ref().is_some_and(|leader| leader.term.epoch == next)),
        );
        assert_eq!(told.await.unwrap().as_ref().unwrap().address, standby.handle().address());
        let status = standby.handle().ha(1).await;
        let depositions = status.counts.iter().find(|count| count.name == "depositions").unwrap();
        assert_eq!(depositions.value, 1);
        (leader, epoch) = (standby, next);
    }
    drop(session);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_etcd_suspends_and_the_same_term_goes_on() {
    let etcd = Etcd::start(1).unwrap();
    let leader = Master::start(&etcd, "m1").await;
    let epoch = leader.is(MasterRole::Alive).await;
    let standby = Master::start(&etcd, "m2").await;
    standby.does("waits: m1 leads").await;
    etcd.kill_all();
    leader.is(MasterRole::Suspended).await;
    let doing = leader.does("suspended: no renewal since").await;
    assert!(doing.contains("refused") || doing.contains("reach"), "{doing}");
    standby.does("waits for the store").await;
    let status = within("a status", standby.handle().ha(10)).await;
    assert!(status.incomplete.is_some() && status.trouble.is_some(), "{status:?}");
    etcd.start_all().unwrap();
    assert_eq!(leader.is(MasterRole::Alive).await, epoch);
    leader.submit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_cluster_is_not_taken_and_ends_nothing() {
    let etcd = Etcd::start(1).unwrap();
    let leader = Master::start(&etcd, "m1").await;
    leader.is(MasterRole::Alive).await;
    let stranger = Master::of_cluster(&etcd, "m2", "other").await;
    let doing = stranger.does("cannot stand").await;
    assert!(doing.contains("'test'") && doing.contains("'other'"), "{doing}");
    let status = stranger.handle().ha(0).await;
    assert!(status.trouble.is_some() && status.role == MasterRole::Standby, "{status:?}");
}
