//! Settings of `tanist worker`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tanist_core::ids::{IdPattern, WorkerId};
use tanist_core::units::{Cores, Memory};
use tanist_core::worker::SslSettings;
use tanist_worker::runner::host::{detect_cores, detect_memory};
use tanist_worker::runner::logs::Interval;

use super::section::{Conflict, section};
use super::value::scalar_value;
use crate::daemon::WebPlace;
use crate::host;

/// Where the original's workers show their pages (CL-02).
const DEFAULT_WEB_PORT: u16 = 8081;
/// The largest a wait for the end of a process may be set: an hour is no grace any more.
const LONGEST_GRACE: Duration = Duration::from_secs(3600);
/// The first wait before a supervised driver is started again (DRN-06).
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// When a log rolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roll {
    /// At the end of every interval.
    Every(Interval),
    /// Before it grows beyond this.
    At(Memory),
}

impl Roll {
    fn read(text: &str) -> Option<Self> {
        let every = text.parse().ok().map(Self::Every);
        every.or_else(|| Memory::parse(text).ok().map(Self::At))
    }

    fn show(&self) -> String {
        match self {
            Self::Every(Interval::Daily) => "daily".to_owned(),
            Self::Every(Interval::Hourly) => "hourly".to_owned(),
            Self::Every(Interval::Minutely) => "minutely".to_owned(),
            Self::Every(Interval::Seconds(seconds)) => seconds.to_string(),
            Self::At(size) => size.to_string(),
        }
    }
}

scalar_value!(
    Roll,
    "daily, hourly, minutely, a whole number of seconds, or a size of at least 1 MiB with its unit",
    Roll::read,
    Roll::show
);

section! {
    /// Settings of `tanist worker`.
    struct WorkerSettings in "worker", conflicts: conflicts;

    /// Host name or address by which masters and applications reach this worker.
    host: String = host::name();
    /// Address to listen on, if it is another one than the host's.
    bind: Option<String> = None;
    /// Port to listen on, 0 = any free one.
    port: u16 = 0;
    /// Port of the web pages, 0 = any free one, none = no pages. Unless a port is set, the next 16 are tried while one is taken.
    web_port: Option<u16> = Some(DEFAULT_WEB_PORT);
    /// Address on which to listen for web pages; unset: where the worker itself listens.
    web_bind: Option<String> = None;
    /// Host name in the addresses of web pages, if browsers need another one than the host's.
    web_host: Option<String> = None;
    /// Name of this worker; unset: made from the pattern at every start.
    id: Option<WorkerId> = None;
    /// Form of worker ids; arguments: time stamp, host, port (WR-01).
    id_pattern: String = "worker-%s-%s-%d".to_owned();
    /// Cores offered; found out if unset (CL-02).
    cores: Cores = Cores(u32::try_from(detect_cores().get()).unwrap_or(u32::MAX));
    /// Memory offered; unset: all but 1 GiB (CL-02).
    memory: Memory = Memory::mib(detect_memory() / (1024 * 1024));
    /// Directory for what drivers and executors run in and write.
    work_dir: PathBuf = PathBuf::from("work");
    /// Directories for scratch space of applications (WL-03); unset: the system's one for temporary files.
    local_dirs: Vec<PathBuf> = vec![std::env::temp_dir()];

    /// Directory where Spark is installed, for Java programs of which no release is known, and for those of its own
    /// release (CMD-01). Where there are several: spark.homes.
    spark_home: Option<PathBuf> = None;
    /// This host's own spark.ssl.* settings, for Java programs with spark.ssl.useNodeLocalConf=true (WL-04).
    ssl_settings: SslSettings = SslSettings::default();

    /// Custom resources offered, such as gpu=2 (RS-01).
    resources: BTreeMap<String, u32> = BTreeMap::new();
    /// JSON file that says which addresses the custom resources have (RS-01).
    resources_file: Option<PathBuf> = None;
    /// Scripts that find the addresses of resources the file does not name, such as gpu=/opt/find-gpus (RS-01).
    discovery_scripts: BTreeMap<String, PathBuf> = BTreeMap::new();

    /// Come back to the address under which a master was reached instead of the one it announces (WR-05).
    prefer_configured_master_address: bool = false;
    /// Give up after so many tries to register in a row: 6 every 5 to 15 s, then every 30 to 90 s (WR-04). Without it
    /// the worker tries for ever, every 1 to 3 s.
    max_registration_retries: Option<u32> = None;

    /// When executors' logs roll: daily, hourly, minutely, a number of seconds, or a size such as 1m (LOG-01).
    roll_logs: Option<Roll> = None;
    /// Rolled files kept of each log; none = all.
    rolled_logs_kept: Option<u32> = None;
    /// Compress rolled files.
    compress_rolled_logs: bool = false;

    /// How long the server of a driver's artifact may take to accept a connection.
    artifact_connect_timeout: Duration = Duration::from_secs(10);
    /// How long the server of a driver's artifact may be silent.
    artifact_idle_timeout: Duration = Duration::from_secs(60);
    /// How long the fetching of an artifact is tried again.
    artifact_retry_for: Duration = Duration::from_secs(60);
    /// Largest artifact that is fetched.
    artifact_max_size: Memory = Memory::mib(4096);

    /// Ended executors listed (WL-09).
    retained_executors: usize = 1000;
    /// Ended drivers listed (WL-09).
    retained_drivers: usize = 1000;
    /// From SIGTERM to SIGKILL for drivers (DRN-08).
    driver_terminate_timeout: Duration = Duration::from_secs(10);
    /// From SIGTERM to SIGKILL for executors (ERN-06).
    executor_terminate_timeout: Duration = Duration::from_secs(10);
    /// Longest wait before a supervised driver is started again; the waits are 1, 2, 4 ... seconds (DRN-06).
    supervise_backoff_cap: Duration = Duration::from_secs(60);
    /// A run of a supervised driver longer than this starts the waits anew (DRN-06).
    supervise_reset_after: Duration = Duration::from_secs(5);

    /// Delete old directories of ended applications and drivers (DIR-02).
    cleanup_enabled: bool = true;
    /// How often to look for them.
    cleanup_interval: Duration = Duration::from_secs(1800);
    /// Age from which they are old.
    cleanup_ttl: Duration = Duration::from_secs(7 * 86_400);
    /// Take no new work while less disk space than this is free in the work directory.
    disk_floor: Option<Memory> = None;
    /// Decommissioning is possible (DC-01).
    decommission_enabled: bool = false;
    /// Address of a reverse proxy in front of all web pages, for log addresses (ERN-04).
    reverse_proxy_url: Option<String> = None;
}

