//! A real etcd and a simulated one, side by side.

use etcd_client::{AlarmAction, Client, PutOptions, Txn, TxnOp};
use tokio::task::spawn_blocking;
use tonic::transport::server::TcpIncoming;

use tanist_etcd_sim::{Config, Host};
use tanist_testkit::Etcd;

use crate::operation::{At, Operation, Span, Watch};
use crate::request::{self, Present};
use crate::side::{Request, SENTINEL, Side, impersonal};

/// After so many operations everything that watches said is compared.
const DRAIN_EVERY: usize = 50;

/// Two that must do the same.
pub(crate) struct Pair {
    pub(crate) host: Host,
    pub(crate) simulated: Side,
    pub(crate) real: Side,
    compacted: i64,
    /// Watches that were made and not cancelled, by stream and id.
    watches: Vec<(usize, i64)>,
    /// How many answers were compared.
    pub(crate) compared: usize,
    _etcd: Etcd,
}

/// Where the two part.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) place: usize,
    pub(crate) what: String,
    pub(crate) simulated: String,
    pub(crate) real: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  simulated: {}\n  real:      {}", self.what, self.simulated, self.real)
    }
}

/// A real etcd of one member, and where it is.
pub(crate) async fn real() -> (Etcd, String) {
    let etcd = spawn_blocking(|| Etcd::start(1)).await.unwrap().unwrap();
    let endpoint = etcd.endpoints().remove(0);
    (etcd, endpoint)
}

/// A simulated one, which does not take its time.
pub(crate) fn simulated() -> (Host, String) {
    let host = Host::start(tanist_etcd_sim::Etcd::new(Config { agreement_ms: 0..0, ..Config::new(1) }, 1));
    let listener = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap().with_nodelay(Some(true));
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = host.clone();
    tokio::spawn(async move { server.serve(0, listener).await.unwrap() });
    (host, endpoint)
}

pub(crate) async fn connect(endpoint: &str) -> Client {
    Client::connect([endpoint], None).await.unwrap()
}

type Compared = Result<String, Difference>;

impl Pair {
    /// Both empty.
    pub(crate) async fn start() -> Self {
        let (etcd, real) = real().await;
        let (host, simulated) = simulated();
        let (simulated, real) = (Side::new(connect(&simulated).await), Side::new(connect(&real).await));
        Self { host, simulated, real, compacted: 0, watches: Vec::new(), compared: 0, _etcd: etcd }
    }

    /// Does it all to both.
    pub(crate) async fn run(&mut self, operations: &[Operation]) -> Result<(), Difference> {
        for (place, operation) in operations.iter().enumerate() {
            let done = self.act(operation).await.map_err(|difference| Difference { place, ..difference });
            done?;
            if place % DRAIN_EVERY == DRAIN_EVERY - 1 || place == operations.len() - 1 {
                self.drain().await.map_err(|difference| Difference { place, ..difference })?;
            }
        }
        Ok(())
    }

    async fn act(&mut self, operation: &Operation) -> Result<(), Difference> {
        match operation {
            Operation::Get(get) => self.ask(Request::Get(get.span.key, self.present().get(get))).await.map(drop),
            Operation::Put(put) => {
                self.ask(Request::Put(put.key, put.value.clone(), request::put(put))).await.map(drop)
            }
            Operation::Delete(delete) => {
                self.ask(Request::Delete(delete.span.key, request::delete(delete))).await.map(drop)
            }
            Operation::Txn(txn) => self.ask(Request::Txn(self.present().txn(txn))).await.map(drop),
            Operation::Compact(at) => self.compact(*at).await,
            Operation::Grant { id, ttl } => self.ask(Request::Grant { id: *id, ttl: *ttl }).await.map(drop),
            Operation::ShortLease(ttl) => {
                self.ask(Request::Grant { id: 200, ttl: *ttl }).await?;
                self.ask(Request::Revoke(200)).await.map(drop)
            }
            Operation::Revoke(id) => self.ask(Request::Revoke(*id)).await.map(drop),
            Operation::KeepAlive(id) => self.ask(Request::KeepAlive(*id)).await.map(drop),
            Operation::TimeToLive { id, keys } => {
                self.ask(Request::TimeToLive { id: *id, keys: *keys }).await.map(drop)
            }
            Operation::Leases => self.ask(Request::Leases).await.map(drop),
            Operation::Watch(watch) => self.watch(watch).await,
            Operation::Cancel { stream, id } => self.cancel(*stream, *id).await,
            Operation::Progress(stream) => self.progress(*stream).await,
            Operation::Large(size) => self.large(*size).await,
            Operation::NoSpace => self.without_space().await,
        }
    }

