//! All children of a local cluster: masters first up, workers first down.

use std::time::Duration;

use futures_util::future::{join_all, select_all, try_join_all};
use tanist_client::MasterList;
use tanist_core::units::{Cores, Memory};
use tokio::time::timeout;

use super::child::{Child, ChildEnd};
use super::place::Place;
use crate::daemon::Ready;
use crate::exit::Failure;

/// How long children may take to end in order, drivers' own time-outs included. Then they are killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// Everything talks over the loopback interface.
const HOST: &str = "127.0.0.1";

/// What a local cluster consists of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Masters, at least one.
    pub(crate) masters: u32,
    /// Workers.
    pub(crate) workers: u32,
    /// Cores that each worker offers.
    pub(crate) cores: Cores,
    /// Memory that each worker offers.
    pub(crate) memory: Memory,
}

/// A running local cluster. Its processes end with the value.
#[derive(Debug)]
pub(crate) struct Cluster {
    masters: Vec<Child>,
    workers: Vec<Child>,
    addresses: String,
}

impl Cluster {
    /// Starts all masters, then all workers, each with the `common` arguments, and returns when each is ready.
    ///
    /// # Errors
    /// Which child did not start, and where its log is.
    pub(crate) async fn start(shape: Shape, place: &Place, common: &[String]) -> Result<Self, Failure> {
        let masters: Vec<String> = (1..=shape.masters).map(|n| format!("master-{n}")).collect();
        let masters = try_join_all(masters.iter().map(|name| start_master(name, common, place))).await?;
        let addresses: Vec<&str> = masters.iter().map(|master| master.ready.address.as_str()).collect();
        let addresses = addresses.join(",");
        let workers: Vec<String> = (1..=shape.workers).map(|n| format!("worker-{n}")).collect();
        let workers =
            try_join_all(workers.iter().map(|name| start_worker(name, shape, &addresses, common, place))).await?;
        Ok(Self { masters, workers, addresses })
    }

    /// The masters as clients are given them.
    ///
    /// # Errors
    /// If one of them named no address.
    pub(crate) fn master_list(&self) -> Result<MasterList, Failure> {
        Ok(MasterList::parse("addresses of the local masters", &self.addresses)?)
    }

    /// The same as text.
    pub(crate) fn addresses(&self) -> &str {
        &self.addresses
    }

    /// Name, addresses, process id and log of every child, masters first.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&str, &Ready, u32, &std::path::Path)> {
        let all = self.masters.iter().chain(&self.workers);
        all.map(|child| (child.name.as_str(), &child.ready, child.pid, child.log.as_path()))
    }

    /// Waits for the next child that ends by itself; for ever if none is left. Safe to drop and call again.
    pub(crate) async fn next_end(&mut self) -> ChildEnd {
        let waits: Vec<_> =
            self.masters.iter_mut().chain(&mut self.workers).map(|child| Box::pin(child.ended())).collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        let (end, ..) = select_all(waits).await;
        for group in [&mut self.masters, &mut self.workers] {
            group.retain(|child| child.name != end.name);
        }
        end
    }

    /// Whether drivers can still run: at least one master and one worker are up.
    pub(crate) fn is_whole_enough(&self) -> bool {
        !self.masters.is_empty() && !self.workers.is_empty()
    }

    /// Stops everything in order, workers first; what does not end in time is killed.
    pub(crate) async fn stop(&mut self) {
        stop_all(&mut self.workers).await;
        stop_all(&mut self.masters).await;
    }

    /// Ends everything at once.
    pub(crate) async fn kill(&mut self) {
        join_all(self.workers.iter_mut().chain(&mut self.masters).map(Child::kill)).await;
    }
}

async fn stop_all(children: &mut [Child]) {
    children.iter().for_each(Child::terminate);
    let ends = join_all(children.iter_mut().map(Child::ended));
    if timeout(STOP_WITHIN, ends).await.is_err() {
        tracing::warn!(seconds = STOP_WITHIN.as_secs(), "children did not end in order and are killed");
        join_all(children.iter_mut().map(Child::kill)).await;
    }
}

/// What is configured for this host's one master or worker cannot be that of several.
const WEB: [&str; 6] = ["--web-port", "0", "--web-bind", HOST, "--web-host", HOST];

async fn start_master(name: &str, common: &[String], place: &Place) -> Result<Child, Failure> {
    let store = place.store().display().to_string();
    // A cluster in etcd that is configured on this host is another one than this.
    let own = ["master", "--id", name, "--host", HOST, "--bind", HOST, "--port", "0", "--rest-port", "0"];
    let words = [&own, ["--store", &store, "--etcd", ""].as_slice(), &WEB].concat();
    start(name, &words, common, place).await
}

async fn start_worker(
    name: &str,
    shape: Shape,
    masters: &str,
    common: &[String],
    place: &Place,
) -> Result<Child, Failure> {
    let (cores, memory) = (shape.cores.to_string(), shape.memory.to_string());
    let work = place.work(name).display().to_string();
    let words = [
        ["worker", "--masters", masters, "--host", HOST, "--bind", HOST, "--port", "0"].as_slice(),
        // A name set for this host's one worker cannot be that of several.
        &["--id", "none", "--cores", &cores, "--memory", &memory, "--work-dir", &work],
        &WEB,
    ]
    .concat();
    start(name, &words, common, place).await
}

async fn start(name: &str, words: &[&str], common: &[String], place: &Place) -> Result<Child, Failure> {
    let words: Vec<String> =
        words.iter().copied().chain(common.iter().map(String::as_str)).map(str::to_owned).collect();
    Child::start(name, &words, &place.log(name)).await
}
