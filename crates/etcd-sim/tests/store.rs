//! The suite of every backend: the real etcd backend, its client and all, on a simulated etcd.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tonic::transport::server::TcpIncoming;

use tanist_etcd_sim::{Config, Etcd, Host};
use tanist_store::conformance::Harness;
use tanist_store::etcd::{EtcdOptions, EtcdStore};

/// The shortest lease: what waits for one to expire waits no longer than it must.
const TTL: Duration = Duration::from_secs(3);

/// How long anything may take that takes moments on an idle machine.
const SOON: Duration = Duration::from_secs(30);

/// A store in a cluster of three members, on loopback.
struct Simulated {
    options: EtcdOptions,
    _host: Host,
}

impl Simulated {
    fn start() -> Self {
        let host = Host::start(Etcd::new(Config::new(3), 1));
        let endpoints: Vec<String> = (0..3).map(|member| format!("http://{}", serve(&host, member))).collect();
        let options = EtcdOptions { prefix: "/test/".to_owned(), ttl: TTL, ..EtcdOptions::new(endpoints, "test") };
        Self { options, _host: host }
    }
}

/// Serves a member until the runtime ends. Says where.
fn serve(host: &Host, member: usize) -> SocketAddr {
    let listener = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap().with_nodelay(Some(true));
    let address = listener.local_addr().unwrap();
    let host = host.clone();
    tokio::spawn(async move { host.serve(member, listener).await.unwrap() });
    address
}

#[async_trait]
impl Harness for Simulated {
    type Backend = EtcdStore;

    async fn master(&self) -> Arc<EtcdStore> {
        Arc::new(EtcdStore::open(self.options.clone()).unwrap())
    }

    async fn crash(&self, master: Arc<EtcdStore>) {
        drop(Arc::into_inner(master).expect("nobody else uses a master that crashes"));
    }

    fn takeover(&self) -> Duration {
        SOON
    }

    fn is_alone(&self) -> bool {
        true
    }

    fn takes_turns(&self) -> bool {
        true
    }
}

tanist_store::conformance_suite!(Simulated::start());
