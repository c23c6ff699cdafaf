//! Where etcd is, how to be let in, and the timers of the office.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tonic::transport::Uri;

use crate::key::KeyPrefix;

/// Shortest lease: below, an ordinary change of etcd's own leader would cost the office.
pub const LEAST_TTL: Duration = Duration::from_secs(3);

/// Longest lease: it is how long a cut-off leader keeps everybody waiting.
pub const LONGEST_TTL: Duration = Duration::from_secs(60);

/// Lease unless somebody says otherwise: above the longest silence seen at a change of etcd's leader (3.0 s), and room.
pub const DEFAULT_TTL: Duration = Duration::from_secs(5);

/// Longest name of a cluster, in bytes. It is a part of every key.
const LONGEST_NAME: usize = 64;

/// Headings of PEM: tonic takes a text without any for an empty list.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

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

    /// Whether all of it can be used, as far as can be told without asking etcd.
    ///
    /// # Errors
    /// The first option that cannot.
    pub fn check(&self) -> Result<(), InvalidOption> {
        let secure = self.check_endpoints()?;
        check_cluster(&self.cluster)?;
        check_prefix(&self.prefix)?;
        check_ttl(self.ttl)?;
        if let Some(credentials) = &self.credentials {
            credentials.check()?;
        }
        match &self.tls {
            Some(tls) if secure => tls.check(),
            Some(_) => Err(InvalidOption::hidden("tls", "none while the endpoints are http:// ones")),
            None if secure => Err(InvalidOption::hidden("tls.ca", "needed, because the endpoints are https:// ones")),
            None => Ok(()),
        }
    }

    /// Whether they are reached by TLS.
    fn check_endpoints(&self) -> Result<bool, InvalidOption> {
        let Some(first) = self.endpoints.first() else {
            return Err(InvalidOption::hidden("endpoints", "at least one is needed"));
        };
        let secure = is_secure(first)?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            if is_secure(endpoint)? != secure {
                let why = format!("all must be of one scheme, and {first} is of another one");
                return Err(InvalidOption::new("endpoints", endpoint, why));
            }
            if self.endpoints.iter().take(index).any(|before| before == endpoint) {
                return Err(InvalidOption::new("endpoints", endpoint, "named twice"));
            }
        }
        Ok(secure)
    }
}

fn is_secure(endpoint: &str) -> Result<bool, InvalidOption> {
    let invalid = || InvalidOption::new("endpoints", endpoint, "http://host:port or https://host:port is allowed");
    let uri: Uri = endpoint.parse().map_err(|_| invalid())?;
    let address = uri.host().is_some_and(|host| !host.is_empty()) && uri.port_u16().is_some_and(|port| port > 0);
    let more = endpoint.split_once("://").is_none_or(|(_, rest)| rest.contains(['/', '?', '#', '@']));
    match uri.scheme_str() {
        Some("http") if address && !more => Ok(false),
        Some("https") if address && !more => Ok(true),
        _ => Err(invalid()),
    }
}

fn check_cluster(name: &str) -> Result<(), InvalidOption> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let why = format!("1 to {LONGEST_NAME} letters, digits, '.', '_' and '-' are allowed");
    Err(InvalidOption::new("cluster", name, why))
}

fn check_prefix(prefix: &str) -> Result<(), InvalidOption> {
    let parts = prefix.strip_prefix('/').unwrap_or(prefix);
    let printable = !prefix.contains(|found: char| found.is_whitespace() || found.is_control());
    if printable && parts.parse::<KeyPrefix>().is_ok() {
        return Ok(());
    }
    let why = "one or more path parts without blanks, each ended by '/', are allowed, such as /tanist/prod/v1/";
    Err(InvalidOption::new("prefix", prefix, why))
}

fn check_ttl(ttl: Duration) -> Result<(), InvalidOption> {
    if ttl.subsec_nanos() == 0 && (LEAST_TTL..=LONGEST_TTL).contains(&ttl) {
        return Ok(());
    }
    let why = format!("whole seconds from {} to {} are allowed", LEAST_TTL.as_secs(), LONGEST_TTL.as_secs());
    Err(InvalidOption::new("ttl", format!("{ttl:?}"), why))
}

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}{}: {why}", value.as_ref().map(|value| format!(" {value:?}")).unwrap_or_default())]
pub struct InvalidOption {
    /// Which one, by its name in [`EtcdOptions`].
    pub field: &'static str,
    /// Its value, unless it is secret or has none.
    pub value: Option<String>,
    /// What is wrong with it, or what is allowed.
    pub why: String,
}

impl InvalidOption {
    fn new(field: &'static str, value: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field, value: Some(value.into()), why: why.into() }
    }

    fn hidden(field: &'static str, why: impl Into<String>) -> Self {
        Self { field, value: None, why: why.into() }
    }

    /// An endpoint that the transport does not take.
    pub(super) fn endpoint(endpoint: &str, error: &dyn Error) -> Self {
        Self::new("endpoints", endpoint, deepest(error))
    }

    /// Certificates or a key that the transport does not take.
    pub(super) fn tls(error: &dyn Error) -> Self {
        Self::hidden("tls", format!("the certificates or the key cannot be used: {}", deepest(error)))
    }
}

/// The last word of a chain of errors.
fn deepest(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
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

impl Credentials {
    fn check(&self) -> Result<(), InvalidOption> {
        match self {
            Self { user, .. } if user.is_empty() => {
                Err(InvalidOption::new("credentials.user", user, "a name is needed"))
            }
            Self { password, .. } if password.is_empty() => {
                Err(InvalidOption::hidden("credentials.password", "a password is needed with a user"))
            }
            _ => Ok(()),
        }
    }
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

impl EtcdTls {
    /// What is inside of the certificates is looked at when the transport is made of them.
    fn check(&self) -> Result<(), InvalidOption> {
        let absent = |pem: &[u8], what: &str| !String::from_utf8_lossy(pem).contains(what);
        let lacks = |field, what| Err(InvalidOption::hidden(field, format!("there is no {what} in this PEM")));
        if absent(&self.ca, CERTIFICATE) {
            return lacks("tls.ca", "certificate");
        }
        if let Some((certificates, key)) = &self.identity {
            if absent(certificates, CERTIFICATE) {
                return lacks("tls.identity certificate", "certificate");
            }
            if absent(key, PRIVATE_KEY) {
                return lacks("tls.identity key", "private key");
            }
        }
        Ok(())
    }
}

impl fmt::Debug for EtcdTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
