//! Listing and deleting directories beside the loop: a slow disk delays nobody but those who need the same directory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use tanist_core::ids::AppId;
use tanist_core::worker::{DirKind, DirListed, DirRef, Event, What};

use crate::event_loop::wall_at;
use crate::handle::WorkerHandle;
use crate::place::Place;
use crate::runner::workdir::{Owned, OwnedKind, delete_owned, list_owned};
use crate::runner::{RunnerError, blocking};

/// How long the end of a worker may wait for its last deletions.
const LAST_DELETIONS: Duration = Duration::from_secs(5);

/// Clean-up of one worker (DIR-02, DIR-03).
#[derive(Debug)]
pub(crate) struct Cleaner {
    place: Arc<Place>,
    handle: WorkerHandle,
    listing: Option<AbortOnDropHandle<()>>,
    deletions: Vec<Deletion>,
    tasks: JoinSet<()>,
}

/// Directories being deleted.
#[derive(Debug)]
struct Deletion {
    /// Whose: ids of drivers and applications.
    ids: BTreeSet<String>,
    done: CancellationToken,
}

impl Cleaner {
    pub(crate) fn new(place: Arc<Place>, handle: WorkerHandle) -> Self {
        Self { place, handle, listing: None, deletions: Vec::new(), tasks: JoinSet::new() }
    }

    /// Begins to list the directories of this worker. A listing that still goes on stands for this one.
    pub(crate) fn list(&mut self) {
        if self.listing.as_ref().is_some_and(|listing| !listing.is_finished()) {
            return tracing::warn!("the last look for old directories has not ended yet");
        }
        let (place, handle) = (Arc::clone(&self.place), self.handle.clone());
        let task = tokio::spawn(async move {
            let listed = Arc::clone(&place);
            let listing = blocking("list", place.work.root(), move || list_all(&listed)).await;
            match listing {
                Ok(listing) => {
                    handle.tell(Event::DirListing(listing)).await;
                }
                Err(error) => tracing::warn!(%error, "old directories cannot be looked for"),
            }
        });
        self.listing = Some(AbortOnDropHandle::new(task));
    }

    /// Begins to delete these directories.
    pub(crate) fn delete(&mut self, dirs: Vec<DirRef>) {
        while self.tasks.try_join_next().is_some() {}
        self.deletions.retain(|deletion| !deletion.done.is_cancelled());
        for scratch in dirs.iter().filter(|dir| dir.kind == DirKind::Scratch) {
            // Executors that come later get new ones.
            if let Ok(app) = AppId::new(&scratch.id) {
                self.place.forget_scratch(&app);
            }
        }
        let ids = dirs.iter().map(|dir| dir.id.clone()).collect();
        let done = CancellationToken::new();
        self.deletions.push(Deletion { ids, done: done.clone() });
        let (place, done) = (Arc::clone(&self.place), done.drop_guard());
        self.tasks.spawn(async move {
            // The guard goes with the thread: nobody goes on while it still deletes.
            let deleted = spawn_blocking(move || {
                let _done = done;
                delete_all(&place, &dirs);
            });
            if let Err(error) = deleted.await {
                tracing::error!(%error, "deleting directories panicked");
            }
        });
    }

    /// Begins to delete the scratch directories of an application that has ended (DIR-03).
    pub(crate) fn delete_scratch(&mut self, app: &AppId) {
        let scratch = self.place.forget_scratch(app).into_iter().map(|path| DirRef {
            path: path.to_string_lossy().into_owned(),
            kind: DirKind::Scratch,
            id: app.to_string(),
        });
        let scratch: Vec<DirRef> = scratch.collect();
        if !scratch.is_empty() {
            self.delete(scratch);
        }
    }

    /// Deletes the scratch directories that are left, now that nothing runs here any more, and waits a moment for it.
    /// What stays is found by the next process of this worker.
    pub(crate) async fn finish(mut self) {
        for app in self.place.scratch_owners() {
            self.delete_scratch(&app);
        }
        let deleted = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(LAST_DELETIONS, deleted).await.is_err() {
            tracing::info!("directories are left for the next clean-up");
        }
    }

    /// Deletions that must be done before this run may be prepared.
    pub(crate) fn in_the_way(&self, what: &What) -> Vec<CancellationToken> {
        let id = match what {
            What::Driver { driver, .. } => driver.as_str(),
            What::Executor { executor, .. } => executor.app.as_str(),
        };
        let of_it = self.deletions.iter().filter(|deletion| deletion.ids.contains(id));
        of_it.map(|deletion| deletion.done.clone()).collect()
    }
}

/// Drivers' and applications' directories in the work directory, scratch directories in the local roots. A local root
/// that cannot be listed is left out.
fn list_all(place: &Place) -> Result<Vec<DirListed>, RunnerError> {
    let mut found = place.work.list_owned()?;
    found.retain(|dir| dir.kind != OwnedKind::Scratch);
    for root in &place.local {
        match list_owned(root) {
            Ok(dirs) => found.extend(dirs.into_iter().filter(|dir| dir.kind == OwnedKind::Scratch)),
            Err(error) => tracing::warn!(%error, "local directory cannot be looked through"),
        }
    }
    // Local roots are shared: another worker's directories are not ours to judge.
    Ok(found.into_iter().filter(|dir| dir.made_by == place.owner).filter_map(listed).collect())
}

fn listed(dir: Owned) -> Option<DirListed> {
    let kind = match dir.kind {
        OwnedKind::Driver => DirKind::Driver,
        OwnedKind::App => DirKind::App,
        OwnedKind::Scratch => DirKind::Scratch,
        // Goes with its application.
        OwnedKind::Executor => return None,
    };
    let path = dir.path.to_str()?.to_owned();
    Some(DirListed { dir: DirRef { path, kind, id: dir.id }, newest: wall_at(dir.newest) })
}

fn delete_all(place: &Place, dirs: &[DirRef]) {
    for dir in dirs {
        let path = Path::new(&dir.path);
        let (kind, root) = match dir.kind {
            DirKind::Driver => (OwnedKind::Driver, place.work.root()),
            DirKind::App => (OwnedKind::App, place.work.root()),
            DirKind::Scratch => (OwnedKind::Scratch, path.parent().unwrap_or(path)),
        };
        match delete_owned(root, path, kind, &dir.id) {
            Ok(()) => tracing::info!(path = dir.path, id = dir.id, "directory deleted"),
            Err(error) => tracing::warn!(id = dir.id, %error, "directory not deleted"),
        }
    }
}
