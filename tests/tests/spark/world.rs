//! A cluster that Spark's clients can use, and the programs that they submit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tanist_testkit::{Cluster, Etcd, Finished, Shape, Spark, SparkWorker, Store, wait_for};

use crate::compat::exchange;

/// How long several Java machines may take on a busy host.
pub(crate) const SLOWLY: Duration = Duration::from_secs(120);
/// Makes the driver its own cluster: it runs on one worker, without executors elsewhere, on loopback.
const LOCAL: [(&str, &str); 3] =
    [("spark.master", "local[1]"), ("spark.driver.host", "127.0.0.1"), ("spark.driver.bindAddress", "127.0.0.1")];

/// By default, `spark-submit --status` does not show what it was told.
pub(crate) const LOGGING: &str = "log4j2.properties";

/// Three masters on etcd, two workers, and the programs, compiled against one release.
pub(crate) struct World {
    pub(crate) spark: Spark,
    pub(crate) cluster: Cluster,
    pub(crate) etcd: Etcd,
    /// Workers of Spark's own; a killed one stays in the list.
    pub(crate) hosts: Vec<SparkWorker>,
    programs: PathBuf,
}

/// A source of the programs.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs").join(name)
}

/// The archive of all programs, compiled once for each release.
pub(crate) fn programs(spark: &Spark) -> PathBuf {
    static COMPILED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let archive = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("programs-{}.jar", spark.version));
    let mut compiled = COMPILED.lock().unwrap();
    if !compiled.contains(&archive) {
        let sources = ["SparkPi.java", "Sleeper.java", "Rounds.java", "Bursts.java", "Profiles.java"].map(program);
        spark.compile(&sources.each_ref().map(PathBuf::as_path), &archive).unwrap();
        compiled.insert(archive.clone());
    }
    archive
}

impl World {
    pub(crate) fn new(spark: &Spark) -> Self {
        Self::with(spark, Shape::default())
    }

    /// As [`World::new`], where masters and workers differ in this from the usual.
    pub(crate) fn with(spark: &Spark, shape: Shape) -> Self {
        let etcd = Etcd::start(1).unwrap();
        let spark_home = Some(spark.home.clone());
        let cluster =
            Cluster::start(Shape { masters: 3, store: Store::etcd(&etcd), rest: true, spark_home, ..shape }).unwrap();
        Self { spark: spark.clone(), cluster, etcd, hosts: Vec::new(), programs: programs(spark) }
    }

    /// The archive of all programs.
    pub(crate) fn programs(&self) -> String {
        self.programs.display().to_string()
    }

    /// All masters as a user of Spark names them, the leader last: its client has to walk on.
    pub(crate) fn url(&self) -> String {
        let mut masters = self.cluster.rest.clone();
        let leader = self.cluster.leader();
        masters.rotate_left((leader + 1) % 3);
        format!("spark://{}", masters.join(","))
    }

    /// `spark-submit --deploy-mode cluster` with these options, a class of the programs and its arguments; the driver's id.
    pub(crate) fn submit(&self, options: &[&str], class: &str, arguments: &[&str]) -> String {
        let finished = self.submission(&self.url(), options, class, arguments);
        submitted(&finished)
    }

    /// As [`World::submit`], with masters of one's own choice, whatever becomes of it.
    pub(crate) fn submission(&self, masters: &str, options: &[&str], class: &str, arguments: &[&str]) -> Finished {
        let archive = format!("file:{}", self.programs.display());
        // What comes last counts.
        let local = LOCAL.map(|(name, value)| format!("-D{name}={value}")).join(" ");
        let java = format!("spark.driver.extraJavaOptions={local} {}", self.java());
        let cluster_mode =
            ["--master", masters, "--deploy-mode", "cluster", "--conf", "spark.master.rest.enabled=true"];
        let driver = ["--driver-memory", "512m", "--conf", &java, "--class", class];
        self.spark
            .submit(&program(LOGGING), &[&cluster_mode[..], &driver, options, &[&archive], arguments].concat())
            .unwrap()
    }

    /// Options for Java: what a driver leaves behind goes with the cluster, and it starts even where nobody knows this host's
    /// name, which Spark always looks up. (`SPARK_LOCAL_IP` would do, but is not taken from who submits, RE-13.)
    pub(crate) fn java(&self) -> String {
        let directory = self.cluster.directory();
        let hosts = directory.join("hosts");
        let this = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        std::fs::write(&hosts, format!("127.0.0.1 localhost {this}")).unwrap();
        format!("-Djava.io.tmpdir={} -Djdk.net.hosts.file={}", directory.display(), hosts.display())
    }

    /// Submits an application in Python as a user does who has nothing but HTTP; the driver's id.
    pub(crate) fn submit_python(&self, name: &str, arguments: &[&str]) -> String {
        let script = program(name).to_string_lossy().into_owned();
        let words: Vec<&str> = [&[script.as_str()], arguments].concat();
        let mut properties = json!({
            "spark.app.name": "python", "spark.driver.memory": "512m", "spark.driver.extraJavaOptions": self.java(),
        });
        for (name, value) in LOCAL {
            properties[name] = Value::from(value);
        }
        let body = json!({
            "action": "CreateSubmissionRequest", "clientSparkVersion": self.spark.version, "appResource": "",
            "mainClass": "org.apache.spark.deploy.SparkSubmit", "appArgs": words, "environmentVariables": {},
            "sparkProperties": properties,
        });
        let leader = &self.cluster.rest[self.cluster.leader()];
        let answer = exchange::ask(leader, "POST", "/v1/submissions/create", Some(&body.to_string()));
        let id = answer.get("body.submissionId").and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// `spark-submit` with `--status` or `--kill`.
    pub(crate) fn ask(&self, what: &str, driver: &str) -> Finished {
        let finished = self.spark.submit(&program(LOGGING), &["--master", &self.url(), what, driver]).unwrap();
        assert_eq!(finished.code, 0, "{finished:?}");
        finished
    }

    /// Waits until a driver is in a state; the listing of it.
    #[track_caller]
    pub(crate) fn wait_for(&self, driver: &str, state: &str) -> Value {
        wait_for(&format!("{driver} to be {state}"), SLOWLY, || {
            let listed = self.cluster.driver(driver)?;
            let found = listed["state"].as_str().unwrap_or_default().to_owned();
            let ended = ["FINISHED", "FAILED", "KILLED", "ERROR"].contains(&found.as_str());
            assert!(!ended || found == state, "{driver} is {found}: {}", self.said(driver, "stderr"));
            (found == state).then_some(listed)
        })
    }

    /// Waits until a driver has said something.
    #[track_caller]
    pub(crate) fn wait_for_words(&self, driver: &str, words: &str) {
        wait_for(words, SLOWLY, || self.said(driver, "stdout").contains(words).then_some(()));
    }

    /// What a driver has said, on whichever worker.
    pub(crate) fn said(&self, driver: &str, stream: &str) -> String {
        let own = (0..self.cluster.workers.len()).map(|worker| self.cluster.work_dir(worker));
        let all = own.chain(self.hosts.iter().map(SparkWorker::work_dir));
        all.filter_map(|work| std::fs::read_to_string(work.join(driver).join(stream)).ok()).collect()
    }
}

/// The id that `spark-submit` was given, which it writes into its log.
pub(crate) fn submitted(finished: &Finished) -> String {
    assert_eq!(finished.code, 0, "{finished:?}");
    let said = format!("{}{}", finished.stdout, finished.stderr);
    let id = said.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find(|word| word.starts_with("driver-2"));
    id.unwrap_or_else(|| panic!("no driver id in {finished:?}")).to_owned()
}
