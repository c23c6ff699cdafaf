//! A TCP proxy in the test process: the network between two parties, and what can go wrong with it.
//!
//! The mode can be switched at any time, also for connections that stand, and for the connections of single processes:
//! so one worker can be cut off from masters that all others reach.

mod line;
mod owner;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use owner::Socket;

/// Where what is behind a proxy listens; the proxy has the same port on 127.0.0.1. The whole of 127.0.0.0/8 is loopback.
pub const BEHIND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Pause before a listener that could not be opened again is tried once more.
const REOPEN_EVERY: Duration = Duration::from_millis(20);

/// What becomes of bytes in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// They pass.
    #[default]
    Pass,
    /// They pass, so much later. Order and throughput stay.
    Delay(Duration),
    /// They wait, for as long as this lasts; so do new connections. Nobody is told.
    Hold,
    /// Connections are reset, new ones refused (those of single processes: reset).
    Cut,
}

/// Modes of both directions of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Modes {
    /// From who connected to what is behind the proxy.
    pub inwards: Mode,
    /// The answers.
    pub outwards: Mode,
}

impl From<Mode> for Modes {
    fn from(mode: Mode) -> Self {
        Self { inwards: mode, outwards: mode }
    }
}

impl Modes {
    fn cut(self) -> bool {
        self.inwards == Mode::Cut || self.outwards == Mode::Cut
    }
}

/// Whose connections are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Those of one process, by its id.
    Process(i32),
    /// Those from one address.
    Address(IpAddr),
}

/// What holds now.
#[derive(Debug, Clone, Default)]
struct Rules {
    everybody: Modes,
    single: BTreeMap<Whose, Modes>,
    /// For connections that were open at a moment, and for no later ones. The latest rule wins.
    standing: Vec<(Whose, Instant, Modes)>,
}

impl Rules {
    /// Modes of a connection: those for standing ones win, then those of whose it is.
    fn of(&self, socket: &Socket, opened: Instant) -> Modes {
        let stands = |(whose, until, _): &&(Whose, Instant, Modes)| opened <= *until && socket.belongs_to(*whose);
        let standing = self.standing.iter().rev().find(stands).map(|(_, _, modes)| *modes);
        let own = || self.single.iter().find(|(whose, _)| socket.belongs_to(**whose)).map(|(_, modes)| *modes);
        standing.or_else(own).unwrap_or(self.everybody)
    }
}

/// A running proxy. Its end resets all its connections.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens, as `host:port`.
    pub address: String,
    rules: watch::Sender<Rules>,
    accepts: JoinHandle<()>,
}

impl Proxy {
    /// In front of `target` (`host:port`), on a free port.
    ///
    /// # Errors
    /// If the port cannot be had, or `target` is no address.
    pub fn start(target: &str) -> Result<Self> {
        Self::on(&format!("127.0.0.1:{}", crate::etcd::free_port()?), target)
    }

    /// In front of [`BEHIND`] with the same port.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn before(port: u16) -> Result<Self> {
        Self::on(&format!("127.0.0.1:{port}"), &format!("{BEHIND}:{port}"))
    }

    fn on(address: &str, target: &str) -> Result<Self> {
        let here: SocketAddr = address.parse().with_context(|| format!("{address:?} as host:port"))?;
        let target: SocketAddr = target.parse().with_context(|| format!("{target:?} as host:port"))?;
        Self::within(runtime()?.handle(), here, target)
    }

    /// At `here`, in front of `target`, in the threads of this runtime: in their network, that is.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn within(runtime: &Handle, here: SocketAddr, target: SocketAddr) -> Result<Self> {
        let (send, bound) = mpsc::channel();
        runtime.spawn(async move { send.send(TcpListener::bind(here).await) });
        let listener =
            bound.recv().context("the runtime has ended")?.with_context(|| format!("listening on {here}"))?;
        let rules = watch::Sender::new(Rules::default());
        let accepts = runtime.spawn(accept(listener, here, target, rules.subscribe()));
        Ok(Self { address: here.to_string(), rules, accepts })
    }

    /// For everybody for whom nothing else was said.
    pub fn set(&self, modes: impl Into<Modes>) {
        self.rules.send_modify(|rules| rules.everybody = modes.into());
    }

    /// For the connections of one process, by its id.
    pub fn set_for(&self, process: i32, modes: impl Into<Modes>) {
        self.set_single([(Whose::Process(process), modes.into())].into(), false);
    }

    /// For these connections, instead of all that was said of single ones before, or beside it.
    fn set_single(&self, single: BTreeMap<Whose, Modes>, instead: bool) {
        self.rules.send_modify(|rules| {
            if instead {
                rules.single.clear();
            }
            rules.single.extend(single);
        });
    }

    /// For these connections; for all others what holds for everybody.
    pub fn replace(&self, single: BTreeMap<Whose, Modes>) {
        self.set_single(single, true);
    }

    /// For these connections as far as they stand now. Those that are opened later do not mind.
    pub fn set_standing(&self, whose: Whose, modes: impl Into<Modes>) {
        self.rules.send_modify(|rules| rules.standing.push((whose, Instant::now(), modes.into())));
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.rules.send_replace(Rules::default());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections end with `rules`.
        self.accepts.abort();
    }
}

/// All proxies of a test process share one thread.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| made))
}

async fn accept(listener: TcpListener, here: SocketAddr, target: SocketAddr, mut rules: watch::Receiver<Rules>) {
    let mut open = Some(listener);
    loop {
        let refuses = rules.borrow_and_update().everybody.cut();
        if refuses {
            open = None;
            if rules.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(listener) = &open else {
            match TcpListener::bind(here).await {
                Ok(listener) => open = Some(listener),
                Err(_) => sleep(REOPEN_EVERY).await,
            }
            continue;
        };
        tokio::select! {
            biased;
            // A listener that is to be closed takes nobody more.
            changed = rules.changed() => if changed.is_err() { return },
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => drop(tokio::spawn(connection(stream, peer, here, target, rules.clone()))),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => sleep(REOPEN_EVERY).await,
            },
        }
    }
}

/// One connection, until one side ends it, it is cut, or the proxy is gone.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    here: SocketAddr,
    target: SocketAddr,
    mut rules: watch::Receiver<Rules>,
) {
    let (socket, opened) = (Socket::new(peer, here), Instant::now());
    let modes = watch::Sender::new(rules.borrow_and_update().of(&socket, opened));
    let mut line = tokio::spawn(line::run(stream, target, modes.subscribe()));
    loop {
        tokio::select! {
            biased;
            _ = &mut line => return,
            changed = rules.changed() => {
                let now = match changed {
                    Ok(()) => rules.borrow_and_update().of(&socket, opened),
                    Err(_) => Mode::Cut.into(),
                };
                modes.send_replace(now);
                if changed.is_err() {
                    drop(line.await);
                    return;
                }
            }
        }
    }
}
