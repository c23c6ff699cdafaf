//! Hand-written workers and application clients: they say what a test tells them to.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

use tanist_core::ids::{AppId, AppToken, Incarnation, Term, WorkerId};
use tanist_core::model::{
    Addresses, ApplicationDescription, Command, Inventory, LeaderInfo, Program, ResourceProfile, WorkerKind,
};
use tanist_core::msg::{
    AppToMaster, MasterToApp, MasterToWorker, PROTOCOL_VERSION, RegisterApplication, RegisterWorker, WorkerCommand,
    WorkerToMaster,
};
use tanist_core::units::{Cores, Memory};
use tanist_proto::convert::endpoint::{Acknowledgement, Identity};
use tanist_proto::v1;
use tanist_proto::v1::app_service_client::AppServiceClient;
use tanist_proto::v1::worker_endpoint_server::{WorkerEndpoint, WorkerEndpointServer};
use tanist_proto::v1::worker_service_client::WorkerServiceClient;

use super::{channel, within};

/// What a worker of four cores says of itself.
pub(crate) fn registration(id: &str, port: u16) -> RegisterWorker {
    RegisterWorker {
        id: WorkerId::new(id).unwrap(),
        incarnation: Incarnation(1),
        number: 1,
        host: "127.0.0.1".to_owned(),
        port,
        kind: WorkerKind::Own,
        ui_url: String::new(),
        cores: Cores(4),
        memory: Memory::mib(4096),
        resources: Addresses::default(),
        master_address: String::new(),
        cluster: None,
        protocol: PROTOCOL_VERSION,
        heard: None,
        decommissioned: false,
        accepts_work: true,
        refused_commands: 0,
        inventory: Inventory::default(),
    }
}

/// One session of a worker.
pub(crate) struct WorkerSession {
    pub(crate) out: mpsc::Sender<v1::WorkerToMaster>,
    incoming: Streaming<v1::MasterToWorker>,
}

impl WorkerSession {
    /// Opens a session and says nothing yet.
    pub(crate) async fn connect(channel: Channel) -> Self {
        let (out, outgoing) = mpsc::channel(64);
        let mut client = WorkerServiceClient::new(channel);
        let incoming = within("a session", client.session(ReceiverStream::new(outgoing))).await.unwrap().into_inner();
        Self { out, incoming }
    }

    /// Opens a session and registers; the answer is still to be heard.
    pub(crate) async fn register(address: &str, registration: RegisterWorker) -> Self {
        let session = Self::connect(channel(address)).await;
        session.say(WorkerToMaster::Register(Box::new(registration))).await;
        session
    }

    /// The registration of a worker that has heard of the term of this leader: only such a one is taken.
    pub(crate) async fn knowing(address: &str, registration: RegisterWorker) -> RegisterWorker {
        let mut session = Self::register(address, registration.clone()).await;
        let MasterToWorker::Standby { leader: Some(leader) } = session.hear().await else { panic!("no leader named") };
        RegisterWorker { heard: Some(leader.term), ..registration }
    }

    /// Registers, as often as the master is still a standby or the term is not known, until it is answered as by a
    /// leader.
    pub(crate) async fn registered(address: &str, mut registration: RegisterWorker) -> Self {
        within("Registered", async {
            loop {
                let mut session = Self::register(address, registration.clone()).await;
                match session.hear().await {
                    MasterToWorker::Registered(_) => return session,
                    MasterToWorker::Standby { leader } => {
                        registration.heard = leader.map(|leader| leader.term).or(registration.heard);
                        tokio::task::yield_now().await;
                    }
                    other => panic!("{other:?}"),
                }
            }
        })
        .await
    }

    pub(crate) async fn say(&self, message: WorkerToMaster) {
        self.out.send((&message).into()).await.unwrap();
    }

    pub(crate) async fn beat(&self) {
        self.say(WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 }).await;
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> MasterToWorker {
        let message = within("a message to the worker", self.incoming.message()).await.unwrap().unwrap();
        MasterToWorker::try_from(message).unwrap()
    }

    /// Waits for a message and passes over others.
    pub(crate) async fn hear_until(&mut self, what: &str, wanted: impl Fn(&MasterToWorker) -> bool) -> MasterToWorker {
        within(what, async {
            loop {
                let message = self.hear().await;
                if wanted(&message) {
                    return message;
                }
            }
        })
        .await
    }

    /// Waits for an order.
    pub(crate) async fn ordered(&mut self) -> WorkerCommand {
        let message = self.hear_until("a command", |message| matches!(message, MasterToWorker::Command(_))).await;
        let MasterToWorker::Command(command) = message else { unreachable!() };
        command.body
    }

