//! How each process is started: program, arguments, environment, directories.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;
use tanist_testkit::etcd_binary;

use super::disk;
use crate::net::{Host, Network, RUN_VARIABLE, Service};
use crate::scenario::{Kind, Scenario, time};

/// What all keys of the cluster begin with.
pub(crate) const PREFIX: &str = "/tanist/chaos/v1/";
const CLUSTER_NAME: &str = "chaos";

/// Cores that each worker offers: room for everything, so that whatever pends could run. What runs there mostly sleeps.
pub(crate) const CORES: u32 = 16;
const MEMORY: &str = "16g";

/// In the environment of workers, and so of what they run: the directory of their host.
pub(crate) const HOST_VARIABLE: &str = "CHAOS_HOST";

const ETCD_CLIENT_PORT: u16 = 2379;
const ETCD_PEER_PORT: u16 = 2380;
const MASTER_PORT: u16 = 7077;
const WORKER_PORT: u16 = 7078;

/// How one process is started.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) host: Arc<Host>,
    pub(super) kind: Kind,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) log: PathBuf,
    /// Where it listens, the one for clients first.
    pub(super) services: Vec<Service>,
    /// Of its own, if it has one.
    pub(super) disk: Option<PathBuf>,
}

#[derive(Debug)]
pub(super) struct Recipes {
    pub(super) parts: Vec<Recipe>,
    pub(super) masters: String,
}

