//! The way to a real etcd, with everything that can go wrong on it.

mod failover;
mod identity;
mod login;
mod tls;

use std::sync::Mutex;

use etcd_client::GetOptions;
use tanist_testkit::{Etcd, free_port};

use super::*;

/// One try at one endpoint, so that a test need not wait for the others.
const ONE_TRY: Call = Call::READ.within(Duration::from_millis(900), Duration::ZERO);

/// A pool for these endpoints.
fn pool(endpoints: Vec<String>) -> Pool {
    Pool::new(&EtcdOptions::new(endpoints, "test")).unwrap()
}

/// Counts what lies below the prefix.
async fn look(pool: &Pool, call: Call) -> Result<i64, Fault> {
    let (start, end) = pool.keys().everything();
    let answer = pool.read(call, |mut client| {
        let (start, options) = (start.clone(), GetOptions::new().with_range(end.clone()).with_count_only());
        async move { client.get(start, Some(options)).await }
    });
    answer.await.map(|found| found.count())
}

/// Writes a key, in one try.
async fn put(pool: &Pool, key: &str) -> Result<(), Fault> {
    let key = [pool.keys().everything().0, key.into()].concat();
    let call = Call::COMMIT.within(Duration::from_millis(900), Duration::from_millis(900));
    let answer = pool.write(call, |mut client| {
        let key = key.clone();
        async move { client.put(key, "x", None).await }
    });
    answer.await.map(drop)
}

fn fault<T: std::fmt::Debug>(result: Result<T, Fault>) -> (Kind, String) {
    let fault = result.unwrap_err();
    (fault.kind().clone(), fault.to_string())
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let endpoint = format!("http://127.0.0.1:{}", free_port().unwrap());
    let pool = pool(vec![endpoint.clone()]);
    let refused = (Kind::NotSent, format!("etcd at {endpoint}: connection refused: nothing listens there"));
    assert_eq!(fault(put(&pool, "a").await), refused);
    assert_eq!(fault(look(&pool, ONE_TRY).await), refused);
    assert!(pool.client(Lane::Watch).await.is_ok(), "nothing is connected before it is used");
}

#[tokio::test]
async fn all_endpoints_are_named_when_none_answers() {
    let endpoints: Vec<String> = (0..2).map(|_| format!("http://127.0.0.1:{}", free_port().unwrap())).collect();
    let pool = pool(endpoints.clone());
    let (kind, text) = fault(put(&pool, "a").await);
    assert_eq!(kind, Kind::NotSent);
    assert!(endpoints.iter().all(|endpoint| text.contains(endpoint)), "{text}");
}

#[tokio::test]
async fn an_endpoint_that_speaks_something_else_is_no_etcd() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::Write;
        while let Ok((mut stream, _)) = listener.accept() {
            drop(stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n"));
        }
    });
    let pool = pool(vec![endpoint.clone()]);
    let (kind, text) = fault(look(&pool, ONE_TRY).await);
    assert_eq!(kind, Kind::Ambiguous);
    assert!(text.starts_with(&format!("etcd at {endpoint}: ")), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_member_is_silent_and_its_writes_are_in_doubt() {
    let etcd = Etcd::start(1).unwrap();
    let pool = pool(etcd.endpoints());
    put(&pool, "a").await.unwrap();
    etcd.stop(0);
    let started = Instant::now();
    let (kind, text) = fault(put(&pool, "b").await);
    assert_eq!(kind, Kind::Ambiguous);
    assert!(text.ends_with("no answer in time"), "{text}");
    assert_eq!(fault(look(&pool, ONE_TRY).await).0, Kind::Ambiguous);
    assert!(started.elapsed() < Duration::from_secs(3), "deadlines hold: {:?}", started.elapsed());
    etcd.cont(0);
    assert!(look(&pool, Call::READ).await.unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_asked_for_once() {
    let etcd = Etcd::start(1).unwrap();
    let pool = pool(etcd.endpoints());
    look(&pool, Call::READ).await.unwrap();
    let version = |endpoint: &Endpoint| endpoint.version();
    let found = tanist_testkit::wait_for("a version", Duration::from_secs(5), || version(&pool.endpoints[0]));
    assert!(found.starts_with("3."), "{found}");
    assert!(!pool.endpoints[0].take_inspection());
}
