//! A worker of Spark's own, as `start-worker.sh` would start it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::etcd::free_port;
use crate::processes::{Marker, kill_nine};
use crate::spark::{Spark, properties as java_properties};
use crate::wait::wait_for;

/// Its class.
const WORKER: &str = "org.apache.spark.deploy.worker.Worker";
/// What it may take itself.
const MEMORY: &str = "512m";

/// What one offers, and how it is set up.
#[derive(Debug, Clone)]
pub struct SparkWorkerOptions<'a> {
    /// Where it listens, one of this machine's addresses of loopback.
    pub host: &'a str,
    /// Cores.
    pub cores: u32,
    /// Memory, e.g. `2g`.
    pub memory: &'a str,
    /// What `spark-defaults.conf` says to it.
    pub properties: &'a [(&'a str, &'a str)],
    /// Options of its Java machine.
    pub java: &'a str,
    /// Where it and what it runs log, as log4j is told.
    pub logging: &'a Path,
}

/// One that runs, or has ended. It ends with the value, and so do its programs.
#[derive(Debug)]
pub struct SparkWorker {
    child: Child,
    /// `host:port` of its endpoint.
    pub address: String,
    directory: TempDir,
}

impl Spark {
    /// Starts a worker under these masters, `host:port` each with a comma between them.
    pub fn worker(&self, masters: &str, options: &SparkWorkerOptions<'_>) -> Result<SparkWorker> {
        let directory = tempfile::Builder::new().prefix("tanist-spark-worker-").tempdir()?;
        let path = |name: &str| directory.path().join(name);
        let properties: Vec<String> =
            options.properties.iter().map(|(name, value)| format!("{name} {value}")).collect();
        fs::write(path("spark-defaults.conf"), properties.join("\n"))?;
        let (port, web) = (free_port()?.to_string(), "0");
        let mut command = self.program("spark-class");
        command.arg(WORKER).args(["--host", options.host, "--port", &port, "--webui-port", web]);
        command.args(["--cores", &options.cores.to_string(), "--memory", options.memory]);
        command.arg("--work-dir").arg(path("work")).arg(format!("spark://{masters}"));
        let java = format!("{} {}", java_properties(options.logging, directory.path()), options.java);
        command.env("SPARK_DAEMON_JAVA_OPTS", java).env("SPARK_DAEMON_MEMORY", MEMORY);
        command.env("SPARK_CONF_DIR", directory.path()).env("SPARK_LOCAL_DIRS", path("scratch"));
        let (stdout, stderr) = (File::create(path("stdout"))?, File::create(path("stderr"))?);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let child = command.spawn().with_context(|| format!("running {command:?}"))?;
        Ok(SparkWorker { child, address: format!("{}:{port}", options.host), directory })
    }
}

impl SparkWorker {
    /// Where it listens.
    pub fn host(&self) -> &str {
        self.address.rsplit_once(':').map_or(&self.address, |(host, _)| host)
    }

    /// What it has logged so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).unwrap_or_default()
    }

    /// Where it keeps what its programs have written, in directories of the names of applications and drivers.
    pub fn work_dir(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// How many directories are left of its applications' scratch space.
    pub fn scratch(&self) -> usize {
        let own = fs::read_dir(self.directory.path().join("scratch")).into_iter().flatten().flatten();
        own.flat_map(|own| fs::read_dir(own.path()).into_iter().flatten()).count()
    }

    /// The processes of what it runs.
    pub fn programs(&self) -> Vec<i32> {
        Marker::known(format!("spark://Worker@{}", self.address)).processes()
    }

    /// `kill -9`, and waits until the kernel has done it.
    pub fn kill_nine(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Ends it as `stop-worker.sh` does, and waits until it has ended.
    ///
    /// # Panics
    /// If it has not ended after `limit`.
    #[track_caller]
    pub fn stop(&mut self, limit: Duration) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        wait_for("the end of a worker of Spark", limit, || self.child.try_wait().ok().flatten());
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for SparkWorker {
    fn drop(&mut self) {
        self.kill_nine();
        self.programs().into_iter().for_each(kill_nine);
        if std::thread::panicking() {
            eprintln!("--- a worker of Spark at {} has said:\n{}", self.address, self.said());
        }
    }
}
