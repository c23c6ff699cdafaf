//! The original: Spark's own masters, with or without ZooKeeper, and its own workers, as real processes.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use crate::etcd::free_port;
use crate::spark::Spark;
use crate::wait::wait_for;

const HOST: &str = "127.0.0.1";
/// How long a Java machine may take to start on a busy host.
const SLOWLY: Duration = Duration::from_secs(90);
/// What Spark gives its masters and workers where nobody says otherwise.
const HEAP: &str = "-Xmx1g";
/// How often other ports are tried where somebody else was faster, and what Java calls that.
const PORT_TRIES: u32 = 5;
const TAKEN: &str = "BindException";
/// What a master and a worker say once they are of use.
const LEADS: &str = "New state: ALIVE";
const REGISTERED: &str = "Successfully registered with master";
/// How much of each log a failed test shows.
const SHOWN_LINES: usize = 20;

/// What a cluster of the original consists of.
#[derive(Debug, Clone, Copy)]
pub struct OriginalShape {
    /// Masters. The first one leads.
    pub masters: usize,
    /// Whether they keep their records in ZooKeeper, which more than one need; else nowhere.
    pub zookeeper: bool,
    /// Workers.
    pub workers: usize,
    /// Cores of each worker.
    pub cores: u32,
    /// Memory of each worker, e.g. `2g`.
    pub memory: &'static str,
}

/// A running cluster of the original. Everything in it ends when it is dropped, or with the thread that has started it.
#[derive(Debug)]
pub struct Original {
    /// Its masters, the leader first; a killed one stays in the list.
    pub masters: Vec<Daemon>,
    /// Its workers.
    pub workers: Vec<Daemon>,
    _zookeeper: Option<Daemon>,
    // Dropped last: all of them write into it.
    _directory: TempDir,
}

/// One process of it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// Port of its RPC.
    pub port: u16,
    /// `host:port` of its RPC.
    pub address: String,
    /// `host:port` of its pages.
    pub web: String,
    /// `host:port` of its REST; workers have none.
    pub rest: String,
    log: PathBuf,
}

impl Original {
    /// Starts it, and waits until the first master leads and all workers are registered.
    ///
    /// # Errors
    /// If a process cannot be started.
    ///
    /// # Panics
    /// If one is of no use in time.
    pub fn start(spark: &Spark, shape: OriginalShape) -> Result<Self> {
        for _ in 0..PORT_TRIES {
            match Self::on_free_ports(spark, shape) {
                Err(error) if format!("{error:#}").contains(TAKEN) => {}
                outcome => return outcome,
            }
        }
        bail!("a port was taken, {PORT_TRIES} times")
    }

    fn on_free_ports(spark: &Spark, shape: OriginalShape) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tanist-original-").tempdir()?;
        let place = Place { spark, directory: directory.path() };
        let zookeeper = shape.zookeeper.then(|| place.zookeeper()).transpose()?;
        let recovery = zookeeper.as_ref().map_or_else(String::new, |zookeeper| {
            format!("spark.deploy.recoveryMode ZOOKEEPER\nspark.deploy.zookeeper.url {}\n", zookeeper.address)
        });
        let masters = (0..shape.masters).map(|number| place.master(number, &recovery)).collect::<Result<Vec<_>>>()?;
        let addresses: Vec<&str> = masters.iter().map(|master| master.address.as_str()).collect();
        let masters_url = format!("spark://{}", addresses.join(","));
        let worker = |number| place.worker(number, shape, &masters_url);
        let workers = (0..shape.workers).map(worker).collect::<Result<Vec<_>>>()?;
        Ok(Self { masters, workers, _zookeeper: zookeeper, _directory: directory })
    }
}

/// What all processes of a cluster have in common.
struct Place<'p> {
    spark: &'p Spark,
    directory: &'p Path,
}

