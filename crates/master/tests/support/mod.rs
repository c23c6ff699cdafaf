//! What the tests of the master share: real masters over a real embedded store, hand-written peers over real gRPC, and
//! a store that can be stopped and made to refuse.

#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

pub(crate) mod election;
pub(crate) mod engine;
pub(crate) mod http;
pub(crate) mod peers;
pub(crate) mod proxy;
pub(crate) mod spark;
pub(crate) mod spark_worker;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use tanist_core::ids::{Epoch, MasterId};
use tanist_core::master::{MasterConfig, MasterView};
use tanist_core::model::{Command, DriverDescription, MasterRole, Program};
use tanist_core::msg::{ClientReply, ClientRequest};
use tanist_core::units::{Cores, Memory};
use tanist_master::{
    Backend, Listeners, MasterHandle, MasterOptions, MasterService, RestOptions, SPARK_VERSION, SparkOptions, Unusable,
    Variables,
};
use tanist_proto::v1;
use tanist_proto::v1::ha_service_client::HaServiceClient;
use tanist_proto::v1::operator_service_client::OperatorServiceClient;
use tanist_proto::v1::submission_service_client::SubmissionServiceClient;
use tanist_store::EmbeddedStore;
use tanist_web::Limits;

use self::election::{Shared, TestElection};
use self::engine::TestEngine;

/// Everything that is waited for must happen within this time, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One master process, as far as a test can hold one.
pub(crate) struct Node {
    pub(crate) service: MasterService,
    pub(crate) engine: Arc<TestEngine>,
    pub(crate) election: Arc<TestElection>,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) address: String,
    /// `host:port` of its REST server.
    pub(crate) rest: String,
    /// `host:port` of its web pages.
    pub(crate) web: String,
}

/// What is not the same for every node of every test.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) shared: Shared,
    pub(crate) advertised_port: Option<u16>,
    pub(crate) unusable: Unusable,
    /// What its candidacies come to.
    pub(crate) prepare: fn(&TestElection),
    /// It reads no page at first.
    pub(crate) reads_held: bool,
    pub(crate) spark: SparkOptions,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            shared: Shared::default(),
            advertised_port: None,
            unusable: Unusable::Ends,
            prepare: |_| {},
            reads_held: false,
            spark: SparkOptions::default(),
        }
    }
}

impl Node {
    pub(crate) async fn start(directory: &Path, id: &str) -> Self {
        Self::set_up(directory, id, Setup::default()).await
    }

    /// One that is alone and leads, with its directory.
    pub(crate) async fn leading() -> (TempDir, Self) {
        let directory = tempfile::tempdir().unwrap();
        let node = Self::start(directory.path(), "m1").await;
        node.alive().await;
        (directory, node)
    }

    /// One of several masters whose store knows handovers, pauses and depositions.
    pub(crate) async fn sharing(directory: &Path, id: &str, shared: &Shared) -> Self {
        Self::set_up(directory, id, Setup { shared: shared.clone(), ..Setup::default() }).await
    }

    pub(crate) async fn set_up(directory: &Path, id: &str, setup: Setup) -> Self {
        let store = Arc::new(EmbeddedStore::open(directory).await.unwrap());
        let engine = Arc::new(TestEngine::over(store.clone()));
        let election = Arc::new(TestElection::over(store.clone(), setup.shared));
        (setup.prepare)(&election);
        engine.hold_reads(setup.reads_held);
        let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = grpc.local_addr().unwrap().to_string();
        let rest = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rest_bound = rest.local_addr().unwrap();
        let pages = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let web = pages.local_addr().unwrap().to_string();
        let options = MasterOptions {
            id: MasterId::new(id).unwrap(),
            advertised_host: "127.0.0.1".to_owned(),
            advertised_port: setup.advertised_port,
            ui_url: None,
            rest: None,
            spark: setup.spark,
            config: MasterConfig::new().unwrap(),
            seed: 7,
        };
        let backend = Backend { election: election.clone(), engine: engine.clone(), unusable: setup.unusable };
        let listeners = Listeners { grpc, web: Some(pages), rest: Some((rest, rest_options(rest_bound.port()))) };
        let service = MasterService::start(options, backend, listeners).unwrap();
        Self { service, engine, election, store, address, rest: rest_bound.to_string(), web }
    }

