//! Where etcd is, how to be let in, and the timers of the office.

use std::fmt;
use std::time::Duration;

/// Shortest lease: below, an ordinary change of etcd's own leader would cost the office.
pub const LEAST_TTL: Duration = Duration::from_secs(3);

/// Longest lease: it is how long a cut-off leader keeps everybody waiting.
pub const LONGEST_TTL: Duration = Duration::from_secs(60);

/// Lease unless somebody says otherwise: above the longest silence seen at a change of etcd's leader (3.0 s), and room.
pub const DEFAULT_TTL: Duration = Duration::from_secs(5);

/// How a master reaches its store in etcd. The same on every master of a cluster, but for the identity.
#[derive(Debug, Clone)]
pub struct EtcdOptions {
    /// Members of etcd, as `http://host:port` or `https://host:port`; at least one, all of one scheme.
    pub endpoints: Vec<String>,
    /// Name of the cluster; written into the store by its first master, and compared ever after.
    pub cluster: String,
    /// What all keys begin with: one or more path parts, `/` at the end, such as `/tanist/prod/v1/`.
    pub prefix: String,
    /// Lease of a master: whole seconds, [`LEAST_TTL`] to [`LONGEST_TTL`].
    pub ttl: Duration,
    /// Who this master is to etcd, if etcd asks for a password.
    pub credentials: Option<Credentials>,
    /// With `https` endpoints: whom to trust, and who we are.
    pub tls: Option<EtcdTls>,
}

impl EtcdOptions {
    /// For these endpoints and this cluster, everything else as by default.
    pub fn new(endpoints: Vec<String>, cluster: &str) -> Self {
        Self {
            endpoints,
            cluster: cluster.to_owned(),
            prefix: default_prefix(cluster),
            ttl: DEFAULT_TTL,
            credentials: None,
            tls: None,
        }
    }
}

/// Where a cluster's keys lie unless somebody says otherwise.
pub fn default_prefix(cluster: &str) -> String {
    format!("/tanist/{cluster}/v1/")
}

/// A user of etcd.
#[derive(Clone)]
pub struct Credentials {
    /// Name.
    pub user: String,
    /// Password; never shown.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// TLS towards etcd, everything PEM.
#[derive(Clone)]
pub struct EtcdTls {
    /// Certificate authorities to trust.
    pub ca: Vec<u8>,
    /// Certificate chain and key of this master, where etcd asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name in etcd's certificate, where it is another one than in the endpoint.
    pub server_name: Option<String>,
}

impl fmt::Debug for EtcdTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}