impl Place<'_> {
    fn zookeeper(&self) -> Result<Daemon> {
        let (settings, data) = (self.directory.join("zookeeper.cfg"), self.directory.join("zookeeper"));
        let [port, ..] = ports()?;
        let text = format!(
            "clientPort={port}\nclientPortAddress={HOST}\ndataDir={}\ntickTime=2000\nadmin.enableServer=false\n",
            data.display()
        );
        fs::write(&settings, text)?;
        let mut command = self.java("org.apache.zookeeper.server.ZooKeeperServerMain");
        command.arg(settings);
        self.run("zookeeper", command, [port, 0, 0], |_| TcpStream::connect((HOST, port)).is_ok())
    }

    fn master(&self, number: usize, recovery: &str) -> Result<Daemon> {
        let name = format!("master{}", number + 1);
        let all @ [_, _, rest] = ports()?;
        let settings = format!("spark.master.rest.enabled true\nspark.master.rest.port {rest}\n{recovery}");
        let command = self.daemon(&name, "master.Master", all, &settings)?;
        self.run(&name, command, all, |said| listens(said, &all) && (number > 0 || said.contains(LEADS)))
    }

    fn worker(&self, number: usize, shape: OriginalShape, masters: &str) -> Result<Daemon> {
        let name = format!("worker{}", number + 1);
        let [port, web, _] = ports()?;
        let mut command = self.daemon(&name, "worker.Worker", [port, web, 0], "")?;
        command.args(["--cores", &shape.cores.to_string(), "--memory", shape.memory]);
        command.arg("--work-dir").arg(self.directory.join(&name)).arg(masters);
        let ready = |said: &str| listens(said, &[port, web]) && said.contains(REGISTERED);
        self.run(&name, command, [port, web, 0], ready)
    }

    fn daemon(&self, name: &str, class: &str, [port, web, _]: [u16; 3], settings: &str) -> Result<Command> {
        let path = self.directory.join(format!("{name}.conf"));
        // A taken port is an error, not a reason to listen on the next one.
        fs::write(&path, format!("{settings}spark.port.maxRetries 0\n"))?;
        let mut command = self.java(&format!("org.apache.spark.deploy.{class}"));
        command.args(["--host", HOST, "--port", &port.to_string(), "--webui-port", &web.to_string()]);
        command.arg("--properties-file").arg(path);
        // Else pages are at whatever name this machine's DNS has for the address.
        command.env("SPARK_SCALA_VERSION", "2.13").env("SPARK_PUBLIC_DNS", HOST);
        Ok(command)
    }

    /// A Java machine that leaves nothing behind, nor itself: it ends with the thread that has started it.
    fn java(&self, class: &str) -> Command {
        let java = self.spark.class(&[HEAP, &format!("-Djava.io.tmpdir={}", self.directory.display())], class);
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(java.get_program()).args(java.get_args());
        for (name, value) in java.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Starts it, and waits until what it says shows that it is of use.
    fn run(
        &self,
        name: &str,
        mut command: Command,
        [port, web, rest]: [u16; 3],
        is_ready: impl Fn(&str) -> bool,
    ) -> Result<Daemon> {
        let log = self.directory.join(format!("{name}.log"));
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("running {command:?}"))?;
        let at = |port: u16| format!("{HOST}:{port}");
        let daemon = Daemon { child, port, address: at(port), web: at(web), rest: at(rest), log };
        wait_for(name, SLOWLY, || {
            let said = daemon.said();
            let taken = said.contains(TAKEN).then(|| Err(anyhow!("{name}: {TAKEN}")));
            taken.or_else(|| is_ready(&said).then_some(Ok(())))
        })?;
        Ok(daemon)
    }
}

fn ports() -> Result<[u16; 3]> {
    Ok([free_port()?, free_port()?, free_port()?])
}

/// Whether a process says that it listens on these ports, and no others.
fn listens(said: &str, ports: &[u16]) -> bool {
    ports.iter().all(|port| said.contains(&format!(" on port {port}.")))
}

impl Daemon {
    /// The process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// `kill -9`, and waits until the kernel has done it.
    pub fn kill_nine(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// What it has logged so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill_nine();
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default().join("\n");
            eprintln!("--- the original at {} said last:\n{last}", self.address);
        }
    }
}
