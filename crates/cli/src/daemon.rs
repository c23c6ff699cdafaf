//! What master and worker processes share: binding their port, and saying that they are ready.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tanist_core::address::host_port;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::config::{Resolved, Section, Source};
use crate::exit::Failure;
use crate::output;
use crate::signals::EndRequests;

/// How many ports after the default one are tried while they are taken (CL-07).
const PORT_RETRIES: u16 = 16;

/// Connections that the kernel holds until they are taken, as far as it lets us: after a change of leader a thousand
/// workers come at once, and one that is not held tries again only after a second.
const BACKLOG: u32 = 4096;

/// Files and connections that may be open at once: the usual 1024 are gone with the idle readers of the pages. As much as
/// the units in `deploy/systemd` allow; what a worker runs inherits it.
const OPEN_FILES: u64 = 65_536;

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
    /// Address of its web pages, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) web: Option<String>,
}

/// Where web pages are shown.
#[derive(Debug)]
pub(crate) struct WebPlace<'a> {
    /// Where to listen.
    pub(crate) bind: &'a str,
    /// By which name others reach it.
    pub(crate) host: &'a str,
    /// On which port; none = there are no pages.
    pub(crate) port: Option<u16>,
}

/// Raises the limit of open files as far as this host lets us. Called before anything is opened.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    // No limit at all is none.
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }) {
        tracing::warn!(%error, limit = ?limit.current, wanted, "the limit of open files cannot be raised");
    }
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
    let key = if bind.is_some() { "bind" } else { "host" };
    bind_port(settings, bind.unwrap_or(host), key, (port, "port")).await
}

/// Listens for web pages, if there are any, on a port of a section that has the keys `web_bind` and `web_port`; with the
/// address by which others reach them. A port gives way as that of [`listen`].
///
/// # Errors
/// Which setting to change if none can be had.
pub(crate) async fn listen_for_web<S: Section>(
    settings: &Resolved<S>,
    place: &WebPlace<'_>,
) -> Result<Option<(TcpListener, String)>, Failure> {
    let Some(port) = place.port else { return Ok(None) };
    let listener = bind_port(settings, place.bind, "web_bind", (port, "web_port")).await?;
    let port = listener.local_addr().map_err(anyhow::Error::from)?.port();
    let url = format!("http://{}", host_port(place.host, port));
    tracing::info!(url, "web pages");
    Ok(Some((listener, url)))
}

async fn bind_port<S: Section>(
    settings: &Resolved<S>,
    address: &str,
    address_key: &'static str,
    (port, port_key): (u16, &'static str),
) -> Result<TcpListener, Failure> {
    let chosen = port == 0 || *settings.source(port_key) != Source::Default;
    let last = if chosen { port } else { port.saturating_add(PORT_RETRIES) };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    for candidate in port..=last {
        match bind_to(address, candidate).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse && candidate < last => {
                tracing::info!(port = candidate, "port is taken; trying the next one");
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Err(settings.problem(port_key, format!("a port that is free on {address} ({error})")).into());
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(settings.problem(port_key, format!("a port this user may listen on ({error})")).into());
            }
            Err(error) => {
                return Err(settings
                    .problem(address_key, format!("an address of this host to listen on ({error})"))
                    .into());
            }
        }
    }
    Err(settings.problem(port_key, "a port from 0 to 65535").into())
}

/// Listens on the first address of a host that can be had.
async fn bind_to(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut refused = None;
    for address in lookup_host((host, port)).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| ErrorKind::AddrNotAvailable.into()))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    async fn web_pages_give_way_unless_somebody_chose_their_port_cl_07_t_lu_02() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let place = |port| WebPlace { bind: "127.0.0.1", host: "spark.example.org", port };
        let listen = async |flags: Flags<MasterSettings>, port| {
            listen_for_web(&Layers::default().resolve(&flags).unwrap(), &place(port)).await
        };
        let (_, url) = listen(Flags::default(), Some(port)).await.unwrap().unwrap();
        assert!(url.starts_with("http://spark.example.org:") && !url.ends_with(&format!(":{port}")), "{url}");
        let chosen = Flags::default().with("web_port", &port.to_string());
        let failure = listen(chosen, Some(port)).await.unwrap_err().to_string();
        assert!(failure.contains(&format!("master.web_port = \"{port}\" (from flag --web-port)")), "{failure}");
        assert!(listen(Flags::default(), None).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_crowd_that_comes_at_once_is_held_until_it_is_taken() {
        let listener = listen(&settings(Some(0)), ("127.0.0.1", None), 0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut crowd = Vec::new();
        // More than most servers let wait. Nobody takes them here.
        for number in 0..1_000 {
            let came = tokio::time::timeout(Duration::from_secs(20), tokio::net::TcpStream::connect(address)).await;
            crowd.push(came.unwrap_or_else(|_| panic!("number {number} was not held")).unwrap());
        }
    }

    #[tokio::test]
    async fn an_address_that_is_not_ours_is_blamed_on_its_key() {
        let failure = listen(&settings(Some(0)), ("127.0.0.1", Some("203.0.113.7")), 0).await.unwrap_err();
        assert!(failure.to_string().contains("master.bind"), "{failure}");
    }

    #[test]
    fn many_files_may_be_open_where_the_host_lets_us() {
        let hard = getrlimit(Resource::Nofile).maximum;
        raise_open_files();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.maximum, hard, "the hard limit stays");
        assert!(now.current.is_none_or(|now| now >= hard.map_or(OPEN_FILES, |most| most.min(OPEN_FILES))), "{now:?}");
    }
}
