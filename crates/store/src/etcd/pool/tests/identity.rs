//! Another etcd answers at an address of ours.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::*;

fn address(etcd: &Etcd) -> SocketAddr {
    etcd.endpoints()[0].strip_prefix("http://").unwrap().parse().unwrap()
}

/// Leads every connection to whoever is behind the address at that moment.
async fn switchboard(target: Arc<Mutex<SocketAddr>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let target = *target.lock().unwrap();
            tokio::spawn(async move {
                if let Ok(mut far) = TcpStream::connect(target).await {
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                }
            });
        }
    });
    endpoint
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_etcd_behind_the_same_address_ends_everything() {
    let (ours, other) = (Etcd::start(1).unwrap(), Etcd::start(1).unwrap());
    let target = Arc::new(Mutex::new(address(&ours)));
    let endpoint = switchboard(Arc::clone(&target)).await;
    let pool = pool(vec![endpoint.clone()]);
    put(&pool, "a").await.unwrap();

    *target.lock().unwrap() = address(&other);
    ours.kill(0);
    let (kind, text) = fault(look(&pool, Call::READ).await);
    assert!(matches!(&kind, Kind::Refused(Reason::Foreign(foreign)) if foreign.endpoint == endpoint), "{kind:?}");
    assert!(text.contains("answers as another etcd cluster") && text.contains(&endpoint), "{text}");

    ours.restart(0).unwrap();
    *target.lock().unwrap() = address(&ours);
    other.kill(0);
    assert_eq!(fault(look(&pool, ONE_TRY).await).0, kind, "only an operator ends this");
    assert_eq!(fault(put(&pool, "b").await).0, kind);
    assert_eq!(fault(pool.client(Lane::Watch).await.map(|lent| lent.at)).0, kind);
    let foreign = pool.client(Lane::Lease).await.err().unwrap().reading("reading ha/leader");
    assert!(matches!(foreign, crate::StoreError::ForeignStore(_)), "{foreign}");
    assert!(!foreign.retryable());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_of_two_clusters_are_found_out_at_the_failover() {
    let (ours, other) = (Etcd::start(1).unwrap(), Etcd::start(1).unwrap());
    let pool = pool([ours.endpoints(), other.endpoints()].concat());
    put(&pool, "a").await.unwrap();
    ours.kill(0);
    let (kind, _) = fault(look(&pool, Call::READ).await);
    let foreign_at = other.endpoints().remove(0);
    assert!(matches!(&kind, Kind::Refused(Reason::Foreign(foreign)) if foreign.endpoint == foreign_at), "{kind:?}");
}
