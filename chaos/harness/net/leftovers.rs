//! One run on this machine, and everything of it that must be gone afterwards: processes, namespaces, mounts, files.
//!
//! All of it carries the run's id: namespaces and the directory in their names, processes in their environment. A helper,
//! the janitor, waits for the end of the run, however that comes, and removes what is left by that id. `clean` does the
//! same for runs whose janitor was killed as well.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::getpid;
use tanist_testkit::kill_nine;

use super::namespaces::command;

/// What names of namespaces begin with; the run's id follows.
pub(super) const PREFIX: &str = "tanist-chaos-";
/// Where named namespaces lie.
pub(super) const NAMESPACES: &str = "/run/netns";
/// In the environment of every process of a run.
pub(crate) const RUN_VARIABLE: &str = "CHAOS_RUN";
/// Subcommand of the janitor.
const JANITOR: &str = "janitor";
/// Held by the harness for as long as it lives.
const LOCK: &str = "run.lock";
/// How long what is left may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A run. At its end everything is removed that carries its id.
#[derive(Debug)]
pub(crate) struct Run {
    /// Five letters and digits.
    pub(crate) id: String,
    _lock: File,
    janitor: Option<Child>,
}

impl Run {
    /// Begins one, with a directory of its own.
    ///
    /// # Errors
    /// If the directory or the janitor cannot be had.
    pub(crate) fn begin() -> Result<Self> {
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), getpid().as_raw_pid());
        let id = format!("{:05x}", random & 0xf_ffff);
        let directory = directory(&id);
        fs::create_dir(&directory).with_context(|| format!("making {}", directory.display()))?;
        let lock =
            File::create(directory.join(LOCK)).with_context(|| format!("writing into {}", directory.display()))?;
        lock.lock().with_context(|| format!("locking {LOCK} in {}", directory.display()))?;
        let this = std::env::current_exe().context("the path of this program")?;
        let janitor = Command::new(this)
            .args([JANITOR, &id])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // Signals of a terminal are for the run, not for who cleans up after it.
            .process_group(0)
            .spawn();
        match janitor {
            Ok(janitor) => Ok(Self { id, _lock: lock, janitor: Some(janitor) }),
            Err(error) => {
                let _ = fs::remove_dir_all(&directory);
                Err(error).context("starting the janitor")
            }
        }
    }

    /// Where everything of it lies.
    pub(crate) fn directory(&self) -> PathBuf {
        directory(&self.id)
    }

    /// Ends it: nothing of it is there any more afterwards.
    ///
    /// # Errors
    /// What could not be removed.
    pub(crate) fn end(mut self) -> Result<()> {
        let mut janitor = self.janitor.take().context("the janitor")?;
        drop(janitor.stdin.take());
        let status = janitor.wait().context("waiting for the janitor")?;
        ensure!(
            status.success(),
            "run {} has left something behind: see above; `cargo xtask chaos clean` tries again",
            self.id
        );
        Ok(())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(mut janitor) = self.janitor.take() {
            drop(janitor.stdin.take());
            drop(janitor.wait());
        }
    }
}

fn directory(id: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{PREFIX}{id}"))
}

/// Waits until its standard input ends, which only the harness holds, and removes what is left of the run.
///
/// # Errors
/// What could not be removed.
pub(crate) fn janitor(id: &str) -> Result<()> {
    ensure!(id.chars().all(|c| c.is_ascii_hexdigit()) && !id.is_empty(), "{id:?} is no run");
    let _: std::io::Result<usize> = std::io::stdin().read_to_end(&mut Vec::new());
    remove(id)
}

/// Removes what is left of runs whose harness is gone. Says what it found.
///
/// # Errors
/// What could not be removed.
pub(crate) fn clean_all(mut say: impl FnMut(&str)) -> Result<()> {
    let ids = ids();
    for id in &ids {
        if is_live(id) {
            say(&format!("run {id} goes on: left alone"));
            continue;
        }
        let (namespaces, processes) = (namespaces_of(id).len(), processes_of(id).len());
        remove(id)?;
        say(&format!("run {id}: removed its directory, {namespaces} namespaces, {processes} processes"));
    }
    if ids.is_empty() {
        say("nothing is left of any run");
    }
    Ok(())
}

/// Of all runs that have left anything.
fn ids() -> Vec<String> {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let all = [names(&std::env::temp_dir()), names(Path::new(NAMESPACES))].concat();
    let id = |name: String| Some(name.strip_prefix(PREFIX)?.split('-').next()?.to_owned());
    let marked = all_processes().into_iter().filter_map(|(_, run)| run);
    let mut ids: Vec<String> = all.into_iter().filter_map(id).chain(marked).collect();
    ids.retain(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit()));
    ids.sort();
    ids.dedup();
    ids
}

/// Whether its harness lives, or somebody cleans up behind it just now. Its directory may be elsewhere than where this
/// process would look; its janitor is found anyhow.
fn is_live(id: &str) -> bool {
    let locked = File::open(directory(id).join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
    let words = format!("\0{JANITOR}\0{id}\0");
    let guarded = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).ends_with(&words)
    };
    locked || all_processes().iter().any(|(pid, _)| guarded(pid))
}

fn remove(id: &str) -> Result<()> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let left = processes_of(id);
        if left.is_empty() {
            break;
        }
        // Killed over and over: a keeper that dies may leave a child that is only now seen.
        for process in &left {
            kill_nine(*process);
        }
        if Instant::now() >= deadline {
            bail!("processes {left:?} of run {id} do not end");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    for name in namespaces_of(id) {
        command("ip", &["netns", "del", &name], "")?;
    }
    let directory = directory(id);
    for mount in mounts_below(&directory) {
        command("umount", &[&mount], "")?;
    }
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", directory.display()))
        }
        _ => Ok(()),
    }
}

pub(super) fn namespaces_of(id: &str) -> Vec<String> {
    let entries = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let prefix = format!("{PREFIX}{id}-");
    names.filter(|name| name.starts_with(&prefix)).collect()
}

fn processes_of(id: &str) -> Vec<i32> {
    let all = all_processes().into_iter();
    all.filter(|(_, run)| run.as_deref() == Some(id)).map(|(pid, _)| pid).collect()
}

/// All live processes of this machine, with the run that each belongs to.
fn all_processes() -> Vec<(i32, Option<String>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let marked = |pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment);
        let run = environment.split('\0').find_map(|pair| pair.strip_prefix(RUN_VARIABLE)?.strip_prefix('='));
        (pid, run.map(str::to_owned))
    };
    pids.filter(|pid| tanist_testkit::alive(*pid)).map(marked).collect()
}

/// The inner ones first.
fn mounts_below(directory: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = table.lines().filter_map(|line| line.split(' ').nth(1));
    let mut below: Vec<String> =
        places.filter(|place| Path::new(place).starts_with(directory)).map(str::to_owned).collect();
    below.reverse();
    below
}
