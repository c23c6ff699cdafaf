//! What an endpoint can be: the one that was meant, somebody else, nobody, or silent.

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response};

use tanist_core::ids::{AppId, ClusterId, Epoch, Generation, MasterId, Nonce};
use tanist_proto::v1::app_endpoint_server::{AppEndpoint, AppEndpointServer};

use super::*;

/// An application's endpoint that has heard of epoch 7.
struct App(Option<AppId>);

#[tonic::async_trait]
impl AppEndpoint for App {
    async fn master_changed(&self, _: Request<v1::LeaderInfo>) -> Result<Response<v1::MasterChangedAck>, Status> {
        let ack = Acknowledgement { identity: Identity::App(self.0.clone()), heard: term(7) };
        Ok(Response::new((&ack).into()))
    }

    async fn ping(&self, _: Request<v1::PingRequest>) -> Result<Response<v1::PingReply>, Status> {
        Ok(Response::new((&Identity::App(self.0.clone())).into()))
    }
}

fn term(epoch: u64) -> Term {
    Term { generation: Generation(0), epoch: Epoch(epoch), nonce: Nonce::new("n").unwrap() }
}

fn app(id: &str) -> AppId {
    AppId::new(id).unwrap()
}

async fn endpoint(who: Option<AppId>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = Server::builder().add_service(AppEndpointServer::new(App(who)));
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

#[tokio::test]
async fn only_the_one_that_was_meant_is_alive() {
    let meant = Peer::App(app("app-1"));
    assert_eq!(probe(&meant, &endpoint(Some(app("app-1"))).await).await, Finding::Alive);
    assert_eq!(probe(&meant, &endpoint(Some(app("app-2"))).await).await, Finding::Gone);
    assert_eq!(probe(&meant, &endpoint(None).await).await, Finding::Gone, "a client that has begun anew");
    let worker = Peer::Worker(tanist_core::ids::WorkerId::new("app-1").unwrap());
    assert_eq!(probe(&worker, &endpoint(Some(app("app-1"))).await).await, Finding::Gone, "no worker at all");
}

#[tokio::test]
async fn nobody_is_gone_and_silence_is_no_proof() {
    let peer = Peer::App(app("app-1"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // It takes the connection and never answers.
    assert_eq!(probe(&peer, &address).await, Finding::Silent);
    drop(listener);
    assert_eq!(probe(&peer, &address).await, Finding::Gone);
    assert_eq!(probe(&peer, "no such host:1").await, Finding::Silent);
}

#[tokio::test]
async fn a_process_that_is_dying_still_takes_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Its sockets are closed one after the other: connections are taken and cut, then nobody listens any more.
    tokio::spawn(async move {
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
        }
    });
    assert_eq!(probe(&Peer::App(app("app-1")), &address).await, Finding::Gone);
}

#[tokio::test]
async fn an_announcement_is_answered_with_what_was_heard() {
    let leader = LeaderInfo {
        cluster: ClusterId::new("c").unwrap(),
        term: term(3),
        master: MasterId::new("m1").unwrap(),
        address: "127.0.0.1:1".to_owned(),
        ui_url: String::new(),
    };
    let peer = Peer::App(app("app-1"));
    let answer = announce(&peer, &endpoint(Some(app("app-1"))).await, &leader).await;
    assert!(matches!(&answer, Answer::From(heard) if *heard == term(7)), "{answer:?}");
    let answer = announce(&peer, &endpoint(None).await, &leader).await;
    assert!(matches!(answer, Answer::Gone), "{answer:?}");
}
