//! Programs of Spark that prove themselves, and masters and workers that do so to them (SE-01). These take minutes: `cargo xtask spark`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use tanist_testkit::{Node, Shape, Spark, SparkWorker, kill_nine, wait_for};

use crate::world::{SLOWLY, World};

/// The secret of the clusters.
const SECRET: &str = "correct horse battery staple";

/// Where it stands, and our certificate, and Spark's.
const SECRET_FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/spark.secret");
const CERT_FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/spark-host.pem");
const KEY_FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/spark-host-key.pem");
const KEY_STORE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/spark.p12");
const PASSWORD: &str = "battery staple";
/// What a worker knows of Spark's certificate: the password alone, which applications do not send to their executors.
const SSL_SETTINGS: &str = "rpc.keyStorePassword=battery staple,rpc.keyPassword=battery staple";

/// One way in which a cluster is protected: what its applications have, our flags for the same, and what a driver with
/// another secret says.
struct Protection {
    /// The first release that knows it, by its first number.
    since: u32,
    properties: &'static [(&'static str, &'static str)],
    flags: &'static [&'static str],
    refusal: &'static str,
}

const AUTHENTICATED: (&str, &str) = ("spark.authenticate", "true");
const ENCRYPTED: (&str, &str) = ("spark.network.crypto.enabled", "true");

const PROTECTIONS: [Protection; 4] = [
    Protection { since: 3, properties: &[AUTHENTICATED], flags: &[], refusal: "Mismatched response" },
    Protection {
        since: 3,
        properties: &[AUTHENTICATED, ENCRYPTED, ("spark.network.crypto.saslFallback", "false")],
        flags: &["--auth-encrypt", "true", "--auth-sasl-fallback", "false"],
        refusal: "Authentication failed",
    },
    Protection {
        since: 3,
        properties: &[
            AUTHENTICATED,
            ENCRYPTED,
            ("spark.network.crypto.authEngineVersion", "2"),
            ("spark.network.crypto.cipher", "AES/GCM/NoPadding"),
            ("spark.network.crypto.saslFallback", "false"),
        ],
        flags: &[
            "--auth-encrypt",
            "true",
            "--auth-engine-version",
            "2",
            "--auth-cipher",
            "AES/GCM/NoPadding",
            "--auth-sasl-fallback",
            "false",
        ],
        refusal: "Authentication failed",
    },
    Protection {
        since: 4,
        properties: &[
            AUTHENTICATED,
            ("spark.ssl.rpc.enabled", "true"),
            ("spark.ssl.rpc.keyStore", KEY_STORE),
            ("spark.ssl.rpc.keyStoreType", "PKCS12"),
            ("spark.ssl.rpc.keyStorePassword", PASSWORD),
            ("spark.ssl.rpc.keyPassword", PASSWORD),
            ("spark.ssl.rpc.protocol", "TLSv1.3"),
        ],
        flags: &["--auth-tls-cert", CERT_FILE, "--auth-tls-key", KEY_FILE],
        refusal: "Mismatched response",
    },
];

/// Writes all files, once.
static FILES: LazyLock<()> = LazyLock::new(|| {
    fs::write(SECRET_FILE, SECRET).unwrap();
    let own = rcgen::generate_simple_self_signed(["tanist".to_owned()]).unwrap();
    fs::write(CERT_FILE, own.cert.pem()).unwrap();
    fs::write(KEY_FILE, own.signing_key.serialize_pem()).unwrap();
    drop(fs::remove_file(KEY_STORE));
    let mut keytool = Command::new("keytool");
    keytool.args(["-genkeypair", "-alias", "spark", "-keyalg", "EC", "-dname", "CN=spark", "-validity", "2"]);
    keytool.args(["-storetype", "PKCS12", "-keystore", KEY_STORE, "-storepass", PASSWORD]);
    let made = keytool.output().unwrap();
    assert!(made.status.success(), "{made:?}");
});

impl Protection {
    fn flags(&self) -> Vec<&'static str> {
        LazyLock::force(&FILES);
        [&["--auth-enabled", "true", "--auth-secret-file", SECRET_FILE], self.flags].concat()
    }

    /// As options of `spark-submit`.
    fn options(&self) -> Vec<String> {
        let properties = self.properties.iter().map(|(name, value)| format!("{name}={value}"));
        properties.flat_map(|property| ["--conf".to_owned(), property]).collect()
    }
}

/// Each release of Spark, protected in each way that it knows.
fn ways() -> impl Iterator<Item = (Spark, &'static Protection)> {
    let knows = |spark: &Spark, protection: &Protection| {
        let first = spark.version.split('.').next().and_then(|number| number.parse::<u32>().ok());
        first >= Some(protection.since)
    };
    let each = |spark: Spark| PROTECTIONS.iter().map(move |protection| (spark.clone(), protection));
    Spark::releases().into_iter().flat_map(each).filter(move |(spark, protection)| knows(spark, protection))
}

/// What applications have beside it.
fn secret(text: &str) -> [(&str, &str); 1] {
    [("spark.authenticate.secret", text)]
}

/// A cluster that is protected so.
fn world(spark: &Spark, protection: &Protection) -> World {
    let own = ["--log", "info,tanist_worker=debug", "--ssl-settings", SSL_SETTINGS];
    let worker_flags = [&protection.flags()[..], &own].concat();
    World::with(spark, Shape { master_flags: protection.flags(), worker_flags, ..Shape::default() })
}

/// What masters and workers have logged.
fn logged(world: &World) -> String {
    world.cluster.masters.iter().chain(&world.cluster.workers).map(Node::said).collect()
}

