//! Settings of `tanist master`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use tanist_core::ids::{IdPattern, InvalidId, MasterId};
use tanist_core::master::schedule::{SchedulerOptions, WorkerSelection};
use tanist_core::master::{HEARTBEATS_PER_TIMEOUT, MasterConfig};
use tanist_core::units::Cores;
use tanist_store::etcd::DEFAULT_TTL;

use super::etcd::{self, ClusterName, EtcdPrefix, EtcdUrl};
use super::section::{Conflict, section};
use super::value::show_duration;
use crate::daemon::WebPlace;
use crate::host;

/// Where the original's masters listen (CL-01).
pub(crate) const DEFAULT_PORT: u16 = 7077;
/// Where the original's masters show their pages (CL-01).
const DEFAULT_WEB_PORT: u16 = 8080;
/// Smallest start-again point of the application counter, the original's.
const LEAST_MODULO: u64 = 1000;
/// Smallest worker time-out: four heartbeats a tenth of a second apart.
const LEAST_WORKER_TIMEOUT: Duration = Duration::from_millis(400);

section! {
    /// Settings of `tanist master`. Those from `spread_out_apps` on must be the same on every master of a cluster.
    struct MasterSettings in "master", conflicts: conflicts;

    /// Host name or address by which workers, applications and clients reach this master.
    host: String = host::name();
    /// Address to listen on, if it is another one than the host's.
    bind: Option<String> = None;
    /// Port to listen on, 0 = any free one. Unless a port is set, the next 16 are tried while one is taken.
    port: u16 = DEFAULT_PORT;
    /// Port of the web pages, 0 = any free one, none = no pages. Unless a port is set, the next 16 are tried while one is taken.
    web_port: Option<u16> = Some(DEFAULT_WEB_PORT);
    /// Address on which to listen for web pages; unset: where the master itself listens.
    web_bind: Option<String> = None;
    /// Host name in the addresses of web pages, if browsers need another one than the host's.
    web_host: Option<String> = None;
    /// Name of this master, unique in its cluster and the same over restarts; unset: host:port.
    id: Option<MasterId> = None;
    /// Directory of the embedded store, for masters that all run on this host and share it. Either this or etcd is set.
    store: Option<PathBuf> = None;
    /// Members of etcd, as http://host:port or https://host:port: the store of masters on several hosts.
    etcd: Vec<EtcdUrl> = Vec::new();
    /// Name of the cluster in etcd.
    cluster: ClusterName = ClusterName("default".to_owned());
    /// What all keys in etcd begin with; unset: /tanist/CLUSTER/v1/.
    etcd_prefix: Option<EtcdPrefix> = None;
    /// User of etcd, where it asks for one.
    etcd_user: Option<String> = None;
    /// File with the password of that user; read once, at the start.
    etcd_password_file: Option<PathBuf> = None;
    /// Certificate authorities that may vouch for etcd, PEM; needed with https.
    etcd_ca: Option<PathBuf> = None;
    /// Certificate of this master for etcd, PEM, where etcd asks for one.
    etcd_cert: Option<PathBuf> = None;
    /// Key of that certificate, PEM.
    etcd_key: Option<PathBuf> = None;
    /// Name in etcd's certificates, where it is another one than in the addresses.
    etcd_server_name: Option<String> = None;
    /// Lease of a master in etcd, whole seconds: so long everybody waits for a leader whose host is gone or cut off.
    lease_ttl: Duration = DEFAULT_TTL;

    /// Give an application's executors to as many workers as possible, else to as few (SC-13).
    spread_out_apps: bool = true;
    /// Give drivers to workers in random order, else to the first by id that has room (SC-03).
    spread_out_drivers: bool = true;
    /// Order in which workers are offered to applications (SC-10).
    worker_selection: WorkerSelection = WorkerSelection::CoresFreeDesc;
    /// Most drivers that run at a time (SC-06).
    max_drivers: Option<NonZeroU32> = None;
    /// Cores of an application that names no limit (AP-03).
    default_cores: Option<Cores> = None;
    /// Form of application ids; arguments: time stamp, number (AP-01).
    app_id_pattern: String = "app-%s-%04d".to_owned();
    /// Form of driver ids; arguments: time stamp, number (DR-02).
    driver_id_pattern: String = "driver-%s-%04d".to_owned();
    /// Applications are numbered from 0 and below this, whatever the term.
    app_number_modulo: Option<u64> = None;
    /// Use an application's name as its id.
    app_name_as_id: bool = false;
    /// Executor failures in a row after which an application without a running executor is ended (EX-03).
    max_executor_retries: Option<u32> = Some(10);
    /// Ended applications kept (AP-07).
    retained_apps: usize = 200;
    /// Ended drivers kept (DR-08).
    retained_drivers: usize = 200;
    /// Silence after which a worker is lost; heartbeats are asked for four times as often (HB-02).
    worker_timeout: Duration = Duration::from_secs(60);
    /// Worker time-outs for which a dead worker stays listed (HB-04).
    dead_worker_persistence: u32 = 15;
    /// A recovery after a change of leader ends after this at the latest.
    recovery_timeout: Duration = Duration::from_secs(10);
    /// Silence after which an unreachable application is ended.
    app_timeout: Duration = Duration::from_secs(600);
    /// How long an application may stay away whose client process is gone, in case it restarts.
    app_gone_grace: Duration = Duration::from_secs(5);
    /// Most silent workers given up per minute, in percent of all, once many are silent at a time.
    mass_loss_percent: u32 = 10;
}

