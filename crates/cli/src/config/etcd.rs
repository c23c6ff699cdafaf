//! Settings of `tanist master` about etcd: their types, and what goes together.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tanist_client::MasterList;
use tanist_core::worker::isolation_margin;
use tanist_store::etcd::{LEAST_TTL, LONGEST_TTL, default_prefix};

use super::MasterSettings;
use super::section::Conflict;
use super::value::{scalar_value, show_duration};

/// Far above any time-out for which the margin still grows.
const SEARCHED_SECONDS: u64 = 3600;

/// Address of one member of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EtcdUrl {
    tls: bool,
    address: String,
}

impl FromStr for EtcdUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (scheme, rest) = text.split_once("://").ok_or(())?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(()),
        };
        let list = MasterList::parse("etcd", rest.strip_suffix('/').unwrap_or(rest)).map_err(|_| ())?;
        match list.addresses() {
            [address] if rest.starts_with(address.as_str()) => Ok(Self { tls, address: address.clone() }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for EtcdUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }
}

scalar_value!(EtcdUrl, "http://host:port or https://host:port", |text| text.trim().parse().ok(), ToString::to_string);

/// Longest name of a cluster, in bytes.
const LONGEST_NAME: usize = 64;

/// Name of a cluster; part of every key in etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterName(pub(crate) String);

impl ClusterName {
    fn read(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let good = (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(allowed);
        good.then(|| Self(text.to_owned()))
    }
}

scalar_value!(ClusterName, "1 to 64 letters, digits, '.', '_' and '-'", ClusterName::read, |name| name.0.clone());

/// What all keys of a cluster begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EtcdPrefix(pub(crate) String);

impl EtcdPrefix {
    fn read(text: &str) -> Option<Self> {
        let parts = text.strip_prefix('/').unwrap_or(text).strip_suffix('/')?;
        let good = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
        parts.split('/').all(good).then(|| Self(text.to_owned()))
    }
}

scalar_value!(
    EtcdPrefix,
    "path parts without white space and '/' at the end, such as /tanist/prod/v1/",
    EtcdPrefix::read,
    |prefix| prefix.0.clone()
);

impl MasterSettings {
    /// What all keys begin with.
    pub(crate) fn prefix(&self) -> String {
        self.etcd_prefix.as_ref().map_or_else(|| default_prefix(&self.cluster.0), |prefix| prefix.0.clone())
    }

    /// Whether etcd is reached by TLS.
    pub(crate) fn etcd_by_tls(&self) -> bool {
        self.etcd.iter().any(|member| member.tls)
    }
}

/// What does not go together. Without `etcd` the rest says nothing, so that one file can serve both stores.
pub(super) fn conflicts(master: &MasterSettings) -> Vec<Conflict> {
    if master.etcd.is_empty() {
        return lease(master).into_iter().collect();
    }
    let tls = master.etcd_by_tls();
    let mixed = tls && master.etcd.iter().any(|member| !member.tls);
    let twice = master
        .etcd
        .iter()
        .enumerate()
        .any(|(index, member)| master.etcd.iter().skip(index + 1).any(|other| other == member));
    let alone = |one: bool, other: bool, key, rule: &str| (one && !other).then(|| (key, rule.to_owned()));
    let only_tls = |set: bool, key| {
        (set && !tls).then(|| (key, "none while the members of master.etcd are http:// ones".to_owned()))
    };
    let (user, password) = (master.etcd_user.is_some(), master.etcd_password_file.is_some());
    let (ca, cert, key) = (master.etcd_ca.is_some(), master.etcd_cert.is_some(), master.etcd_key.is_some());
    let checks = [
        (master.store.is_some())
            .then(|| ("store", "none while master.etcd is set: a master has one store, not both".to_owned())),
        mixed.then(|| ("etcd", "members that all are http:// or all are https://".to_owned())),
        twice.then(|| ("etcd", "members that are each named once".to_owned())),
        alone(user, password, "etcd_user", "none, or a user whose password is in master.etcd_password_file"),
        alone(password, user, "etcd_password_file", "none, or the password of the user named by master.etcd_user"),
        alone(
            tls,
            ca,
            "etcd_ca",
            "a PEM file of the authorities to trust: the members of master.etcd are https:// ones",
        ),
        alone(cert, key, "etcd_cert", "none, or a certificate whose key is in master.etcd_key"),
        alone(key, cert, "etcd_key", "none, or the key of the certificate in master.etcd_cert"),
        only_tls(ca, "etcd_ca"),
        only_tls(cert, "etcd_cert"),
        only_tls(key, "etcd_key"),
        only_tls(master.etcd_server_name.is_some(), "etcd_server_name"),
        lease(master).or_else(|| isolation(master)),
    ];
    checks.into_iter().flatten().collect()
}

/// What etcd can be asked for.
fn lease(master: &MasterSettings) -> Option<Conflict> {
    let whole = master.lease_ttl.subsec_nanos() == 0;
    let allowed = (LEAST_TTL..=LONGEST_TTL).contains(&master.lease_ttl) && whole;
    let (least, longest) = (show_duration(LEAST_TTL), show_duration(LONGEST_TTL));
    (!allowed).then(|| ("lease_ttl", format!("whole seconds from {least} to {longest}")))
}

/// `on_isolation = kill` promises that two copies of a driver never overlap. A leader that was deposed by mistake goes on
/// answering heartbeats until its local deadline, TTL − 1 s, and so puts off the end of a driver that its successor may
/// start elsewhere. The worker's margin must be that long, and 1 s more: for SIGKILL to help and for clocks of different
/// speed.
fn isolation(master: &MasterSettings) -> Option<Conflict> {
    let (ttl, timeout) = (master.lease_ttl, master.worker_timeout);
    let margin = isolation_margin(timeout);
    if ttl <= margin {
        return None;
    }
    let longest = Duration::from_secs(margin.as_secs());
    let lease = if longest < LEAST_TTL { "none".to_owned() } else { format!("at most {}", show_duration(longest)) };
    let needed = timeout_for(ttl).map(|needed| format!(", or a worker_timeout of at least {}", show_duration(needed)));
    let allowed = format!(
        "{lease} while master.worker_timeout is {}{}: a driver with on_isolation = kill could otherwise run twice at a time",
        show_duration(timeout),
        needed.unwrap_or_default(),
    );
    Some(("lease_ttl", allowed))
}

/// The shortest time-out, in whole seconds, that leaves room for such a lease; none if no time-out does.
fn timeout_for(ttl: Duration) -> Option<Duration> {
    let enough = |timeout: &Duration| isolation_margin(*timeout) >= ttl;
    (1..=SEARCHED_SECONDS).map(Duration::from_secs).find(enough)
}
