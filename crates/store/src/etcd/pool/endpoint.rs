//! One member of etcd: a connection for each lane, made when it is first needed, and whether it is worth asking.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Channel, Client, ConnectOptions};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, timeout};
use tonic::transport::{self, Certificate, ClientTlsConfig, Identity};

use crate::etcd::fault::{Fault, Reason};
use crate::etcd::options::{Credentials, EtcdOptions, EtcdTls, InvalidOption};

use super::Lane;
use super::knock::Knock;

/// For opening a TCP connection. Below the second after which a lost SYN is sent again, so that the others are tried
/// instead.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_millis(800);

/// For the handshake of TLS on top of it.
pub(super) const TLS_WITHIN: Duration = Duration::from_millis(800);

/// For the knock and the login. etcd takes up to a tenth of a second to check a password, more when several ask.
const CLIENT_WITHIN: Duration = Duration::from_secs(2);

/// How long an endpoint that failed is asked only after the others.
const REST: Duration = Duration::from_secs(5);

/// An idle connection whose other end is gone without a word is found dead within [`PROBE_AFTER`] and [`PROBES`] times
/// [`PROBE_EVERY`]. By the kernel: etcd cuts off clients that ping by HTTP/2 more often than every 5 s.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_EVERY: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;

/// After a refused login no other is tried for this long. etcd checks passwords by hard work, a tenth of a second of a
/// core for each, and one master that is locked out must not take its time from those that are not.
const LOCKED_OUT: Duration = Duration::from_secs(5);

/// One member of etcd.
#[derive(Debug)]
pub(in crate::etcd) struct Endpoint {
    /// As configured, for messages.
    pub(in crate::etcd) name: String,
    transport: transport::Endpoint,
    knock: Option<Knock>,
    login: Option<Credentials>,
    /// One login at a time: what is refused to one lane is not tried for the next.
    logins: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    clients: Clients,
    /// How often the clients were forgotten.
    generation: u64,
    rests_until: Option<Instant>,
    /// What it said to the last login, and until when that is its answer to the next.
    locked_out: Option<(Fault, Instant)>,
    /// Somebody has looked at its version since its clients were made.
    inspected: bool,
    /// Its version when somebody looked.
    version: Option<String>,
}

impl State {
    fn forget_clients(&mut self) {
        self.clients = Clients::default();
        self.generation += 1;
        self.inspected = false;
    }
}

/// By lane. A cell is filled by the first one who needs it, while the others wait.
#[derive(Default)]
struct Clients([Arc<OnceCell<Client>>; Lane::COUNT]);

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|client| client.initialized())).finish()
    }
}

impl Endpoint {
    pub(super) fn new(name: &str, options: &EtcdOptions) -> Result<Self, InvalidOption> {
        let invalid = |error: transport::Error| InvalidOption::endpoint(name, &error);
        let mut transport = transport::Endpoint::from_shared(name.to_owned())
            .map_err(invalid)?
            .connect_timeout(CONNECT_WITHIN)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(PROBE_AFTER))
            .tcp_keepalive_interval(Some(PROBE_EVERY))
            .tcp_keepalive_retries(Some(PROBES));
        let mut knock = None;
        if let Some(tls) = &options.tls {
            knock = Some(Knock::new(transport.uri(), tls)?);
            transport = transport.tls_config(client_tls(tls)).map_err(|error| InvalidOption::tls(&error))?;
        }
        Ok(Self {
            name: name.to_owned(),
            transport,
            knock,
            login: options.credentials.clone(),
            logins: Semaphore::new(1),
            state: Mutex::default(),
        })
    }

    /// Which clients it has now: what befalls earlier ones says nothing of it any more.
    pub(super) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// A client on the lane's connection. Does not connect, unless it has to knock or to log in.
    pub(in crate::etcd) async fn client(&self, lane: Lane) -> Result<Client, Fault> {
        let cell = Arc::clone(&self.state().clients.0[lane as usize]);
        let made = timeout(CLIENT_WITHIN, cell.get_or_try_init(|| self.make(lane))).await;
        let made = made.unwrap_or_else(|_| Err(Fault::silence(&self.name)));
        made.cloned().map_err(Fault::while_preparing)
    }

    async fn make(&self, lane: Lane) -> Result<Client, Fault> {
        if let Some(knock) = &self.knock {
            knock.at_the_door().await.map_err(|error| Fault::at_the_door(&self.name, &error))?;
        }
        let channel = self.channel();
        let plain = ConnectOptions::new().with_require_leader(lane.is_stream());
        let fault = |error: etcd_client::Error| Fault::of(&self.name, &error);
        if let Some(login) = &self.login {
            let _turn = self.logins.acquire().await;
            if let Some(fault) = self.locked_out() {
                return Err(fault);
            }
            let named = plain.clone().with_user(&login.user, &login.password).with_auto_token_refresh(true);
            match Client::from_channel(channel.clone(), Some(named)).await.map_err(fault) {
                // Users may be configured here before they are switched on in etcd.
                Err(fault) if fault.is_reason(&Reason::NoLogins) => {}
                Err(fault) if fault.is_reason(&Reason::WrongLogin) => {
                    self.state().locked_out = Some((fault.clone(), Instant::now() + LOCKED_OUT));
                    return Err(fault);
                }
                made => return made,
            }
        }
        Client::from_channel(channel, Some(plain)).await.map_err(fault)
    }

    /// A connection of its own, made when it is first used.
    fn channel(&self) -> Channel {
        #[cfg(feature = "simulated")]
        if let Some(host) = crate::simulated::host() {
            return host.channel(&self.name);
        }
        Channel::Tonic(self.transport.connect_lazy())
    }

    fn locked_out(&self) -> Option<Fault> {
        let state = self.state();
        state.locked_out.as_ref().filter(|(_, until)| Instant::now() < *until).map(|(fault, _)| fault.clone())
    }

    /// Has all connections, and logins, made anew before their next use. Calls under way keep theirs.
    pub(super) fn forget_clients(&self) {
        self.state().forget_clients();
    }

    /// Whether it is worth asking for its version; whoever asks this does it.
    pub(super) fn take_inspection(&self) -> bool {
        !std::mem::replace(&mut self.state().inspected, true)
    }

    /// Whether this is another version than before.
    pub(in crate::etcd) fn is_new_version(&self, version: &str) -> bool {
        self.state().version.replace(version.to_owned()).is_none_or(|known| known != version)
    }

    /// It did not answer as it should: the others come first for a while. Whether that is news: clients that have been
    /// replaced already do not count.
    pub(super) fn failed(&self, generation: u64) -> bool {
        let mut state = self.state();
        let news = state.generation == generation;
        if news {
            state.forget_clients();
            state.rests_until = Some(Instant::now() + REST);
        }
        news
    }

    /// It answered. Whether that is news.
    pub(super) fn answered(&self) -> bool {
        self.state().rests_until.take().is_some()
    }

    #[cfg(test)]
    pub(super) fn version(&self) -> Option<String> {
        self.state().version.clone()
    }

    pub(super) fn rests(&self, now: Instant) -> bool {
        self.state().rests_until.is_some_and(|until| now < until)
    }

    /// A panic while this is held leaves it as it was: its fields are only ever replaced whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client_tls(tls: &EtcdTls) -> ClientTlsConfig {
    let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&tls.ca)).timeout(TLS_WITHIN);
    if let Some((certificates, key)) = &tls.identity {
        config = config.identity(Identity::from_pem(certificates, key));
    }
    if let Some(name) = &tls.server_name {
        config = config.domain_name(name);
    }
    config
}