    /// How the session ends: everything heard before, and the status if there is one.
    pub(crate) async fn end(mut self) -> (Vec<MasterToWorker>, Option<Status>) {
        let mut heard = Vec::new();
        loop {
            match within("the end of the session", self.incoming.message()).await {
                Ok(Some(message)) => heard.push(MasterToWorker::try_from(message).unwrap()),
                Ok(None) => return (heard, None),
                Err(status) => return (heard, Some(status)),
            }
        }
    }
}

/// One session of an application client.
pub(crate) struct AppSession {
    pub(crate) out: mpsc::Sender<v1::AppToMaster>,
    incoming: Streaming<v1::MasterToApp>,
}

impl AppSession {
    pub(crate) async fn register(address: &str, registration: RegisterApplication) -> Self {
        let (out, outgoing) = mpsc::channel(64);
        let mut client = AppServiceClient::new(channel(address));
        let incoming = within("a session", client.session(ReceiverStream::new(outgoing))).await.unwrap().into_inner();
        let session = Self { out, incoming };
        session.say(AppToMaster::Register(Box::new(registration))).await;
        session
    }

    pub(crate) async fn say(&self, message: AppToMaster) {
        self.out.send((&message).into()).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> Result<Option<MasterToApp>, Status> {
        let message = within("a message to the application", self.incoming.message()).await?;
        Ok(message.map(|message| MasterToApp::try_from(message).unwrap()))
    }

    /// The id it is given.
    pub(crate) async fn registered(&mut self) -> AppId {
        loop {
            if let MasterToApp::Registered(registered) = self.hear().await.unwrap().unwrap() {
                return registered.app;
            }
        }
    }
}

/// What an application of one-core executors says of itself.
pub(crate) fn application(token: &str) -> RegisterApplication {
    let description = ApplicationDescription {
        name: "test".to_owned(),
        user: "tester".to_owned(),
        max_cores: Some(Cores(2)),
        command: Command { program: Program::Executable("/bin/true".to_owned()), ..Command::default() },
        default_profile: ResourceProfile {
            memory: Some(Memory::mib(64)),
            cores: Some(Cores(1)),
            ..ResourceProfile::default()
        },
        ..ApplicationDescription::default()
    };
    RegisterApplication {
        token: AppToken::new(token).unwrap(),
        known_as: None,
        number: 1,
        description: Arc::new(description),
        profiles: Vec::new(),
        targets: std::collections::BTreeMap::new(),
        executors: Vec::new(),
        endpoint: "127.0.0.1:9".to_owned().into(),
        cluster: None,
        heard: None,
        protocol: PROTOCOL_VERSION,
    }
}

/// A worker's own endpoint: answers to one name and keeps what was announced to it. Dropping it frees the port.
pub(crate) struct WorkerPort {
    pub(crate) port: u16,
    pub(crate) announced: watch::Receiver<Option<LeaderInfo>>,
    _stop: DropGuard,
}

impl WorkerPort {
    pub(crate) async fn open(id: &str) -> Self {
        Self::having_heard(id, None).await
    }

    /// One that says it has heard of a term, whatever it is told.
    pub(crate) async fn having_heard(id: &str, heard: Option<Term>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (announce, announced) = watch::channel(None);
        let identity = Identity::Worker { id: WorkerId::new(id).unwrap(), incarnation: Incarnation(1) };
        let stop = CancellationToken::new();
        let serving = Server::builder()
            .add_service(WorkerEndpointServer::new(Answering { identity, announce, heard }))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.clone().cancelled_owned());
        tokio::spawn(serving);
        Self { port, announced, _stop: stop.drop_guard() }
    }

    /// The leader that was announced.
    pub(crate) async fn told(&mut self) -> LeaderInfo {
        let told = within("an announcement", self.announced.wait_for(Option::is_some)).await.unwrap();
        told.clone().unwrap()
    }
}

struct Answering {
    identity: Identity,
    announce: watch::Sender<Option<LeaderInfo>>,
    heard: Option<Term>,
}

#[tonic::async_trait]
impl WorkerEndpoint for Answering {
    type ReadLogStream = tokio_stream::Empty<Result<v1::LogChunk, Status>>;

    async fn master_changed(&self, request: Request<v1::LeaderInfo>) -> Result<Response<v1::MasterChangedAck>, Status> {
        let leader = LeaderInfo::try_from(request.into_inner())?;
        let heard = self.heard.clone().unwrap_or_else(|| leader.term.clone());
        let ack = Acknowledgement { identity: self.identity.clone(), heard };
        self.announce.send_replace(Some(leader));
        Ok(Response::new((&ack).into()))
    }

    async fn ping(&self, _: Request<v1::PingRequest>) -> Result<Response<v1::PingReply>, Status> {
        Ok(Response::new((&self.identity).into()))
    }

    async fn read_log(&self, _: Request<v1::ReadLogRequest>) -> Result<Response<Self::ReadLogStream>, Status> {
        Err(Status::not_found("no logs here"))
    }
}
