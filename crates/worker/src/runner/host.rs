//! What the host has: cores, memory, free disk, and a clock that also counts while the host sleeps.

use std::{fs, io, num::NonZeroUsize, path::Path, thread};

use rustix::{
    fs::statvfs,
    time::{ClockId, clock_gettime},
};

use super::RunnerError;

const GIB: u64 = 1024 * 1024 * 1024;
/// Left to the operating system and the worker (CL-02).
const RESERVED: u64 = GIB;
/// Offered however small the host is (CL-02).
const LEAST_OFFERED: u64 = GIB;
/// Assumed when the host's memory cannot be read (CL-02).
const ASSUMED_TOTAL: u64 = 2 * GIB;

/// Cores a worker offers unless told otherwise (CL-02): those this process may use, honouring affinity and cgroup
/// quota; at least 1.
pub fn detect_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Bytes of memory a worker offers unless told otherwise (CL-02): the host's, or the cgroup's limit if that is lower,
/// minus 1 GiB, at least 1 GiB.
pub fn detect_memory() -> u64 {
    let read = |path: &str| fs::read_to_string(path).ok();
    offered(total_memory(&read).unwrap_or(ASSUMED_TOTAL))
}

/// Bytes free for unprivileged users on the file system that holds `path`.
///
/// # Errors
/// When `path` does not exist or cannot be reached.
pub fn free_disk(path: &Path) -> Result<u64, RunnerError> {
    let found =
        statvfs(path).map_err(|error| RunnerError::io("read the free space of", path, io::Error::from(error)))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Milliseconds since the host started, suspended time included: the only clock decisions are made by.
pub fn boottime_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let millis = now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000);
    millis.unsigned_abs()
}

fn offered(total: u64) -> u64 {
    total.saturating_sub(RESERVED).max(LEAST_OFFERED)
}

/// The lowest of the host's memory and the limits of every cgroup this process is in.
fn total_memory(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let host = read("/proc/meminfo").as_deref().and_then(parse_meminfo);
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().flat_map(limit_files).filter_map(|file| read(&file)?.trim().parse().ok());
    // "max" (v2) does not parse; v1 says "no limit" by a number larger than any host.
    host.into_iter().chain(limits).min()
}

fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The limit files for one line of `/proc/self/cgroup`, from the group itself up to the root. Inside a container the
/// path may be the host's and not exist here: then the root, which is the container's own group, remains.
fn limit_files(line: &str) -> Vec<String> {
    let mut fields = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
        return Vec::new();
    };
    let (mount, file) = if controllers.is_empty() {
        ("/sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return Vec::new();
    };
    Path::new(path)
        .ancestors()
        .map(|group| format!("{mount}{}/{file}", group.display().to_string().trim_end_matches('/')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       16384000 kB\nMemFree:         1 kB\n";
    const HOST: u64 = 16_384_000 * 1024;

    fn total(files: &[(&str, &str)]) -> Option<u64> {
        total_memory(&|path| files.iter().find_map(|(name, text)| (*name == path).then(|| (*text).to_owned())))
    }

    #[test]
    fn cl_02_one_gib_is_reserved_and_one_offered_at_least() {
        assert_eq!(offered(8 * GIB), 7 * GIB);
        assert_eq!(offered(GIB + 1), GIB);
        assert_eq!(offered(0), GIB);
        assert_eq!(offered(ASSUMED_TOTAL), GIB);
    }

    #[test]
    fn cgroup_v2_limit_of_any_ancestor_counts() {
        let group = ("/proc/self/cgroup", "0::/a.slice/b.service\n");
        let at = |limit| total(&[("/proc/meminfo", MEMINFO), group, ("/sys/fs/cgroup/a.slice/memory.max", limit)]);
        assert_eq!(at("4294967296\n"), Some(4 * GIB));
        assert_eq!(at("max\n"), Some(HOST));
        assert_eq!(at("99999999999999\n"), Some(HOST));
    }

    #[test]
    fn cgroup_v1_and_containers_count() {
        let group = ("/proc/self/cgroup", "5:cpu:/x\n3:memory:/docker/abc\n");
        let limit = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
        assert_eq!(total(&[("/proc/meminfo", MEMINFO), group, limit]), Some(2 * GIB));
        let none = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(total(&[("/proc/meminfo", MEMINFO), group, none]), Some(HOST));
    }

    #[test]
    fn unknown_host_is_unknown() {
        assert_eq!(total(&[]), None);
        assert_eq!(total(&[("/proc/meminfo", "nonsense")]), None);
    }

    #[test]
    fn this_host_answers() {
        assert!(detect_memory() >= GIB);
        assert!(detect_cores().get() >= 1);
        assert!(free_disk(Path::new("/")).unwrap() > 0);
        let error = free_disk(Path::new("/no/such/place")).unwrap_err().to_string();
        assert!(error.contains("/no/such/place"), "{error}");
        let before = boottime_ms();
        assert!(before > 0 && boottime_ms() >= before);
    }
}
