//! What must be there before a program can start: directory, fetched file, resources file, scratch directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tanist_core::ids::{DriverId, ExecutorRef};
use tanist_core::model::Addresses;
use tanist_core::worker::{Ready, What};

use crate::place::Place;
use crate::runner::artifact::{self, FetchLimits};
use crate::runner::resources::{ResourceUser, write_file};
use crate::runner::{RunnerError, blocking};

/// Makes everything for a run.
///
/// # Errors
/// What was tried, on what, and why it failed.
pub(crate) async fn prepare(place: &Place, limits: &FetchLimits, what: &What) -> Result<Ready, RunnerError> {
    match what {
        What::Driver { driver, description, resources, .. } => {
            let dir = driver_dir(place, driver).await?;
            let ready = fill_driver_dir(&dir, limits, driver, description.artifact.as_deref(), resources).await;
            if ready.is_err() {
                remove_unused(place, driver).await;
            }
            ready
        }
        What::Executor { executor, resources, .. } => {
            let scratch = place.scratch(&executor.app).await?;
            let dir = executor_dir(place, executor).await?;
            let resources_file =
                resources_file(&dir, ResourceUser::Executor, &executor.id.to_string(), resources).await?;
            Ok(Ready { artifact: None, resources_file, scratch: scratch.into_iter().map(text).collect() })
        }
    }
}

async fn fill_driver_dir(
    dir: &Path,
    limits: &FetchLimits,
    driver: &DriverId,
    artifact: Option<&str>,
    resources: &Addresses,
) -> Result<Ready, RunnerError> {
    let fetched = match artifact {
        Some(location) => Some(artifact::fetch(location, dir, limits).await?),
        None => None,
    };
    let resources_file = resources_file(dir, ResourceUser::Driver, driver.as_str(), resources).await?;
    Ok(Ready { artifact: fetched.map(text), resources_file, scratch: Vec::new() })
}

/// Nothing is left of a driver that never had anything here.
async fn remove_unused(place: &Place, driver: &DriverId) {
    let (work, id) = (place.work.clone(), driver.to_string());
    let root = place.work.root();
    let removed = blocking("remove an unused directory in", root, move || work.remove_unused_driver_dir(&id)).await;
    if let Err(error) = removed {
        tracing::warn!(%driver, %error, "unused directory is left");
    }
}

/// DRN-01: it may be there from an earlier attempt.
async fn driver_dir(place: &Place, driver: &DriverId) -> Result<PathBuf, RunnerError> {
    let (work, driver) = (place.work.clone(), driver.to_string());
    blocking("make a driver's directory in", place.work.root(), move || work.driver_dir(&driver)).await
}

/// WL-02: it must not be there.
async fn executor_dir(place: &Place, executor: &ExecutorRef) -> Result<PathBuf, RunnerError> {
    let (work, app, id) = (place.work.clone(), executor.app.to_string(), executor.id.to_string());
    blocking("make an executor's directory in", place.work.root(), move || work.executor_dir(&app, &id)).await
}

/// RS-03: none where there are no resources.
async fn resources_file(
    dir: &Path,
    user: ResourceUser,
    id: &str,
    resources: &Addresses,
) -> Result<Option<String>, RunnerError> {
    let resources: BTreeMap<String, Vec<String>> =
        resources.iter().map(|(name, addresses)| (name.to_owned(), addresses.to_vec())).collect();
    let (target, id) = (dir.to_owned(), id.to_owned());
    let file = blocking("write a resources file in", dir, move || write_file(&target, user, &id, &resources)).await?;
    Ok(file.map(text))
}

/// Programs are told paths as text; directories that are none were refused at the start.
fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}
