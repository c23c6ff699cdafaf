//! What work costs: processor time of each party, and what etcd counts of itself.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::fleet::Fleet;
use crate::machine::processor_time;
use tanist_testkit::measure::millis;

/// Deadline of asking etcd for its counters.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Processor time, successful transactions, how long writes took to reach the disk, and how often that happened.
const PROCESSOR_SECONDS: &str = "process_cpu_seconds_total";
const TRANSACTIONS: &str = "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Txn\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"}";
const SYNC_SECONDS: &str = "etcd_disk_wal_fsync_duration_seconds_sum";
const SYNCS: &str = "etcd_disk_wal_fsync_duration_seconds_count";

/// The counters at one moment.
#[derive(Debug)]
pub(crate) struct Meter {
    master: Duration,
    clients: Duration,
    /// Of all members of etcd together.
    counters: BTreeMap<String, f64>,
}

/// What was spent between two moments.
#[derive(Debug)]
pub(crate) struct Costs {
    master: Duration,
    clients: Duration,
    etcd: Duration,
    transactions: f64,
    sync_seconds: f64,
    syncs: f64,
}

impl Meter {
    /// Reads everything.
    ///
    /// # Errors
    /// If a process is gone.
    pub(crate) fn start(fleet: &Fleet) -> Result<Self> {
        let me = i32::try_from(std::process::id()).context("a process id")?;
        let mut all = BTreeMap::new();
        for address in fleet.etcd_addresses() {
            for (name, value) in counters(&address)? {
                *all.entry(name).or_default() += value;
            }
        }
        Ok(Self { master: processor_time(fleet.pid(0))?, clients: processor_time(me)?, counters: all })
    }

    /// Reads everything again.
    ///
    /// # Errors
    /// As [`Meter::start`].
    pub(crate) fn stop(self, fleet: &Fleet) -> Result<Costs> {
        let now = Self::start(fleet)?;
        let count = |name| {
            let at = |meter: &Self| meter.counters.get(name).copied().unwrap_or_default();
            at(&now) - at(&self)
        };
        Ok(Costs {
            master: now.master.saturating_sub(self.master),
            clients: now.clients.saturating_sub(self.clients),
            etcd: Duration::try_from_secs_f64(count(PROCESSOR_SECONDS)).unwrap_or_default(),
            transactions: count(TRANSACTIONS),
            sync_seconds: count(SYNC_SECONDS),
            syncs: count(SYNCS),
        })
    }
}

impl Costs {
    /// As cells of a table: processor time of master, etcd and clients for each of so many pieces of work, pieces per
    /// transaction, and how long one write to etcd's disk takes.
    pub(crate) fn cells(&self, pieces: usize) -> Vec<String> {
        let pieces = pieces as f64;
        let each = |spent: Duration| format!("{:.0}", spent.as_secs_f64() * 1e6 / pieces);
        let ratio = |over: f64, under: f64| millis((under > 0.0).then(|| over / under));
        let sync = ratio(self.sync_seconds * 1000.0, self.syncs);
        vec![each(self.master), each(self.etcd), each(self.clients), ratio(pieces, self.transactions), sync]
    }
}

/// What etcd counts, by name and labels.
fn counters(address: &str) -> Result<BTreeMap<String, f64>> {
    let ask = || {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(ANSWER_WITHIN))?;
        connection.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        connection.read_to_string(&mut text)?;
        Ok::<_, std::io::Error>(text)
    };
    let text = ask().with_context(|| format!("asking etcd at {address} for its counters"))?;
    let counter = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    Ok(text.lines().filter_map(counter).collect())
}
