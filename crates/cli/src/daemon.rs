//! What master and worker processes share: binding their port, and saying that they are ready.

use std::io::ErrorKind;

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::config::{Resolved, Section, Source};
use crate::exit::Failure;
use crate::output;
use crate::signals::EndRequests;

/// How many ports after the default one are tried while they are taken (CL-07).
const PORT_RETRIES: u16 = 16;

/// Flags for programs that start this one.
#[derive(Debug, clap::Args)]
pub(crate) struct Supervised {
    /// Print one line of JSON once ready
    #[arg(long, hide = true)]
    announce: bool,
    /// End when standard input ends
    #[arg(long, hide = true)]
    die_with_parent: bool,
}

/// What `--announce` prints: one line of JSON on standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// What is ready: `master` or `worker`.
    pub(crate) ready: String,
    /// `host:port` by which others reach it.
    pub(crate) address: String,
    /// Its id.
    pub(crate) id: String,
}

impl Supervised {
    /// The requests to end that apply to this process.
    ///
    /// # Errors
    /// If they cannot be listened for.
    pub(crate) fn end_requests(&self) -> Result<EndRequests, Failure> {
        let requests = EndRequests::listen()?;
        if self.die_with_parent { requests.die_with_parent() } else { Ok(requests) }
    }

    /// Says that the process is ready: to the program that started it, or in the log.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub(crate) fn announce(&self, ready: &Ready) -> Result<(), Failure> {
        if !self.announce {
            tracing::info!(what = ready.ready, address = ready.address, id = ready.id, "ready");
            return Ok(());
        }
        let line = serde_json::to_string(ready).map_err(anyhow::Error::from)?;
        output::print(&line)
    }
}

/// Listens on a port of a section that has the keys `host`, `bind` and `port`. A port that nobody chose gives way to
/// one of the next 16 if it is taken (CL-07).
///
/// # Errors
/// Which setting to change if none can be had.
pub(crate) async fn listen<S: Section>(
    settings: &Resolved<S>,
    (host, bind): (&str, Option<&str>),
    port: u16,
) -> Result<TcpListener, Failure> {
    let chosen = port == 0 || *settings.source("port") != Source::Default;
    let last = if chosen { port } else { port.saturating_add(PORT_RETRIES) };
    let address = bind.unwrap_or(host).trim_start_matches('[').trim_end_matches(']');
    for candidate in port..=last {
        match TcpListener::bind((address, candidate)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse && candidate < last => {
                tracing::info!(port = candidate, "port is taken; trying the next one");
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Err(settings.problem("port", format!("a port that is free on {address} ({error})")).into());
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(settings.problem("port", format!("a port this user may listen on ({error})")).into());
            }
            Err(error) => {
                let key = if bind.is_some() { "bind" } else { "host" };
                return Err(settings.problem(key, format!("an address of this host to listen on ({error})")).into());
            }
        }
    }
    Err(settings.problem("port", "a port from 0 to 65535").into())
}

/// `host:port`; an IPv6 address gets its brackets.
pub(crate) fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Layers, MasterSettings};

    fn settings(port: Option<u16>) -> Resolved<MasterSettings> {
        let flags = Flags::default().with("host", "127.0.0.1");
        let flags = match port {
            Some(port) => flags.with("port", &port.to_string()),
            None => flags,
        };
        Layers::default().resolve(&flags).unwrap()
    }

    #[tokio::test]
    async fn a_taken_port_gives_way_only_if_nobody_chose_it_cl_07() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = listen(&settings(Some(port)), ("127.0.0.1", None), port).await.unwrap_err();
        let text = failure.to_string();
        assert_eq!(failure.code(), 2);
        assert!(text.contains(&format!("master.port = \"{port}\" (from flag --port)")), "{text}");
        let other = listen(&settings(None), ("127.0.0.1", None), port).await.unwrap();
        let found = other.local_addr().unwrap().port();
        assert!((port + 1..=port + PORT_RETRIES).contains(&found), "{port} → {found}");
    }

    #[tokio::test]
    async fn an_address_that_is_not_ours_is_blamed_on_its_key() {
        let failure = listen(&settings(Some(0)), ("127.0.0.1", Some("203.0.113.7")), 0).await.unwrap_err();
        assert!(failure.to_string().contains("master.bind"), "{failure}");
    }
}