/// Makes the directory of every host, and says what is started there.
pub(super) fn all(network: &Network, run: &str, hosts: &Path, scenario: &Scenario) -> Result<Recipes> {
    for host in &network.hosts {
        let folder = hosts.join(&host.name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let kitchen = Kitchen { network, run, hosts, scenario };
    let members = kitchen.serving(Kind::Etcd, &[ETCD_CLIENT_PORT, ETCD_PEER_PORT])?;
    let masters = kitchen.serving(Kind::Master, &[MASTER_PORT])?;
    let workers = kitchen.serving(Kind::Worker, &[WORKER_PORT])?;
    let list: Vec<String> = masters.iter().map(|(_, services)| services[0].address.to_string()).collect();
    let list = list.join(",");
    let mut parts = Vec::new();
    for (host, services) in &members {
        parts.push(kitchen.member(host, services, &members)?);
    }
    for (host, services) in &masters {
        parts.push(kitchen.master(host, services, &members));
    }
    for (host, services) in &workers {
        parts.push(kitchen.worker(host, services, &list)?);
    }
    Ok(Recipes { parts, masters: list })
}

type Serving = (Arc<Host>, Vec<Service>);

/// What all recipes need.
struct Kitchen<'a> {
    network: &'a Network,
    run: &'a str,
    hosts: &'a Path,
    scenario: &'a Scenario,
}

impl Kitchen<'_> {
    /// The hosts of a kind, with what they serve.
    fn serving(&self, kind: Kind, ports: &[u16]) -> Result<Vec<Serving>> {
        let hosts = self.network.hosts.iter().filter(|host| Kind::of(&host.name) == Some(kind));
        let serve = |host: &Arc<Host>| {
            let services = ports.iter().map(|port| Service::new(host, *port, self.network.proxied));
            Ok((host.clone(), services.collect::<Result<Vec<_>>>()?))
        };
        hosts.map(serve).collect()
    }

    fn recipe(&self, kind: Kind, (host, services): (&Arc<Host>, &[Service]), arguments: Vec<String>) -> Recipe {
        let folder = self.hosts.join(&host.name);
        let environment = [(RUN_VARIABLE, self.run.to_owned()), (HOST_VARIABLE, folder.display().to_string())];
        Recipe {
            host: host.clone(),
            kind,
            program: tanist_testkit::binary(),
            arguments,
            environment: environment.map(|(name, value)| (name.to_owned(), value)).into(),
            log: folder.join("log"),
            services: services.to_vec(),
            disk: None,
        }
    }

    /// The directory that a process fills, on a small disk of its own where the scenario fills disks.
    fn data(&self, host: &Host, size: &str) -> Result<(PathBuf, Option<PathBuf>)> {
        let folder = self.hosts.join(&host.name).join("data");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        if !self.scenario.needs_disks() {
            return Ok((folder, None));
        }
        disk::mount(&folder, size)?;
        Ok((folder.clone(), Some(folder)))
    }

    fn member(&self, host: &Arc<Host>, services: &[Service], members: &[Serving]) -> Result<Recipe> {
        let (data, disk) = self.data(host, disk::OF_ETCD)?;
        let url = |address: &dyn std::fmt::Display| format!("http://{address}");
        let peers: Vec<String> =
            members.iter().map(|(host, services)| format!("{}={}", host.name, url(&services[1].address))).collect();
        let flags = [
            ("--name", host.name.clone()),
            ("--data-dir", data.join("etcd").display().to_string()),
            ("--listen-client-urls", url(&services[0].bind)),
            ("--advertise-client-urls", url(&services[0].address)),
            ("--listen-peer-urls", url(&services[1].bind)),
            ("--initial-advertise-peer-urls", url(&services[1].address)),
            ("--initial-cluster", peers.join(",")),
        ];
        let arguments = flags.map(|(flag, value)| format!("{flag}={value}")).into();
        Ok(Recipe { program: etcd_binary()?, disk, ..self.recipe(Kind::Etcd, (host, services), arguments) })
    }

    /// Where a node listens, and where others reach it.
    fn place(&self, kind: &str, host: &Host, service: Service) -> Vec<String> {
        let words =
            [kind, "--host", &host.ip.to_string(), "--port", &service.address.port().to_string()].map(str::to_owned);
        let bind = ["--bind".to_owned(), service.bind.ip().to_string()];
        let bind = self.network.proxied.then_some(bind);
        words.into_iter().chain(["--id".to_owned(), host.name.clone()]).chain(bind.into_iter().flatten()).collect()
    }

    fn master(&self, host: &Arc<Host>, services: &[Service], members: &[Serving]) -> Recipe {
        let etcd: Vec<String> = members.iter().map(|(_, services)| format!("http://{}", services[0].address)).collect();
        let (lease, timeout) = (self.scenario.cluster.lease, self.scenario.cluster.worker_timeout);
        let flags = ["--etcd", &etcd.join(","), "--cluster", CLUSTER_NAME, "--log-format", "json"].map(str::to_owned);
        let times = ["--lease-ttl".to_owned(), time(lease), "--worker-timeout".to_owned(), time(timeout)];
        let arguments = [self.place("master", host, services[0]), flags.into(), times.into()].concat();
        self.recipe(Kind::Master, (host, services), arguments)
    }

    /// A worker offers a resource with its own name, so that a driver can be sent to it and to no other.
    fn worker(&self, host: &Arc<Host>, services: &[Service], masters: &str) -> Result<Recipe> {
        let folder = self.hosts.join(&host.name);
        let (data, disk) = self.data(host, disk::OF_WORKER)?;
        let addresses: Vec<String> = (0..CORES).map(|n| n.to_string()).collect();
        let id = json!({ "componentName": "spark.worker", "resourceName": host.name });
        let file = folder.join("resources.json");
        fs::write(&file, json!([{ "id": id, "addresses": addresses }]).to_string())
            .with_context(|| format!("writing {}", file.display()))?;
        let flags = [
            ("--masters", masters.to_owned()),
            ("--cores", CORES.to_string()),
            ("--memory", MEMORY.to_owned()),
            ("--work-dir", data.join("work").display().to_string()),
            ("--local-dirs", folder.join("scratch").display().to_string()),
            ("--resources", format!("{}={CORES}", host.name)),
            ("--resources-file", file.display().to_string()),
        ];
        let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let arguments = self.place("worker", host, services[0]).into_iter().chain(flags).collect();
        Ok(Recipe { disk, ..self.recipe(Kind::Worker, (host, services), arguments) })
    }
}
