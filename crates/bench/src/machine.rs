//! The machine on which it is measured, and what its processes use.

use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The kernel counts processor time in these, on every architecture that Linux runs on today.
const TICKS_PER_SECOND: u32 = 100;

/// One line that stands above figures: without it they mean nothing.
pub(crate) fn describe() -> String {
    let cores = available_parallelism().map_or(0, std::num::NonZero::get);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?.to_owned();
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = model.unwrap_or_else(|| "processor unknown".to_owned());
    format!("{cores} cores of {model}, Linux {}, {}", kernel.trim(), load())
}

/// How busy the machine has been: figures of a busy one are worse than those of a quiet one.
pub(crate) fn load() -> String {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = averages.split_whitespace().take(3).collect();
    format!("load over 1, 5, 15 minutes: {}", averages.join(", "))
}

/// Memory of a process that is in use, in MiB.
pub(crate) fn resident_mib(pid: i32) -> Result<f64> {
    Ok(status(pid, "VmRSS")? / 1024.0)
}

/// Threads of a process.
pub(crate) fn threads(pid: i32) -> Result<f64> {
    status(pid, "Threads")
}

/// Files and sockets that a process has open.
pub(crate) fn open_files(pid: i32) -> Result<usize> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).with_context(|| format!("reading {path}"))?.count())
}

/// A figure of those that the kernel has of a process; sizes are in KiB.
fn status(pid: i32, name: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let figure = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split_whitespace().next());
    figure.and_then(|figure| figure.parse().ok()).with_context(|| format!("{name} in {path}"))
}

/// Processor time that a process has used so far, all its threads together.
pub(crate) fn processor_time(pid: i32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    // The second field is the name in parentheses and may contain anything; the third one follows the last of them.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(Duration::from_secs(ticks.into()) / TICKS_PER_SECOND)
}

/// Raises the limit of open files as far as it goes, for this process and those it starts.
pub(crate) fn raise_open_files() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .context("raising the limit of open files")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_uses_time() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(resident_mib(me).unwrap() > 0.5);
        let before = processor_time(me).unwrap();
        let mut x = 1_u64;
        while processor_time(me).unwrap() < before + Duration::from_millis(20) {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        assert!(threads(me).unwrap() >= 1.0 && open_files(me).unwrap() > 0);
        assert!(resident_mib(-1).is_err() && open_files(-1).is_err());
        assert!(describe().contains("cores"));
    }
}
