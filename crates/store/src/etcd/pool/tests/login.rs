//! Users and passwords.

use super::*;
use crate::etcd::options::Credentials;

fn pool_of(etcd: &Etcd, user: &str, password: &str) -> Pool {
    let mut options = EtcdOptions::new(etcd.endpoints(), "test");
    options.credentials = Some(Credentials { user: user.to_owned(), password: password.to_owned() });
    Pool::new(&options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_are_told_apart_and_made_anew() {
    let etcd = Etcd::start(1).unwrap();
    let early = pool_of(&etcd, "master", "secret");
    look(&early, Call::READ).await.unwrap();

    let users = [("master", "secret", "/tanist/test/v1/"), ("other", "secret", "/somewhere/else/")];
    etcd.admin().enable_auth("root", &users).unwrap();
    look(&early, Call::READ).await.expect("a login that was configured before etcd asked for it");
    put(&early, "a").await.unwrap();

    let wrong = pool_of(&etcd, "master", "wrong");
    let (kind, text) = fault(look(&wrong, Call::READ).await);
    assert_eq!(kind, Kind::Refused(Reason::WrongLogin));
    assert!(text.contains(&etcd.endpoints()[0]) && text.contains("wrong user name or password"), "{text}");
    // Checking a password is work for etcd: a frozen one cannot have been asked again, on whatever lane.
    etcd.stop(0);
    for lane in [Lane::Requests, Lane::Lease, Lane::Watch, Lane::Bulk] {
        let refused = wrong.client(lane).await.err().unwrap();
        assert!(refused.is_reason(&Reason::WrongLogin), "{lane:?}: {refused}");
    }
    etcd.cont(0);

    let other = pool_of(&etcd, "other", "secret");
    let (kind, text) = fault(look(&other, Call::READ).await);
    assert_eq!(kind, Kind::Refused(Reason::Forbidden));
    assert!(text.contains("may not read and write below this prefix"), "{text}");
    assert_eq!(fault(put(&other, "a").await).0, Kind::Refused(Reason::Forbidden));

    let nobody = pool(etcd.endpoints());
    let (kind, text) = fault(look(&nobody, Call::READ).await);
    assert_eq!(kind, Kind::Refused(Reason::StaleLogin));
    assert!(text.contains("it asks for a user"), "{text}");

    // Tokens are kept in memory: none from before is valid any more.
    etcd.restart(0).unwrap();
    assert_eq!(look(&early, Call::READ).await.unwrap(), 1);
    put(&early, "b").await.unwrap();
    let mut lent = early.client(Lane::Lease).await.unwrap();
    early.ask(lent.at, Duration::from_secs(1), lent.client.lease_grant(5, None)).await.unwrap();
}
