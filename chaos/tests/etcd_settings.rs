//! Masters that are set up wrongly, or let out by etcd: they say what is wrong, go on waiting, and harm nobody.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::Value;
use tanist_chaos::{Office, Program, SOON, Slot, history};
use tanist_testkit::{Cluster, Etcd, InEtcd, Node, Shape, Store, tanist, wait_for};

/// For so long a master that cannot stand is watched: it would have ended and come back several times.
const WATCHED: Duration = Duration::from_secs(5);
/// More lines than a master has to say in that time.
const CHATTER: usize = 60;

fn in_etcd(etcd: &Etcd, flags: &[&str]) -> Store {
    let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
    Store::Etcd(InEtcd { endpoints: etcd.endpoint_list(), cluster: "test".to_owned(), flags })
}

/// Waits until all these words are in what a master explains.
fn assert_explains(address: &str, words: &[&str]) {
    let mut last = String::new();
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        let explained = tanist(address, &["ctl", "explain", "--output", "json"]).unwrap().join().unwrap().unwrap();
        last = explained.stdout.to_lowercase();
        if words.iter().all(|word| last.contains(word)) {
            return;
        }
    }
    panic!("{words:?} are not all in {last}");
}

/// A master beside a cluster, that is to say all these words and to wait.
fn assert_waits(cluster: &Cluster, name: &str, etcd: &str, flags: &[&str], words: &[&str]) -> Node {
    let log = cluster.directory().join(format!("{name}.log"));
    let arguments = ["master", "--id", name, "--host", "127.0.0.1", "--port", "0", "--etcd", etcd];
    let mut stranger = Node::start(&[&arguments[..], flags].concat(), &log).unwrap();
    let began = Instant::now();
    assert_explains(&stranger.address, words);
    wait_for("some time", WATCHED * 2, || (began.elapsed() >= WATCHED).then_some(()));
    assert!(stranger.runs(), "{}", stranger.said());
    let lines = stranger.said().lines().count();
    assert!(lines < CHATTER, "{lines} lines: {}", stranger.said());
    stranger
}

#[test]
fn a_wrong_password_a_foreign_prefix_and_a_missing_permission_are_told_and_waited_out() {
    let _slot = Slot::take();
    let etcd = Etcd::start(1).unwrap();
    etcd.admin().enable_auth("root's", &[("tanist", "right", "/tanist/")]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let password = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (password("right", "right\n"), password("wrong", "wrong\n"));
    let user = ["--etcd-user", "tanist", "--etcd-password-file", &right];
    let store = in_etcd(&etcd, &user);
    let mut cluster = Cluster::start(Shape { workers: 1, store, ..Shape::default() }).unwrap();
    let program = Program::start(&cluster, &[]);
    let office = Office::wait(&cluster, SOON);
    let at = etcd.endpoint_list();
    let locked_out = ["--etcd-user", "tanist", "--etcd-password-file", &wrong, "--cluster", "test"];
    let foreigner = [&user[..], &["--cluster", "other", "--etcd-prefix", "/tanist/test/v1/"]].concat();
    let forbidden = [&user[..], &["--cluster", "test", "--etcd-prefix", "/elsewhere/"]].concat();
    let mut strangers = [
        assert_waits(&cluster, "locked-out", &at, &locked_out, &["password"]),
        assert_waits(&cluster, "foreigner", &at, &foreigner, &["belongs to cluster 'test', not 'other'", "prefix"]),
        assert_waits(&cluster, "forbidden", &at, &forbidden, &["permission"]),
    ];
    assert_eq!(Office::wait(&cluster, SOON), office, "nobody noticed");
    // Even when there is an office to be had, none of them takes it.
    cluster.masters[office.master].kill_nine();
    let next = office.wait_for_next(&cluster, SOON);
    assert_eq!(next.epoch, office.epoch + 1);
    assert!(strangers.iter_mut().all(Node::runs));
    assert_eq!(history(&cluster).len(), 2);
    program.finish(&cluster, 1);
}

/// An authority, and certificates of it for etcd.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(directory: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ours = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(directory.join("ca.pem"), ours.pem()).unwrap();
        Self(ours)
    }

    /// Writes `cert.pem` and `key.pem`; valid until the end of a year.
    fn issue(&self, directory: &Path, until: i32) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
        fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    }
}

#[test]
fn a_certificate_of_etcd_that_expires_suspends_the_leader_and_is_told() {
    let _slot = Slot::take();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let authority = Authority::new(directory.path());
    authority.issue(directory.path(), 2100);
    let (cert, key) = (format!("--cert-file={}", path("cert.pem")), format!("--key-file={}", path("key.pem")));
    let etcd = Etcd::with_flags(1, &[&cert, &key]).unwrap();
    assert!(etcd.endpoint_list().starts_with("https://"));
    let store = in_etcd(&etcd, &["--etcd-ca", &path("ca.pem")]);
    let mut cluster = Cluster::start(Shape { workers: 1, store, ..Shape::default() }).unwrap();
    let program = Program::start(&cluster, &[]);
    let office = Office::wait(&cluster, SOON);
    authority.issue(directory.path(), 2001);
    etcd.restart(0).unwrap();
    assert_explains(&cluster.addresses(), &["certificate", "expired", "suspended"]);
    assert!(cluster.masters.iter_mut().all(Node::runs));
    assert_eq!(program.processes().len(), 1);
    authority.issue(directory.path(), 2100);
    etcd.restart(0).unwrap();
    assert_eq!(Office::wait(&cluster, SOON), office, "same leader, same term");
    wait_for("the standby is content as well", SOON, || {
        (cluster.ctl(&["explain"])["findings"] == Value::Array(Vec::new())).then_some(())
    });
    program.finish(&cluster, 1);
}
