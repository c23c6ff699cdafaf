//! Spark's programs that watch their worker (DW-05), on the port where masters call it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tanist_spark::Frame;
use tanist_spark::auth::{Auth, Channel, Cipher, Encryption, EngineVersion, Random, Secret, Side};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::fake_master::{FakeMaster, script};
use crate::rig::{PATIENCE, TestWorker};

/// `CheckExistence` of the given endpoint as Spark 4.1.4 asks it, from a program that does not listen.
fn check_existence(endpoint: &str) -> Vec<u8> {
    let utf = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let body = [
        &[0, 1][..],
        &utf("127.0.0.1"),
        &7078i32.to_be_bytes(),
        &utf("endpoint-verifier"),
        b"\xAC\xED\0\x05\x73\x72",
        &utf("org.apache.spark.rpc.netty.RpcEndpointVerifier$CheckExistence"),
        &0x4AA5_1E9E_E4C1_9AC4u64.to_be_bytes(),
        b"\x02\0\x01L",
        &utf("name"),
        b"\x74",
        &utf("Ljava/lang/String;"),
        b"\x78\x70\x74",
        &utf(endpoint),
    ]
    .concat();
    let length = u64::try_from(8 + 1 + 8 + 4 + body.len()).unwrap();
    let header =
        [&length.to_be_bytes()[..], &[3], &42u64.to_be_bytes(), &u32::try_from(body.len()).unwrap().to_be_bytes()];
    [&header.concat()[..], &body].concat()
}

struct Watcher(TcpStream);

impl Watcher {
    async fn connect(worker: &TestWorker) -> Self {
        let address: SocketAddr = worker.handle.address().parse().unwrap();
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The last byte of the answer, 68 bytes as Spark's own, is the boolean.
    async fn hears(&mut self) -> bool {
        let mut answer = [0; 68];
        timeout(PATIENCE, self.0.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!((&answer[..9], &answer[9..17]), (&[0, 0, 0, 0, 0, 0, 0, 68, 4][..], &42u64.to_be_bytes()[..]));
        answer[67] == 1
    }

    /// Hands on what comes next.
    async fn receive(&mut self, channel: &mut Channel) {
        let mut piece = [0; 1024];
        let count = timeout(PATIENCE, self.0.read(&mut piece)).await.unwrap().unwrap();
        assert!(count > 0, "the worker has closed the connection");
        channel.receive(&piece[..count]);
    }

    /// What still comes until the connection is closed.
    async fn end(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // Reset instead of closed is an end as well.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.unwrap();
        rest
    }

    /// Whether it stands: nothing comes, and no end either.
    async fn stands(&mut self) -> bool {
        timeout(Duration::from_millis(50), self.0.read_u8()).await.is_err()
    }
}

#[tokio::test]
async fn dw_05_t_ww_01_a_watcher_is_answered_and_keeps_its_connection_until_the_worker_dies() {
    let (mut master, worker, mut session) = TestWorker::with_a_master().await;
    let mut watcher = Watcher::connect(&worker).await;
    let question = check_existence("Worker");
    // In pieces, as a network may deliver it.
    for piece in question.chunks(60) {
        watcher.say(piece).await;
    }
    assert!(watcher.hears().await);
    watcher.say(&[check_existence("Master"), question].concat()).await;
    assert!(!watcher.hears().await && watcher.hears().await, "two questions at once");

    // Masters use the same port meanwhile.
    session.launch_driver("driver-1", script("exit 0")).await;
    session.outcome("driver-1").await;
    drop(session);
    let (_session, _) = master.registered().await;
    assert!(watcher.stands().await, "the loss of a session is not the worker's end");
    let _dir = worker.die().await;
    assert_eq!(watcher.end().await, b"");
}

#[tokio::test]
async fn t_ww_02_the_end_of_one_watcher_is_not_that_of_another() {
    let master = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&master]).await;
    let (mut stays, mut leaves) = (Watcher::connect(&worker).await, Watcher::connect(&worker).await);
    for watcher in [&mut stays, &mut leaves] {
        watcher.say(&check_existence("Worker")).await;
        assert!(watcher.hears().await);
    }
    drop(leaves);
    assert!(stays.stands().await);
    stays.say(&check_existence("Worker")).await;
    assert!(stays.hears().await);
}

#[tokio::test]
async fn dw_05_watchers_are_let_go_when_the_worker_has_stopped() {
    let mut master = FakeMaster::start(1).await;
    let mut worker = TestWorker::start(&[&master]).await;
    let (_session, _) = master.registered().await;
    let mut watcher = Watcher::connect(&worker).await;
    watcher.say(&check_existence("Worker")).await;
    assert!(watcher.hears().await);
    worker.shut_down();
    assert_eq!(watcher.end().await, b"");
    let (exit, _dir) = worker.ended().await;
    assert_eq!(exit.unwrap().code, 0);
}