    fn present(&self) -> Present<'_> {
        Present { host: &self.host, compacted: self.compacted }
    }

    async fn ask(&mut self, request: Request) -> Compared {
        let (simulated, real) = tokio::join!(self.simulated.ask(request.clone()), self.real.ask(request));
        self.compare("answers differ", simulated, real)
    }

    fn compare(&mut self, what: &str, simulated: String, real: String) -> Compared {
        self.compared += 1;
        if simulated == real {
            return Ok(simulated);
        }
        Err(Difference { place: 0, what: what.to_owned(), simulated, real })
    }

    async fn compact(&mut self, at: At) -> Result<(), Difference> {
        self.drain().await?;
        let at = self.present().revision(at);
        let answer = self.ask(Request::Compact(at)).await?;
        if !answer.starts_with("refused") {
            self.compacted = at;
        }
        Ok(())
    }

    /// A watch, and two changes that it must tell of: when they are told, it has caught up.
    async fn watch(&mut self, watch: &Watch) -> Result<(), Difference> {
        self.drain().await?;
        let Watch { stream, span: Span { key, .. }, .. } = *watch;
        let options = self.present().watch(watch);
        let (simulated, real) =
            tokio::join!(self.simulated.watch(stream, key, options.clone()), self.real.watch(stream, key, options));
        let answer = self.compare("watches begin differently", impersonal(&simulated), impersonal(&real))?;
        let mut words = answer.split(' ');
        let (id, refused) = (words.next().unwrap().parse().unwrap(), words.next() == Some("true"));
        if refused {
            return Ok(());
        }
        self.watches.push((stream, id));
        let seen: &'static [u8] = if key.is_empty() { b"\0" } else { key };
        self.ask(Request::Put(seen, b"seen".to_vec(), PutOptions::new())).await?;
        let put_at = self.host.with(|etcd, _| etcd.revision(0));
        self.ask(Request::Delete(seen, etcd_client::DeleteOptions::new())).await?;
        if !matches!(watch.at, At::Ahead(_)) {
            let last = if watch.filter == 2 { put_at } else { put_at + 1 };
            tokio::join!(self.simulated.await_event(stream, id, last), self.real.await_event(stream, id, last));
        }
        Ok(())
    }

    async fn cancel(&mut self, stream: usize, id: i64) -> Result<(), Difference> {
        let Some(place) = self.watches.iter().position(|watch| *watch == (stream, id)) else { return Ok(()) };
        self.drain().await?;
        self.watches.remove(place);
        let (simulated, real) = tokio::join!(self.simulated.cancel(stream, id), self.real.cancel(stream, id));
        self.compare("watches end differently", impersonal(&simulated), impersonal(&real)).map(drop)
    }

    async fn progress(&mut self, stream: usize) -> Result<(), Difference> {
        if !self.simulated.has(stream) {
            return Ok(());
        }
        self.drain().await?;
        let (simulated, real) = tokio::join!(self.simulated.progress(stream), self.real.progress(stream));
        self.compare("progress differs", impersonal(&simulated), impersonal(&real)).map(drop)
    }

    async fn large(&mut self, size: usize) -> Result<(), Difference> {
        self.ask(Request::Put(b"large", vec![7; size], PutOptions::new())).await?;
        self.ask(Request::Delete(b"large", etcd_client::DeleteOptions::new())).await.map(drop)
    }

    async fn without_space(&mut self) -> Result<(), Difference> {
        let put = || TxnOp::put("b", "3", None);
        let delete = || TxnOp::delete("b", None);
        for request in [
            Request::Alarm(AlarmAction::Activate),
            Request::Alarm(AlarmAction::Get),
            Request::Put(b"a", b"1".to_vec(), PutOptions::new()),
            Request::Txn(Txn::new().and_then([put()])),
            Request::Txn(Txn::new().and_then([delete()]).or_else([put()])),
            Request::Txn(Txn::new().and_then([TxnOp::txn(Txn::new().and_then([put()]))])),
            Request::Txn(Txn::new().and_then([delete()])),
            Request::Grant { id: 201, ttl: 600 },
            Request::KeepAlive(101),
            Request::Delete(b"a", etcd_client::DeleteOptions::new()),
            Request::Alarm(AlarmAction::Deactivate),
            Request::Alarm(AlarmAction::Deactivate),
            Request::Alarm(AlarmAction::Get),
        ] {
            self.ask(request).await?;
        }
        Ok(())
    }

    /// Compares everything that watches have said up to now.
    async fn drain(&mut self) -> Result<(), Difference> {
        self.ask(Request::Put(SENTINEL, Vec::new(), PutOptions::new())).await?;
        let at = self.host.with(|etcd, _| etcd.revision(0));
        tokio::join!(self.simulated.drain(at), self.real.drain(at));
        let (simulated, real) = (self.simulated.take_said(), self.real.take_said());
        for (simulated, real) in simulated.iter().zip(&real) {
            self.compare("watches say different things", format!("{simulated:#?}"), format!("{real:#?}"))?;
        }
        self.compare("watches are different", simulated.len().to_string(), real.len().to_string()).map(drop)
    }
}