    /// Waits until this master leads, has nothing to recover and nothing more to commit, and tells its epoch.
    pub(crate) async fn alive(&self) -> Epoch {
        let epoch = self.role(MasterRole::Alive).await;
        assert_eq!(self.handle().request(ClientRequest::Ready).await, Ok(ClientReply::Ready(true)));
        epoch
    }

    /// Waits for a role; the epoch is that of the leader it then knows, if any.
    pub(crate) async fn role(&self, role: MasterRole) -> Epoch {
        let mut leadership = self.handle().leadership();
        let found = within("a role", leadership.wait_for(|found| found.role == role)).await.unwrap().clone();
        found.leader.map(|leader| leader.term.epoch).unwrap_or_default()
    }

    pub(crate) fn handle(&self) -> &MasterHandle {
        self.service.handle()
    }

    pub(crate) fn channel(&self) -> Channel {
        channel(&self.address)
    }

    pub(crate) fn submissions(&self) -> SubmissionServiceClient<Channel> {
        SubmissionServiceClient::new(self.channel())
    }

    pub(crate) fn operators(&self) -> OperatorServiceClient<Channel> {
        OperatorServiceClient::new(self.channel())
    }

    pub(crate) fn ha(&self) -> HaServiceClient<Channel> {
        HaServiceClient::new(self.channel())
    }

    /// What it knows about the office.
    pub(crate) async fn status(&self) -> v1::HaReply {
        let request = v1::GetHaRequest { history_limit: 10 };
        within("an answer to GetHa", self.ha().get_ha(request)).await.unwrap().into_inner()
    }

    /// Waits until it says that it does something.
    pub(crate) async fn does(&self, what: &str) -> v1::HaReply {
        within(what, async {
            loop {
                let status = self.status().await;
                if status.doing.starts_with(what) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// One of its counts.
    pub(crate) async fn count(&self, name: &str) -> u64 {
        let counts = self.status().await.counts;
        counts.iter().find(|count| count.name == name).unwrap_or_else(|| panic!("no count {name}")).value
    }

    /// Waits until the published view is as wanted.
    pub(crate) async fn sees<T>(&self, what: &str, wanted: impl Fn(&MasterView) -> Option<T>) -> T {
        within(what, async {
            loop {
                if let Some(found) = wanted(&self.handle().view().await.view) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// Submits a driver and waits for its acceptance.
    pub(crate) async fn submit(&self) -> tanist_core::ids::DriverId {
        let reply = self.handle().request(submission()).await.unwrap();
        let ClientReply::Submitted { driver } = reply else { panic!("{reply:?}") };
        driver
    }
}

/// The port of an address.
pub(crate) fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

pub(crate) fn channel(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// A request for a small driver.
pub(crate) fn submission() -> ClientRequest {
    ClientRequest::SubmitDriver { request: None, description: Box::new(driver("/bin/true")) }
}

/// A driver of one core.
pub(crate) fn driver(program: &str) -> DriverDescription {
    DriverDescription {
        memory: Memory::mib(64),
        cores: Cores(1),
        command: Command { program: Program::Executable(program.to_owned()), ..Command::default() },
        ..DriverDescription::default()
    }
}

fn rest_options(port: u16) -> RestOptions {
    RestOptions {
        limits: Limits::default(),
        key: None,
        spark_version: SPARK_VERSION.to_owned(),
        port,
        variables: Variables(BTreeMap::from([("SPARK_PROBE_VAR".to_owned(), "xyz".to_owned())])),
    }
}

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    timeout(PATIENCE, happens).await.unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
}

/// Looks once whether a future is ready.
pub(crate) fn is_ready<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