fn auth(side: Side, secret: &str, encryption: Option<Encryption>) -> Arc<Auth> {
    let secret = Secret::new(secret.to_owned()).unwrap();
    let random = Random::new(|bytes| {
        bytes.fill_with(|| uuid::Uuid::new_v4().as_bytes()[0]);
        true
    });
    Arc::new(Auth { secret, encryption, side, random })
}

/// A program that proves itself; its next frames, or how it was refused.
async fn proven(worker: &TestWorker, auth: Arc<Auth>) -> (Watcher, Channel, Result<(), String>) {
    let mut watcher = Watcher::connect(worker).await;
    let mut channel = Channel::dialled(Some(auth), 1024).unwrap();
    while !channel.is_open() {
        watcher.say(&channel.outgoing()).await;
        watcher.receive(&mut channel).await;
        if let Err(error) = channel.frame() {
            return (watcher, channel, Err(error.to_string()));
        }
    }
    (watcher, channel, Ok(()))
}

#[tokio::test]
async fn se_01_watchers_prove_that_they_know_the_secret() {
    let engine = |cipher| Some(Encryption { engine: EngineVersion::Two, cipher, sasl_fallback: false });
    for encryption in [None, engine(Cipher::Ctr), engine(Cipher::Gcm)] {
        let mut master = FakeMaster::start(1).await;
        let worker = TestWorker::start_with(&[&master], |options| {
            options.auth = Some(auth(Side::Cluster, "hunter2", encryption));
        })
        .await;
        let (_session, _) = master.registered().await;
        let (mut watcher, mut channel, known) = proven(&worker, auth(Side::Application, "hunter2", encryption)).await;
        assert_eq!(known, Ok(()));
        let question = check_existence("Worker");
        channel.send(&Frame::first(&question, 1024).unwrap().unwrap().0).unwrap();
        watcher.say(&channel.outgoing()).await;
        let answer = loop {
            watcher.receive(&mut channel).await;
            if let Some(frame) = channel.frame().unwrap() {
                break frame.into_owned();
            }
        };
        let Frame::Response { id: 42, body } = answer else { panic!("{answer:?}") };
        assert_eq!(body.last(), Some(&1));
        assert!(watcher.stands().await);

        let (refused, _, why) = proven(&worker, auth(Side::Application, "hunter3", encryption)).await;
        let wanted = if encryption.is_some() { "Authentication failed." } else { "Mismatched response." };
        assert!(why.unwrap_err().ends_with(wanted));
        assert_eq!(refused.end().await, b"");
        // Who does not prove anything is told so, and not answered.
        let mut stranger = Watcher::connect(&worker).await;
        stranger.say(&question).await;
        let said = stranger.end().await;
        let Some((Frame::Failure { id: 42, text }, _)) = Frame::first(&said, 1024).unwrap() else { panic!("{said:?}") };
        assert!(text.contains("Expected SaslMessage") || text.contains("Unknown challenge message."), "{text}");
        assert!(watcher.stands().await, "the others are not disturbed");
    }
}

#[tokio::test]
async fn se_01_watchers_speak_tls_where_it_is_wanted() {
    let own = rcgen::generate_simple_self_signed(["worker".to_owned()]).unwrap();
    let certificate = own.cert.der().clone();
    let key = own.signing_key.serialize_der().try_into().unwrap();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key);
    let server = Arc::new(server.unwrap());
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());

    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start_with(&[&master], |options| options.tls = Some(server)).await;
    let (mut session, _) = master.registered().await;
    let Watcher(stream) = Watcher::connect(&worker).await;
    let name = "worker".try_into().unwrap();
    let mut stream = timeout(PATIENCE, TlsConnector::from(client).connect(name, stream)).await.unwrap().unwrap();
    stream.write_all(&check_existence("Worker")).await.unwrap();
    let mut answer = [0; 68];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer[67], 1);

    let mut plain = Watcher::connect(&worker).await;
    plain.say(&check_existence("Worker")).await;
    assert_eq!(plain.end().await, b"");
    // Masters go on as before.
    session.launch_driver("driver-1", script("exit 0")).await;
    session.outcome("driver-1").await;
}

#[tokio::test]
async fn what_is_neither_grpc_nor_spark_is_closed() {
    let master = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&master]).await;
    let oversized = 1_000_000u64.to_be_bytes();
    let unknown_type = [&20u64.to_be_bytes()[..], &[6]].concat();
    let (get, post) = (b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n");
    for bytes in [&get[..], post, b"\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03", &oversized, &unknown_type] {
        let mut stranger = Watcher::connect(&worker).await;
        stranger.say(bytes).await;
        assert_eq!(stranger.end().await, b"", "{bytes:?}");
    }
    // A request for something else is refused, and the connection stays.
    let mut other = Watcher::connect(&worker).await;
    let sasl = [&26u64.to_be_bytes()[..], &[3], &42u64.to_be_bytes(), &5u32.to_be_bytes(), b"\xEAsasl"].concat();
    other.say(&sasl).await;
    let mut start = [0; 9];
    timeout(PATIENCE, other.0.read_exact(&mut start)).await.unwrap().unwrap();
    assert_eq!(start[8], 5, "a failure");
}
