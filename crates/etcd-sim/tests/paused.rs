//! Through the client library, over memory, on a clock that stands still unless everybody waits.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io;
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions, EventType, PutOptions, WatchOptions};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codegen::Service;
use tonic::transport::{Endpoint, Uri};

use tanist_etcd_sim::{Config, Etcd, Host};

/// One end of a pair for each time that a client dials.
#[derive(Clone)]
struct Dial(mpsc::UnboundedSender<io::Result<DuplexStream>>);

impl Service<Uri> for Dial {
    type Response = hyper_util::rt::TokioIo<DuplexStream>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let dialled = self.0.send(Ok(theirs)).map_err(|_| io::ErrorKind::ConnectionRefused.into());
        std::future::ready(dialled.map(|()| hyper_util::rt::TokioIo::new(ours)))
    }
}

async fn client(host: &Host, member: usize) -> Client {
    let (connect, connections) = mpsc::unbounded_channel();
    let server = host.clone();
    tokio::spawn(async move { server.serve(member, UnboundedReceiverStream::new(connections)).await });
    let endpoint = Endpoint::from_static("http://etcd.example");
    let channel = Channel::Tonic(endpoint.connect_with_connector_lazy(Dial(connect)));
    Client::from_channel(channel, Some(ConnectOptions::new().with_require_leader(true))).await.unwrap()
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

/// What three clients see while the leader dies and comes back, with the moments in milliseconds.
async fn story(seed: u64) -> Vec<String> {
    let host = Host::start(Etcd::new(Config::new(3), seed));
    let began = Instant::now();
    let mut told = Vec::new();
    let mut tell = |what: String| told.push(format!("{:>6} {what}", began.elapsed().as_millis()));

    let leader = host.with(|etcd, _| etcd.leader()).unwrap();
    let mut client = client(&host, (leader + 1) % 3).await;
    let lease = client.lease_grant(3, None).await.unwrap();
    let put = client.put("a", "1", Some(PutOptions::new().with_lease(lease.id()))).await.unwrap();
    tell(format!("leased key at {}", put.header().unwrap().revision()));
    let mut watch = client.watch("a", Some(WatchOptions::new().with_start_revision(1))).await.unwrap();
    assert!(watch.message().await.unwrap().unwrap().created());
    let seen = watch.message().await.unwrap().unwrap();
    tell(format!("watched {:?}", seen.events()[0].event_type()));

    sleep(Duration::from_millis(100)).await;
    host.with(|etcd, now| etcd.stop(now, leader));
    let refused = client.put("b", "2", None).await.unwrap_err();
    tell(format!("write into the void: {refused}"));
    let put = client.put("b", "2", None).await.unwrap();
    tell(format!("wrote at {}", put.header().unwrap().revision()));
    let gone = watch.message().await.unwrap().unwrap();
    assert_eq!(gone.events()[0].event_type(), EventType::Delete);
    tell(format!("expired at {}", gone.events()[0].kv().unwrap().mod_revision()));
    host.with(|etcd, now| etcd.start(now, leader));
    let found = client.get("b", None).await.unwrap();
    tell(format!("read {} of term {}", found.kvs().len(), found.header().unwrap().raft_term()));
    told
}

#[test]
fn one_seed_is_one_story() {
    let first = run(story(11));
    assert_eq!(first, run(story(11)), "{first:#?}");
    assert_ne!(first, run(story(12)), "{first:#?}");
}
