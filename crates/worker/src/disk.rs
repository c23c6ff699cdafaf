//! Watching the free space of the work directory's file system, where a floor is set.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use tanist_core::units::Memory;
use tanist_core::worker::Event;

use crate::handle::WorkerHandle;
use crate::runner::blocking;
use crate::runner::host::free_disk;

/// How often: a full disk is noticed before much has been placed on it.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// The operating system counts in bytes.
pub(crate) const BYTES_PER_MIB: u64 = 1024 * 1024;

/// Measures until the loop has ended; the first time at once.
pub(crate) async fn watch(work_dir: PathBuf, handle: WorkerHandle) {
    loop {
        let dir = work_dir.clone();
        match blocking("read the free space of", &work_dir, move || free_disk(&dir)).await {
            Ok(free) => {
                if !handle.tell(Event::DiskFree(Memory::mib(free / BYTES_PER_MIB))).await {
                    return;
                }
            }
            Err(error) => tracing::warn!(%error, "free disk space unknown"),
        }
        sleep(MEASURE_EVERY).await;
    }
}
