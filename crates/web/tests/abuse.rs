//! Peers that send too much, too slowly, or nothing: each is dealt with, and the next one is served.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tanist_web::axum::Router;
use tanist_web::axum::body::Bytes;
use tanist_web::axum::extract::State;
use tanist_web::axum::http::StatusCode;
use tanist_web::axum::routing::{get, post};
use tanist_web::{Face, JwsKey, Limits, json, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Generous: machines that build are slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than any test: what ends before it was ended by the limit under test.
const FOREVER: Duration = Duration::from_secs(600);

/// Bytes of an answer that no buffers between server and peer can hold.
const LARGE: usize = 64 << 20;

struct Served {
    address: std::net::SocketAddr,
    gate: Arc<Gate>,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// Limits that no test reaches, but for those that it lowers.
fn limits() -> Limits {
    Limits { idle_timeout: FOREVER, request_timeout: FOREVER, stall_timeout: FOREVER, ..Limits::default() }
}

fn cap(connections: u32) -> NonZeroU32 {
    NonZeroU32::new(connections).unwrap()
}

/// Requests to `/held` wait for a word of the test.
struct Gate {
    entered: Semaphore,
    release: Semaphore,
}

async fn held(State(gate): State<Arc<Gate>>) -> &'static str {
    gate.entered.add_permits(1);
    gate.release.acquire().await.unwrap().forget();
    "released"
}

async fn broken() -> &'static str {
    panic!("on purpose")
}

impl Served {
    async fn start(limits: Limits, key: Option<JwsKey>) -> Self {
        let gate = Arc::new(Gate { entered: Semaphore::new(0), release: Semaphore::new(0) });
        let router = Router::new()
            .route("/echo", post(|body: Bytes| async move { body }))
            .route("/panic", get(broken))
            .route("/odd", get(|| async { StatusCode::from_u16(468).unwrap() }))
            .route("/large", get(|| async { vec![b'x'; LARGE] }))
            .route("/held", get(held).post(held))
            .with_state(gate.clone());
        let error =
            |status, why: &str| json::response(status, "application/json", &serde_json::json!({ "message": why }));
        let face = Face { name: "test", router, error: Arc::new(error), key, limits };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, face, stop.clone()));
        Self { address, gate, stop, server }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection with a request in progress that may change something.
    async fn busy(&self) -> TcpStream {
        self.in_progress("POST").await
    }

    async fn in_progress(&self, method: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(format!("{method} /held HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        timeout(PATIENCE, self.gate.entered.acquire()).await.unwrap().unwrap().forget();
        stream
    }

    /// Sends this on a new connection and reads until the server closes it.
    async fn tell(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        to_end(&mut stream).await
    }

    async fn serves(&self) {
        let answer = self.tell("POST /echo HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhi"), "{answer}");
    }
}

