//! Watches etcd: every change of every key, with its revision. This, and not the word of a master, says who leads.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use etcd_client::{Client, ConnectOptions, EventType, WatchOptions, WatchResponse};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cluster::{Cluster, PREFIX};
use crate::history::{Change, Note, Recorder};
use crate::net::OBSERVER;
use crate::scenario::Kind;
use crate::stop::Stop;

/// A silent member is asked after this whether it still speaks for the majority; so long it may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause before the next member is tried.
const NEXT_AFTER: Duration = Duration::from_millis(50);
/// How long the last changes may take to arrive.
const COMPLETE_WITHIN: Duration = Duration::from_secs(30);

/// What has been seen so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Who holds the key, or held it last.
    pub(crate) leader: Option<String>,
    /// Whether the key is there.
    pub(crate) in_office: bool,
    /// Lease of the last leader.
    pub(crate) lease: i64,
    /// Leaders so far.
    pub(crate) elections: u64,
    /// Drivers whose end was written down.
    pub(crate) ended: BTreeSet<String>,
    /// The next revision to come.
    pub(crate) next: i64,
    /// Why nothing can be recorded any more.
    failed: Option<String>,
}

/// The watch. It ends with the value.
#[derive(Debug)]
pub(crate) struct Observer {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    seen: Mutex<Seen>,
    recorder: Recorder,
}

impl Observer {
    /// Begins to watch from the first revision.
    ///
    /// # Errors
    /// If the history cannot be written.
    pub(crate) fn start(cluster: &Cluster, history: &Path) -> Result<Self> {
        let members: Vec<String> = cluster.of(Kind::Etcd).filter_map(|part| part.address()).collect();
        let seen = Mutex::new(Seen { next: 1, ..Seen::default() });
        let shared = Arc::new(Shared { seen, recorder: Recorder::open(history)? });
        let runtime = cluster.network.host(OBSERVER)?.runtime()?;
        let task = runtime.spawn({
            let shared = shared.clone();
            async move {
                if let Err(error) = shared.watch(&members).await {
                    shared.seen().failed = Some(format!("{error:#}"));
                }
            }
        });
        Ok(Self { shared, task })
    }

    /// What has been seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.shared.seen().clone()
    }

    /// Whether the ends of all these drivers have been seen.
    pub(crate) fn have_ended<'a>(&self, mut drivers: impl Iterator<Item = &'a str>) -> bool {
        let seen = self.shared.seen();
        drivers.all(|driver| seen.ended.contains(driver))
    }

    /// Waits until everything that etcd holds now has been seen.
    ///
    /// # Errors
    /// If etcd does not answer, or the watch has failed.
    pub(crate) fn complete(&self, cluster: &Cluster, stop: &Stop) -> Result<()> {
        let admin = cluster.admin();
        let revision = cluster.observe(|| admin.revision())?.context("asking etcd for its revision")?;
        let caught_up = stop.wait_for(COMPLETE_WITHIN, || {
            let seen = self.seen();
            (seen.next > revision || seen.failed.is_some()).then_some(seen)
        })?;
        match caught_up {
            Some(Seen { failed: Some(error), .. }) => bail!("the watch of etcd has failed: {error}"),
            Some(seen) => self.shared.recorder.note(Note::Complete { revision: seen.next - 1 }),
            None => bail!("the watch of etcd is behind: at {}, not at {revision}", self.seen().next),
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From one member to the next, for ever. Only a history that cannot be written ends it.
    async fn watch(&self, members: &[String]) -> Result<()> {
        for member in members.iter().cycle() {
            if let Ok(Ok(client)) = timeout(PATIENCE, Client::connect([member], Some(ConnectOptions::new()))).await {
                self.watch_at(client).await?;
            }
            tokio::time::sleep(NEXT_AFTER).await;
        }
        Ok(())
    }

    /// Until this member is of no use any more.
    async fn watch_at(&self, mut client: Client) -> Result<()> {
        let from = self.seen().next;
        let options = WatchOptions::new().with_all_keys().with_start_revision(from);
        let Ok(Ok(mut stream)) = timeout(PATIENCE, client.watch("", Some(options))).await else { return Ok(()) };
        loop {
            match timeout(PATIENCE, stream.message()).await {
                Ok(Ok(Some(response))) => {
                    if !self.take(&response)? {
                        return Ok(());
                    }
                }
                // Silence may be peace, or a member that is cut off.
                Err(_) if matches!(timeout(PATIENCE, client.get("health", None)).await, Ok(Ok(_))) => {}
                Ok(_) | Err(_) => return Ok(()),
            }
        }
    }

    /// False = watch anew.
    fn take(&self, response: &WatchResponse) -> Result<bool> {
        let compacted = response.compact_revision();
        if compacted > 0 {
            let mut seen = self.seen();
            self.recorder.note(Note::Missed { from: seen.next, to: compacted - 1 })?;
            seen.next = seen.next.max(compacted);
            return Ok(false);
        }
        for event in response.events() {
            let Some(kv) = event.kv() else { continue };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let change = match event.event_type() {
                EventType::Put => Change::Put(text(kv.value())),
                EventType::Delete => Change::Delete,
            };
            let (key, revision) = (text(kv.key()), kv.mod_revision());
            let mut seen = self.seen();
            let own = key.strip_prefix(PREFIX).unwrap_or_default();
            if own == "ha/leader" {
                seen.office(&change, kv.lease());
            } else if let (Some(driver), Change::Put(_)) = (own.strip_prefix("done/drivers/"), &change) {
                seen.ended.insert(driver.to_owned());
            }
            seen.next = revision + 1;
            self.recorder.note(Note::Changed { revision, key, change })?;
        }
        Ok(!response.canceled())
    }
}

impl Seen {
    fn office(&mut self, change: &Change, lease: i64) {
        match change {
            Change::Put(value) => {
                let value: Value = serde_json::from_str(value).unwrap_or_default();
                self.leader = value["record"]["master"].as_str().map(str::to_owned);
                (self.in_office, self.lease) = (true, lease);
                self.elections += 1;
            }
            Change::Delete => self.in_office = false,
        }
    }
}
