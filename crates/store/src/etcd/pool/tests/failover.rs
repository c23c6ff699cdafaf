//! One of three members fails.

use super::*;

/// Ordinary reads do not take longer than this when a member that is not etcd's leader is gone: one refused connection
/// and a pause. The rest is for a machine that is busy.
const PROMPTLY: Duration = Duration::from_secs(1);

/// With the longest change of etcd's leader that was seen, 3 s.
const WITH_ELECTION: Duration = Duration::from_secs(5);

async fn longest_read(pool: &Pool, reads: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..reads {
        let started = Instant::now();
        look(pool, Call::READ).await.unwrap();
        longest = longest.max(started.elapsed());
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_succeeds_when_a_member_is_gone() {
    let etcd = Etcd::start(3).unwrap();
    let leader = tanist_testkit::wait_for("a leader", WITH_ELECTION, || etcd.leader());
    // First the one that is killed, so that it is the current one; it does not lead.
    let mut endpoints = etcd.endpoints();
    let victim = (leader + 1) % 3;
    endpoints.rotate_left(victim);
    let pool = pool(endpoints);
    put(&pool, "a").await.unwrap();
    longest_read(&pool, 20).await;
    assert_eq!(pool.order()[0], 0, "nobody moves without need");

    etcd.kill(victim);
    let longest = longest_read(&pool, 200).await;
    assert!(longest < PROMPTLY, "{longest:?}");
    assert_eq!(pool.order(), [1, 2, 0], "the dead one is last");
    put(&pool, "b").await.unwrap();

    etcd.restart(victim).unwrap();
    longest_read(&pool, 20).await;
    assert_eq!(pool.order()[0], 1, "nobody moves back without need");

    // Now the leader of etcd, whichever place it has.
    let leader = tanist_testkit::wait_for("a leader", WITH_ELECTION, || etcd.leader());
    etcd.kill(leader);
    let longest = longest_read(&pool, 50).await;
    assert!(longest < WITH_ELECTION, "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_lanes_leave_an_endpoint_that_one_has_found_silent() {
    let etcd = Etcd::start(3).unwrap();
    let leader = tanist_testkit::wait_for("a leader", WITH_ELECTION, || etcd.leader());
    let mut endpoints = etcd.endpoints();
    let victim = (leader + 1) % 3;
    endpoints.rotate_left(victim);
    let pool = pool(endpoints);
    look(&pool, Call::READ).await.unwrap();
    etcd.stop(victim);
    let mut lent = pool.client(Lane::Lease).await.unwrap();
    let grant = pool.ask(lent.at, Duration::from_millis(200), lent.client.lease_grant(5, None)).await;
    assert_eq!(fault(grant.map(drop)).0, Kind::Ambiguous);
    for lane in [Lane::Requests, Lane::Lease, Lane::Watch, Lane::Bulk] {
        assert_eq!(pool.client(lane).await.unwrap().at.endpoint, 1);
    }
    let longest = longest_read(&pool, 20).await;
    assert!(longest < PROMPTLY, "{longest:?}");
    etcd.cont(victim);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_goes_to_the_next_endpoint_while_nothing_was_sent() {
    let etcd = Etcd::start(1).unwrap();
    let dead = format!("http://127.0.0.1:{}", free_port().unwrap());
    let pool = pool(vec![dead, etcd.endpoints().remove(0)]);
    put(&pool, "a").await.unwrap();
    assert_eq!(pool.order(), [1, 0]);
    assert_eq!(look(&pool, Call::READ).await.unwrap(), 1);
}

#[test]
fn a_failed_endpoint_rests_and_is_asked_again_after_that() {
    let pool = pool(vec!["http://a.invalid:1".to_owned(), "http://b.invalid:1".to_owned()]);
    assert_eq!(pool.order(), [0, 1]);
    pool.failed(At { endpoint: 0, generation: 7 });
    assert_eq!(pool.order(), [0, 1], "what befalls other connections than the present ones is no news");
    pool.failed(pool.at(0));
    assert_eq!(pool.order(), [1, 0]);
    let rested = Instant::now() + Duration::from_secs(10);
    assert_eq!(pool.order_at(rested), [1, 0], "the new one is kept");
    pool.failed(pool.at(1));
    assert_eq!(pool.order_at(rested), [1, 0], "everybody rests: nowhere to move to");
    pool.see(pool.at(0), None).unwrap();
    assert_eq!(pool.order(), [0, 1], "the one that answers is preferred to one that rests");
    pool.see(pool.at(1), None).unwrap();
    assert_eq!(pool.order(), [0, 1]);
}