impl WorkerSettings {
    /// Where the web pages are.
    pub(crate) fn web(&self) -> WebPlace<'_> {
        let bind = self.web_bind.as_ref().or(self.bind.as_ref()).unwrap_or(&self.host);
        WebPlace { bind, host: self.web_host.as_ref().unwrap_or(&self.host), port: self.web_port }
    }
}

fn conflicts(worker: &WorkerSettings) -> Vec<Conflict> {
    let pattern = IdPattern::new("id_pattern", &worker.id_pattern, IdPattern::STAMP_HOST_PORT).err();
    let grace = |key, value: Duration| (value > LONGEST_GRACE).then(|| (key, "at most 1h".to_owned()));
    let no_script = worker.discovery_scripts.keys().find(|name| !worker.resources.contains_key(*name));
    let no_source = worker.resources.iter().find(|(name, amount)| {
        **amount > 0 && worker.resources_file.is_none() && !worker.discovery_scripts.contains_key(*name)
    });
    let checks = [
        pattern.map(|error| {
            ("id_pattern", format!("text with %s, %d, %0<width>d or their %<position>$ forms ({})", error.why))
        }),
        grace("driver_terminate_timeout", worker.driver_terminate_timeout),
        grace("executor_terminate_timeout", worker.executor_terminate_timeout),
        (worker.supervise_backoff_cap < FIRST_BACKOFF)
            .then(|| ("supervise_backoff_cap", "at least 1s, the first wait".to_owned())),
        (worker.cleanup_interval.is_zero()).then(|| ("cleanup_interval", "a duration longer than 0".to_owned())),
        no_script.map(|name| ("discovery_scripts", format!("scripts for resources that worker.resources names; {name:?} is not among them"))),
        no_source.map(|(name, _)| ("resources", format!("resources whose addresses worker.resources_file or worker.discovery_scripts tells; nothing tells those of {name:?}"))),
    ];
    checks.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_roll_by_time_or_size() {
        for text in ["daily", "hourly", "minutely", "90", "1m", "2g"] {
            assert_eq!(Roll::read(text).map(|roll| roll.show()).as_deref(), Some(text));
        }
        for bad in ["0", "weekly", "-1", "1023k", ""] {
            assert_eq!(Roll::read(bad), None, "{bad}");
        }
    }
}
