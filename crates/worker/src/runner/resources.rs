//! Custom resources of a worker, such as GPUs: finding their addresses (RS-01) and handing them on (RS-03).

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    time::timeout,
};

use super::{RunnerError, ScriptProblem, process::KEPT_BACK, workdir::check_name};

/// How long a discovery script may take.
pub const SCRIPT_TIME_OUT: Duration = Duration::from_mins(1);
/// Bytes read from each stream of a script: thousands of addresses.
const MAX_OUTPUT: u64 = 1024 * 1024;
/// Bytes of a failed script's standard error that go into the message.
const SHOWN_STDERR: usize = 500;
const WORKER_COMPONENT: &str = "spark.worker";

/// One resource that a worker is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRequest {
    /// Its name, such as `gpu`.
    pub name: String,
    /// How many addresses.
    pub amount: usize,
    /// The script that prints them, used when the resources file does not speak of this resource.
    pub discovery_script: Option<PathBuf>,
}

/// Whose addresses a file hands on; decides file name and component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceUser {
    /// `spark.driver`, in `resource-driver-<n>.json`.
    Driver,
    /// `spark.executor`, in `resource-executor-<n>.json`.
    Executor,
}

/// One entry of a resources file.
#[derive(Debug, Serialize, Deserialize)]
struct Allocation {
    id: ResourceId,
    addresses: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceId {
    component_name: String,
    resource_name: String,
}

/// What a discovery script prints.
#[derive(Debug, Deserialize)]
struct Discovered {
    name: String,
    addresses: Vec<String>,
}

/// Finds the addresses of every requested resource: in the resources file first, by script for those it does not
/// speak of. Of more than requested the first ones are taken. A request for none is ignored.
///
/// # Errors
/// When the file cannot be read or parsed, a script fails, is silent for `time_out` or answers for another resource,
/// too few addresses are found, or one is listed twice.
pub async fn discover(
    requests: &[ResourceRequest],
    file: Option<&Path>,
    time_out: Duration,
) -> Result<BTreeMap<String, Vec<String>>, RunnerError> {
    let offered = file.map(read_file).transpose()?.unwrap_or_default();
    let mut found = BTreeMap::new();
    for request in requests.iter().filter(|request| request.amount > 0) {
        let (addresses, origin) = match (offered.get(&request.name), &request.discovery_script, file) {
            (Some(addresses), _, Some(file)) => (addresses.clone(), file),
            (_, Some(script), _) => {
                let problem = |problem| RunnerError::ResourceScript {
                    resource: request.name.clone(),
                    script: script.clone(),
                    problem,
                };
                (run_script(script, &request.name, time_out).await.map_err(problem)?, script.as_path())
            }
            _ => {
                let resource = request.name.clone();
                return Err(RunnerError::ResourceUnknown { resource, wanted: request.amount });
            }
        };
        found.insert(request.name.clone(), take(request, addresses, origin)?);
    }
    Ok(found)
}

/// Writes the addresses for one driver or executor into its directory and returns the file, or `None` when there are
/// no resources (RS-03). `id` is the `<n>` of the file's name.
///
/// # Errors
/// When `id` cannot be part of a file name, or the file cannot be written.
pub fn write_file(
    dir: &Path,
    user: ResourceUser,
    id: &str,
    resources: &BTreeMap<String, Vec<String>>,
) -> Result<Option<PathBuf>, RunnerError> {
    if resources.is_empty() {
        return Ok(None);
    }
    check_name("resource file id", id)?;
    let (component, name) = match user {
        ResourceUser::Driver => ("spark.driver", "driver"),
        ResourceUser::Executor => ("spark.executor", "executor"),
    };
    let allocations: Vec<Allocation> = resources
        .iter()
        .map(|(resource, addresses)| Allocation {
            id: ResourceId { component_name: component.to_owned(), resource_name: resource.clone() },
            addresses: addresses.clone(),
        })
        .collect();
    let path = dir.join(format!("resource-{name}-{id}.json"));
    serde_json::to_vec(&allocations)
        .map_err(std::io::Error::from)
        .and_then(|json| fs::write(&path, json))
        .map_err(|source| RunnerError::io("write resources file", &path, source))?;
    Ok(Some(path))
}

/// The worker's part of a resources file; entries of other components are not ours.
fn read_file(path: &Path) -> Result<BTreeMap<String, Vec<String>>, RunnerError> {
    let text = fs::read(path).map_err(|source| RunnerError::io("read resources file", path, source))?;
    let list: Vec<Allocation> =
        serde_json::from_slice(&text).map_err(|source| RunnerError::ResourcesFile { path: path.to_owned(), source })?;
    let mut offered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in list.into_iter().filter(|entry| entry.id.component_name == WORKER_COMPONENT) {
        offered.entry(entry.id.resource_name).or_default().extend(entry.addresses);
    }
    Ok(offered)
}

fn take(request: &ResourceRequest, mut addresses: Vec<String>, origin: &Path) -> Result<Vec<String>, RunnerError> {
    let resource = request.name.clone();
    let mut seen = HashSet::new();
    if let Some(twice) = addresses.iter().find(|address| !seen.insert(*address)) {
        return Err(RunnerError::ResourceTwice { resource, address: twice.clone(), origin: origin.to_owned() });
    }
    if addresses.len() < request.amount {
        return Err(RunnerError::ResourceTooFew {
            resource,
            wanted: request.amount,
            found: addresses.len(),
            origin: origin.to_owned(),
        });
    }
    addresses.truncate(request.amount);
    Ok(addresses)
}

async fn run_script(script: &Path, resource: &str, time_out: Duration) -> Result<Vec<String>, ScriptProblem> {
    let mut command = Command::new(script);
    for name in KEPT_BACK {
        command.env_remove(name);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(ScriptProblem::Start)?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let outcome = timeout(time_out, output(&mut child)).await;
    let Ok(outcome) = outcome else {
        if let Some(group) = group {
            // Gone in this very moment: just as well.
            let _ = kill_process_group(group, Signal::KILL);
        }
        return Err(ScriptProblem::TimeOut(time_out));
    };
    let answer: Discovered = serde_json::from_slice(&outcome?).map_err(ScriptProblem::Output)?;
    if answer.name != resource {
        return Err(ScriptProblem::OtherName(answer.name));
    }
    Ok(answer.addresses)
}

async fn output(child: &mut Child) -> Result<Vec<u8>, ScriptProblem> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::join!(read_some(stdout), read_some(stderr));
    let status = child.wait().await.map_err(ScriptProblem::Read)?;
    if status.success() {
        return stdout.map_err(ScriptProblem::Read);
    }
    let stderr = stderr.map_err(ScriptProblem::Read)?;
    let shown = stderr.get(..SHOWN_STDERR).unwrap_or(&stderr);
    let stderr = String::from_utf8_lossy(shown).trim().to_owned();
    Err(ScriptProblem::Failed { status: status.to_string(), stderr })
}

async fn read_some(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(MAX_OUTPUT).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "resources_tests.rs"]
mod tests;
