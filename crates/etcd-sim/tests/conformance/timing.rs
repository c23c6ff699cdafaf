//! What random operations cannot compare, because time has a part in it.

use std::time::Duration;

use etcd_client::{Client, PutOptions, WatchOptions};
use tokio::time::{Instant, timeout};

use crate::pair::{connect, real, simulated};

/// How much longer than its time a lease may live: a scan, and the way of the news.
const GRACE: Duration = Duration::from_secs(1);

/// From before the grant to the news that the key is gone, and from after the binding.
async fn life(mut client: Client, ttl: u64, key: String) -> (Duration, Duration) {
    let before = Instant::now();
    let lease = client.lease_grant(i64::try_from(ttl).unwrap(), None).await.unwrap();
    let bound = Instant::now();
    let options = PutOptions::new().with_lease(lease.id());
    let put = client.put(key.clone(), "", Some(options)).await.unwrap();
    let after = WatchOptions::new().with_start_revision(put.header().unwrap().revision() + 1);
    let mut watch = client.watch(key, Some(after)).await.unwrap();
    let news = async { while watch.message().await.unwrap().unwrap().events().is_empty() {} };
    timeout(Duration::from_secs(30), news).await.expect("a lease that nobody renews ends");
    (before.elapsed(), bound.elapsed())
}

/// No lease of either ends early; and not late, where the machine lets it: the quicker half.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_end_in_their_time() {
    let (etcd, real) = real().await;
    let (host, simulated) = simulated();
    for endpoint in [real, simulated] {
        let client = connect(&endpoint).await;
        let lives: Vec<_> =
            (0..24).map(|n| (2 + n % 3, tokio::spawn(life(client.clone(), 2 + n % 3, format!("{n}"))))).collect();
        let mut late = Vec::new();
        for (ttl, life) in lives {
            let (longest, shortest) = life.await.unwrap();
            let ttl = Duration::from_secs(ttl);
            assert!(longest >= ttl, "{endpoint}: a lease of {ttl:?} ended after {longest:?}");
            late.push(shortest.saturating_sub(ttl));
        }
        late.sort_unstable();
        println!("{endpoint}: leases end {:?} to {:?} late", late[0], late[late.len() - 1]);
        assert!(late[late.len() / 2] <= GRACE, "{endpoint}: {late:?}");
    }
    drop((etcd, host));
}

/// Messages of a watch that catches up: how many events each has, and whether more of the same is to come.
async fn catch_up(endpoint: &str, key: &str, from: i64, events: usize, options: WatchOptions) -> Vec<(usize, bool)> {
    let mut client = connect(endpoint).await.watch_client().max_decoding_message_size(64 << 20);
    let options = options.with_prefix().with_start_revision(from);
    let mut watch = client.watch(key, Some(options)).await.unwrap();
    let mut messages = Vec::new();
    while messages.iter().map(|(events, _)| events).sum::<usize>() < events {
        let message = timeout(Duration::from_secs(30), watch.message()).await.unwrap().unwrap().unwrap();
        if !message.created() {
            messages.push((message.events().len(), is_fragment(&message)));
        }
    }
    messages
}

/// The library has no word for it.
fn is_fragment(message: &etcd_client::WatchResponse) -> bool {
    format!("{message:?}").contains("fragment: true")
}

/// Long pasts come in as many pieces, of the same sizes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_catch_up_in_the_same_pieces() {
    let (etcd, real) = real().await;
    let (host, simulated) = simulated();
    let mut seen = Vec::new();
    for endpoint in [&real, &simulated] {
        let mut client = connect(endpoint).await;
        for _ in 0..5 {
            client.put("large", vec![7; 1_000_000], None).await.unwrap();
        }
        let first = client.put("small", "", None).await.unwrap().header().unwrap().revision();
        for _ in 1..2100 {
            client.put("small", "", None).await.unwrap();
        }
        seen.push([
            catch_up(endpoint, "large", 1, 5, WatchOptions::new().with_fragment()).await,
            catch_up(endpoint, "large", 1, 5, WatchOptions::new()).await,
            catch_up(endpoint, "small", first, 2100, WatchOptions::new()).await,
        ]);
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0][0].len() > 1, "there were fragments: {:?}", seen[0][0]);
    drop((etcd, host));
}