async fn to_end(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    let text = String::from_utf8_lossy(&heard).into_owned();
    read.unwrap_or_else(|_| panic!("the connection was not closed; heard {text:?}")).unwrap();
    text
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_refused_before_it_is_read() {
    let served = Served::start(limits(), None).await;
    let answer = served.tell(format!("POST /echo HTTP/1.1\r\nContent-Length: {}\r\n\r\n", 100 << 20)).await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
    assert!(answer.contains("Connection: close") && answer.contains("1048576 bytes that are allowed"), "{answer}");
    served.serves().await;
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused_and_its_sender_hears_so() {
    let served = Served::start(limits(), None).await;
    let mut stream = served.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    // One chunk beyond the limit; more would only show how large the buffers of this machine are.
    for _ in 0..17 {
        stream.write_all(&chunk).await.unwrap();
    }
    let answer = to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
    served.serves().await;
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_end_slow_loris() {
    let short = Duration::from_millis(200);
    let served = Served::start(Limits { idle_timeout: short, ..limits() }, None).await;
    let mut silent = served.connect().await;
    assert_eq!(to_end(&mut silent).await, "");
    let heard = served.tell("POST /echo HTTP/1.1\r\nX-Slow: ").await;
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 408"), "{heard}");
    let mut kept = served.connect().await;
    kept.write_all(b"POST /echo HTTP/1.1\r\nContent-Length: 1\r\n\r\nx").await.unwrap();
    assert!(to_end(&mut kept).await.starts_with("HTTP/1.1 200 OK"), "served, and ended once idle");

    let served = Served::start(Limits { request_timeout: short, ..limits() }, None).await;
    let answer = served.tell("POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nonly").await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
}

#[tokio::test]
async fn a_handler_that_panics_or_does_not_answer_is_an_error_in_json() {
    let served = Served::start(limits(), None).await;
    let panicked = served.tell("GET /panic HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(panicked.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{panicked}");
    assert!(panicked.contains("Content-Type: application/json") && panicked.contains("\"message\""), "{panicked}");
    served.serves().await;

    let served = Served::start(Limits { request_timeout: Duration::from_millis(200), ..limits() }, None).await;
    let late = served.tell("GET /held HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(late.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && late.contains("No answer within"), "{late}");
}

#[tokio::test]
async fn thousands_of_idle_connections_do_not_keep_anybody_out() {
    let served = Served::start(Limits { max_connections: cap(16), ..limits() }, None).await;
    let mut idle = Vec::new();
    for n in 0..2_000 {
        let mut stream = served.connect().await;
        if n % 2 == 0 {
            // An idle one that has begun to ask is idle all the same. It may be cut already.
            drop(stream.write_all(b"GET /held HTTP/1.1\r\nX-Never: ").await);
        }
        idle.push(stream);
        if idle.len() > 100 {
            idle.remove(0);
        }
    }
    served.serves().await;
}

#[tokio::test]
async fn bodies_that_never_come_do_not_keep_anybody_out() {
    let served = Served::start(Limits { max_connections: cap(2), ..limits() }, None).await;
    let mut dribbling = Vec::new();
    for _ in 0..2 {
        let mut stream = served.connect().await;
        let head = "POST /echo HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(first_line(&mut stream).await, "HTTP/1.1 100 Continue", "the server waits for the body");
        stream.write_all(b"x").await.unwrap();
        dribbling.push(stream);
    }
    served.serves().await;
}

#[tokio::test]
async fn readers_who_wait_do_not_keep_anybody_out_and_those_who_change_something_are_not_sent_away() {
    let served = Served::start(Limits { max_connections: cap(3), ..limits() }, None).await;
    let mut reading = [served.in_progress("GET").await, served.in_progress("GET").await];
    let mut changing = served.busy().await;
    served.serves().await;
    assert_eq!(to_end(&mut reading[0]).await, "", "the one that waits longest is sent away");
    served.gate.release.add_permits(2);
    assert!(to_end(&mut reading[1]).await.ends_with("released"), "one is enough");
    assert!(to_end(&mut changing).await.ends_with("released"));
}

#[tokio::test]
async fn while_all_connections_are_in_use_one_more_is_refused_politely() {
    let served = Served::start(Limits { max_connections: cap(2), ..limits() }, None).await;
    let busy = [served.busy().await, served.busy().await];
    let refused = served.tell("POST /held HTTP/1.1\r\n\r\n").await;
    assert!(
        refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && refused.contains("Retry-After: 1"),
        "{refused}"
    );
    let (_, body) = refused.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "{\n  \"message\" : \"All 2 connections are in use; try again\"\n}");
    served.gate.release.add_permits(2);
    for mut stream in busy {
        assert!(to_end(&mut stream).await.ends_with("released"));
    }
    served.serves().await;
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_answers_requests_in_progress() {
    let served = Served::start(limits(), None).await;
    let mut idle = served.connect().await;
    let mut asking = served.busy().await;
    served.stop.cancel();
    assert_eq!(to_end(&mut idle).await, "");
    served.gate.release.add_permits(1);
    let answer = to_end(&mut asking).await;
    assert!(answer.ends_with("released"), "{answer}");
    timeout(PATIENCE, served.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_does_not_cut_an_answer_that_is_being_read() {
    let served = Served::start(limits(), None).await;
    let mut reading = served.connect().await;
    reading.write_all(b"GET /large HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(first_line(&mut reading).await, "HTTP/1.1 200 OK");
    served.stop.cancel();
    let answer = to_end(&mut reading).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), LARGE);
    timeout(PATIENCE, served.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answer_is_cut() {
    let served = Served::start(Limits { stall_timeout: Duration::from_millis(200), ..limits() }, None).await;
    let mut deaf = served.connect().await;
    deaf.write_all(b"GET /large HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(first_line(&mut deaf).await, "HTTP/1.1 200 OK");
    // What is sent to a socket that was closed is refused; one that is open takes these few bytes.
    let cut = async {
        while deaf.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, cut).await.is_ok(), "the peer is cut although nobody stops the server");
    served.serves().await;
}

#[tokio::test]
async fn unread_answers_take_so_much_room_and_the_oldest_make_place() {
    let served = Served::start(Limits { max_unread: LARGE, ..limits() }, None).await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET /large HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(first_line(&mut slow).await, "HTTP/1.1 200 OK");
    let next = served.tell("GET /large HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(next.len() > LARGE, "{} bytes", next.len());
    let mut rest = Vec::new();
    let cut = timeout(PATIENCE, slow.read_to_end(&mut rest)).await.unwrap();
    assert!(cut.is_err() || rest.len() < LARGE, "whoever has not read its own makes room: {} bytes", rest.len());
}

#[tokio::test]
async fn odd_requests_get_an_answer_and_odd_statuses_a_reason() {
    let served = Served::start(limits(), None).await;
    let odd = served.tell("GET /odd HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(odd.starts_with("HTTP/1.1 468 468\r\n"), "{odd}");
    let large = format!("GET / HTTP/1.1\r\nX-Large: {}\r\n\r\n", "x".repeat(64 << 10));
    let answer = served.tell(large).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    for nonsense in ["\r\n\r\nnonsense\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let answer = served.tell(nonsense).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{nonsense:?}: {answer}");
    }
    let both = "POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nx";
    let answer = served.tell(both).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    served.serves().await;
}

#[tokio::test]
async fn without_a_token_nothing_is_read_re_18_t_rs_28() {
    let key = JwsKey::from_base64url(&"A".repeat(43)).unwrap();
    let served = Served::start(limits(), Some(key)).await;
    let answer = served.tell("POST /echo HTTP/1.1\r\nContent-Length: 1000\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(answer.contains("Authorization header is missing."), "{answer}");
}