/// How many programs watch their workers.
fn watched(world: &World) -> usize {
    let logs = world.cluster.workers.iter().map(Node::said);
    logs.map(|said| said.matches("a program of Spark watches this worker").count()).sum()
}

#[test]
#[ignore = "takes minutes"]
fn drivers_prove_themselves_to_their_worker_dw_05_se_01() {
    for (spark, protection) in ways() {
        let world = world(&spark, protection);
        let options = protection.options();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let driver = world.submit(&options, "Sleeper", &["1"]);
        world.wait_for_words(&driver, "started with 1");
        wait_for("a driver that watches", SLOWLY, || (watched(&world) == 1).then_some(()));
        let said = format!("{}{}", logged(&world), world.said(&driver, "stderr"));
        assert!(!said.contains(SECRET) && !said.contains("not let in"), "{said}");
    }
}

#[test]
#[ignore = "takes minutes"]
fn applications_prove_themselves_to_masters_and_their_executors_to_workers_se_01() {
    for (spark, protection) in ways() {
        let world = world(&spark, protection);
        let properties = [protection.properties, &secret(SECRET)].concat();
        world.undisturbed_rounds(&properties, |rounds, executors| {
            wait_for("executors that watch", SLOWLY, || (watched(&world) == 2).then_some(()));
            for executor in executors {
                let line = fs::read_to_string(format!("/proc/{executor}/cmdline")).unwrap();
                assert!(line.contains("-Dspark.authenticate=true") && !line.contains(SECRET), "{line}");
            }
            // The next leader has to prove itself to the driver.
            kill_nine(world.cluster.masters[world.cluster.leader()].pid());
            rounds.wait_for_more(3);
        });
        let said = logged(&world);
        assert!(!said.contains(SECRET) && !said.contains("not let in"), "{said}");
    }
}

/// How many lines a master has said about each peer.
fn lines_by_peer(said: &str) -> BTreeMap<&str, usize> {
    let peers = said.split_whitespace().filter(|word| word.starts_with("peer="));
    peers.fold(BTreeMap::new(), |mut all, peer| {
        *all.entry(peer).or_default() += 1;
        all
    })
}

/// How many lines of masters say that somebody was not let in.
fn turned_away(world: &World) -> usize {
    world.cluster.masters.iter().map(|master| master.said().matches("a program of Spark is not let in").count()).sum()
}

#[test]
#[ignore = "takes minutes"]
fn workers_of_spark_prove_themselves_to_masters_and_these_to_them_se_01() {
    for (spark, protection) in ways() {
        let mut world = World::with(&spark, Shape { workers: 0, master_flags: protection.flags(), ..Shape::default() });
        let properties = [protection.properties, &secret(SECRET)].concat();
        (0..2).for_each(|_| world.add_host("127.0.0.1", &properties));
        world.wait_for_workers(2);
        assert_eq!(turned_away(&world), 0, "{}", logged(&world));
        world.undisturbed_rounds(&properties, |rounds, executors| {
            for executor in executors {
                let line = fs::read_to_string(format!("/proc/{executor}/cmdline")).unwrap();
                assert!(line.contains("-Dspark.authenticate=true") && !line.contains(SECRET), "{line}");
            }
            // The next leader has to prove itself to the workers.
            let leader = world.cluster.leader();
            kill_nine(world.cluster.masters[leader].pid());
            wait_for("another leader", SLOWLY, || (world.cluster.leader() != leader).then_some(()));
            world.wait_for_workers(2);
            rounds.wait_for_more(3);
        });
        let said = logged(&world) + &world.hosts.iter().map(SparkWorker::said).collect::<String>();
        assert!(!said.contains(SECRET) && turned_away(&world) == 0, "{said}");
    }
}

#[test]
#[ignore = "takes minutes"]
fn a_worker_of_spark_with_another_secret_is_not_let_in_and_both_ends_say_so_se_01() {
    for (spark, protection) in ways() {
        let mut world = World::with(&spark, Shape { workers: 0, master_flags: protection.flags(), ..Shape::default() });
        world.add_host("127.0.0.1", &[protection.properties, &secret("another secret")].concat());
        let says = |said: String, lines: [&str; 2]| lines.iter().all(|line| said.contains(line)).then_some(());
        let (refused, because) = ([protection.refusal, "Failed to connect to master"], "does not know the secret");
        wait_for("a worker that is refused", SLOWLY, || says(world.hosts[0].said(), refused));
        for master in &world.cluster.masters {
            let because = || says(master.said(), ["a program of Spark is not let in", because]);
            wait_for("a master that says why", SLOWLY, because);
            for (peer, lines) in lines_by_peer(&master.said()) {
                assert_eq!(lines, 1, "about {peer}: {}", master.said());
            }
        }
        world.wait_for_workers(0);
    }
}

#[test]
#[ignore = "takes minutes"]
fn an_application_with_another_secret_is_not_let_in_and_both_ends_say_so_se_01() {
    for (spark, protection) in ways() {
        let world = world(&spark, protection);
        let properties = [protection.properties, &secret("another secret")].concat();
        let driver = world.application(&properties, &["--class", "SparkPi", &world.programs(), "1"]);
        // Each end has several lines about it, and writes them in its own time.
        let says = |said: String, lines: [&str; 2]| lines.iter().all(|line| said.contains(line)).then_some(());
        let (refused, because) = ([protection.refusal, "Failed to connect to master"], "does not know the secret");
        wait_for("a driver that is refused", SLOWLY, || says(driver.stderr(), refused));
        wait_for("a master that says why", SLOWLY, || {
            says(logged(&world), ["a program of Spark is not let in", because])
        });
        assert_eq!(world.state()["activeapps"].as_array().unwrap().len(), 0);
    }
}
