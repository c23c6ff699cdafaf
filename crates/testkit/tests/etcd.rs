//! The kit's own etcd does what tests rely on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use tanist_testkit::{Etcd, free_port, wait_for};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn content_can_be_written_read_listed_and_compacted() {
    let etcd = Etcd::start(1).unwrap();
    let admin = etcd.admin();
    admin.put("/a/1", b"one").unwrap();
    admin.put("/a/2", b"two").unwrap();
    admin.put("/b", b"other").unwrap();
    let keys: Vec<String> = admin.list("/a/").unwrap().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["/a/1", "/a/2"]);
    assert_eq!(admin.get("/b").unwrap().unwrap().value, b"other");
    assert!(admin.delete("/b").unwrap() && !admin.delete("/b").unwrap());
    admin.compact(admin.revision().unwrap()).unwrap();
    let lease = admin.grant(60).unwrap();
    assert_eq!(admin.leases().unwrap(), [lease]);
    admin.revoke(lease).unwrap();
    assert!(admin.leases().unwrap().is_empty());
    admin.raise_no_space().unwrap();
    assert_eq!(admin.alarms().unwrap(), ["NOSPACE"]);
    assert!(admin.put("/a/3", b"three").is_err());
    admin.disarm().unwrap();
    admin.put("/a/3", b"three").unwrap();
    admin.enable_auth("secret", &[("tanist", "word", "/tanist/")]).unwrap();
    admin.put("/a/4", b"four").unwrap();
}

#[test]
fn no_port_is_given_twice() {
    const GIVEN: usize = 2000;
    let ports: BTreeSet<u16> = (0..GIVEN).map(|_| free_port().unwrap()).collect();
    assert_eq!(ports.len(), GIVEN);
}

#[test]
fn members_can_die_freeze_and_come_back() {
    let etcd = Etcd::start(3).unwrap();
    etcd.admin().put("/kept", b"yes").unwrap();
    let first = wait_for("a leader", SOON, || etcd.leader());
    etcd.kill(first);
    let second = wait_for("another leader", SOON, || etcd.leader());
    assert_ne!(first, second);
    assert_eq!(etcd.admin().get("/kept").unwrap().unwrap().value, b"yes");
    etcd.restart(first).unwrap();
    etcd.stop(second);
    wait_for("a third leader", SOON, || etcd.leader().filter(|&leader| leader != second));
    etcd.cont(second);
    etcd.kill_all();
    assert!(etcd.admin().get("/kept").is_err());
    etcd.start_all().unwrap();
    assert_eq!(etcd.admin().get("/kept").unwrap().unwrap().value, b"yes");
}