fn conflicts(master: &MasterSettings) -> Vec<Conflict> {
    let pattern = |key, text: &str| {
        IdPattern::new(key, text, IdPattern::STAMP_COUNTER).err().map(|error| (key, pattern_rule(&error)))
    };
    let heartbeats = format!(
        "at least {}, so that {HEARTBEATS_PER_TIMEOUT} heartbeats fit into it",
        show_duration(LEAST_WORKER_TIMEOUT)
    );
    let app_timeout = show_duration(master.app_timeout);
    let checks = [
        pattern("app_id_pattern", &master.app_id_pattern),
        pattern("driver_id_pattern", &master.driver_id_pattern),
        (master.app_number_modulo.is_some_and(|modulo| modulo < LEAST_MODULO))
            .then(|| ("app_number_modulo", format!("a whole number of at least {LEAST_MODULO}, or none"))),
        (!(1..=100).contains(&master.mass_loss_percent))
            .then(|| ("mass_loss_percent", "a whole number from 1 to 100".to_owned())),
        (master.worker_timeout < LEAST_WORKER_TIMEOUT).then_some(("worker_timeout", heartbeats)),
        (master.recovery_timeout.is_zero()).then(|| ("recovery_timeout", "a duration longer than 0".to_owned())),
        (master.recovery_timeout > master.app_timeout)
            .then(|| ("recovery_timeout", format!("at most master.app_timeout, which is {app_timeout}"))),
        (master.app_gone_grace > master.app_timeout)
            .then(|| ("app_gone_grace", format!("at most master.app_timeout, which is {app_timeout}"))),
    ];
    checks.into_iter().flatten().chain(etcd::conflicts(master)).collect()
}

/// What an id pattern may be, with what this one does wrong.
fn pattern_rule(error: &InvalidId) -> String {
    format!("text with %s, %d, %0<width>d or their %<position>$ forms, such as app-%s-%04d ({})", error.why)
}

impl MasterSettings {
    /// Where the web pages are.
    pub(crate) fn web(&self) -> WebPlace<'_> {
        let bind = self.web_bind.as_ref().or(self.bind.as_ref()).unwrap_or(&self.host);
        WebPlace { bind, host: self.web_host.as_ref().unwrap_or(&self.host), port: self.web_port }
    }

    /// The settings of the machine.
    ///
    /// # Errors
    /// If an id pattern cannot be used; [`conflicts`] has refused those before.
    pub(crate) fn machine(&self) -> Result<MasterConfig, InvalidId> {
        Ok(MasterConfig {
            scheduler: SchedulerOptions {
                spread_out_apps: self.spread_out_apps,
                spread_out_drivers: self.spread_out_drivers,
                worker_selection: self.worker_selection,
                max_drivers: self.max_drivers.map_or(u32::MAX, NonZeroU32::get),
            },
            default_cores: self.default_cores.unwrap_or(Cores::UNLIMITED),
            app_id_pattern: IdPattern::new("application id pattern", &self.app_id_pattern, IdPattern::STAMP_COUNTER)?,
            driver_id_pattern: IdPattern::new("driver id pattern", &self.driver_id_pattern, IdPattern::STAMP_COUNTER)?,
            app_number_modulo: self.app_number_modulo,
            app_name_as_id: self.app_name_as_id,
            max_executor_retries: self.max_executor_retries,
            retained_apps: self.retained_apps,
            retained_drivers: self.retained_drivers,
            worker_timeout: self.worker_timeout,
            dead_worker_persistence: self.dead_worker_persistence,
            recovery_timeout: self.recovery_timeout,
            app_timeout: self.app_timeout,
            app_gone_grace: self.app_gone_grace,
            mass_loss_percent: self.mass_loss_percent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Section as _;

    #[test]
    fn the_defaults_are_the_core_s() {
        let ours = MasterSettings::defaults().machine().unwrap();
        let core = MasterConfig::new().unwrap();
        assert_eq!(format!("{ours:?}"), format!("{core:?}"));
    }
}
