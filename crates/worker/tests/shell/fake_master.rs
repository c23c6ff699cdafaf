//! A master that does nothing by itself: it takes sessions and says what the test wants said.

use std::sync::Arc;
use std::time::Duration;

use tanist_core::ids::{
    AppId, Attempt, ClusterId, CommandId, DriverId, Epoch, ExecutorId, ExecutorRef, Generation, MasterId, Nonce,
    ProfileId, ReportId, Term,
};
use tanist_core::model::{
    Addresses, ApplicationDescription, Booking, Command, DriverDescription, DriverOutcome, ExecutorDescription,
    ExecutorState, LeaderInfo, Program, ResourceProfile,
};
use tanist_core::msg::{Fenced, MasterToWorker, RegisterWorker, RegisteredWorker, WorkerCommand, WorkerToMaster};
use tanist_core::tracking::is_answer;
use tanist_core::units::{Cores, Memory};
use tanist_proto::convert::endpoint::{Acknowledgement, LeaderQuestion};
use tanist_proto::v1;
use tanist_proto::v1::operator_service_server::{OperatorService, OperatorServiceServer};
use tanist_proto::v1::worker_endpoint_client::WorkerEndpointClient;
use tanist_proto::v1::worker_service_server::{WorkerService, WorkerServiceServer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::rig::PATIENCE;

const CLUSTER: &str = "cluster-1";

type Out = mpsc::Sender<Result<v1::MasterToWorker, Status>>;

/// One master.
pub(crate) struct FakeMaster {
    pub(crate) address: String,
    pub(crate) leader: LeaderInfo,
    known: watch::Sender<Option<LeaderInfo>>,
    sessions: mpsc::Receiver<(Streaming<v1::WorkerToMaster>, Out)>,
    server: AbortOnDropHandle<()>,
}

/// One session of a worker with it.
pub(crate) struct Session {
    leader: LeaderInfo,
    incoming: Streaming<v1::WorkerToMaster>,
    out: Out,
    last_command: CommandId,
}

#[derive(Clone)]
struct Services {
    known: watch::Receiver<Option<LeaderInfo>>,
    sessions: mpsc::Sender<(Streaming<v1::WorkerToMaster>, Out)>,
}

impl FakeMaster {
    /// A master that would lead in this epoch. It listens at once.
    pub(crate) async fn start(epoch: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (taken, sessions) = mpsc::channel(16);
        let known = watch::Sender::new(None);
        let services = Services { known: known.subscribe(), sessions: taken };
        let server = Server::builder()
            .add_service(WorkerServiceServer::new(services.clone()))
            .add_service(OperatorServiceServer::new(services))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = AbortOnDropHandle::new(tokio::spawn(async move { server.await.unwrap() }));
        let leader = LeaderInfo {
            cluster: ClusterId::new(CLUSTER).unwrap(),
            term: Term {
                generation: Generation(0),
                epoch: Epoch(epoch),
                nonce: Nonce::new(&format!("nonce-{epoch}")).unwrap(),
            },
            master: MasterId::new(&format!("master-{epoch}")).unwrap(),
            address: address.clone(),
            ui_url: String::new(),
        };
        Self { address, leader, known, sessions, server }
    }

    /// From now on it knows of this leader.
    pub(crate) fn knows(&self, leader: &LeaderInfo) {
        self.known.send_replace(Some(leader.clone()));
    }

    /// The next session.
    pub(crate) async fn session(&mut self) -> Session {
        let (incoming, out) = timeout(PATIENCE, self.sessions.recv()).await.unwrap().unwrap();
        Session { leader: self.leader.clone(), incoming, out, last_command: CommandId(0) }
    }

    /// That no session is waiting.
    pub(crate) fn has_no_session(&mut self) -> bool {
        self.sessions.try_recv().is_err()
    }

    /// The next session, registered with the default time-outs.
    pub(crate) async fn registered(&mut self) -> (Session, RegisterWorker) {
        let mut session = self.session().await;
        let registration = session.registration().await;
        session.accept().await;
        (session, registration)
    }

    /// Announces itself at a worker's endpoint.
    pub(crate) async fn announce(&self, worker: &str) -> Result<Acknowledgement, Status> {
        let mut client = WorkerEndpointClient::connect(format!("http://{worker}")).await.unwrap();
        let ack = client.master_changed(v1::LeaderInfo::from(&self.leader)).await?.into_inner();
        Ok(Acknowledgement::try_from(ack).unwrap())
    }

    /// Not there any more, for new connections.
    pub(crate) async fn stop_listening(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }
}

impl Session {
    /// Says something.
    pub(crate) async fn say(&self, message: MasterToWorker) {
        self.out.send(Ok(v1::MasterToWorker::from(&message))).await.unwrap();
    }

    /// The next message. Heartbeats are answered.
    pub(crate) async fn next(&mut self) -> WorkerToMaster {
        loop {
            let message = self.next_or_end().await.unwrap();
            if !matches!(message, WorkerToMaster::Heartbeat { .. }) {
                return message;
            }
            self.say(MasterToWorker::HeartbeatSeen).await;
        }
    }

    /// The next message, heartbeats too; none = the worker has ended the session.
    pub(crate) async fn next_or_end(&mut self) -> Option<WorkerToMaster> {
        let message = timeout(PATIENCE, self.incoming.message()).await.unwrap();
        message.ok().flatten().map(|message| WorkerToMaster::try_from(message).unwrap())
    }

    /// The first message.
    pub(crate) async fn registration(&mut self) -> RegisterWorker {
        match self.next().await {
            WorkerToMaster::Register(registration) => *registration,
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Takes the registration.
    pub(crate) async fn accept(&self) {
        self.say(MasterToWorker::Registered(Box::new(RegisteredWorker {
            leader: self.leader.clone(),
            master_address: self.leader.address.clone(),
            duplicate: false,
            heartbeat_every: Duration::from_secs(15),
            worker_timeout: Duration::from_secs(60),
        })))
        .await;
    }

    /// Commands something under the master's own term.
    pub(crate) async fn command(&mut self, body: WorkerCommand) -> CommandId {
        self.command_under(self.leader.term.clone(), body).await
    }

    /// Commands something under any term.
    pub(crate) async fn command_under(&mut self, term: Term, body: WorkerCommand) -> CommandId {
        self.last_command = self.last_command.next();
        self.say(MasterToWorker::Command(Fenced { term, id: self.last_command, body })).await;
        self.last_command
    }

    pub(crate) async fn launch_driver(&mut self, id: &str, description: DriverDescription) {
        let resources = Addresses::default();
        let booking = Booking { cores: description.cores, memory: description.memory, resources };
        let (driver, description) = (DriverId::new(id).unwrap(), Arc::new(description));
        self.command(WorkerCommand::LaunchDriver { driver, attempt: Attempt(1), description, booking }).await;
    }

    pub(crate) async fn kill_driver(&mut self, id: &str) {
        let driver = DriverId::new(id).unwrap();
        self.command(WorkerCommand::KillDriver { driver, attempt: Attempt(1) }).await;
    }

    pub(crate) async fn launch_executor(&mut self, app: &str, id: u32, command: Command) {
        let app_description = ApplicationDescription {
            name: "test".to_owned(),
            user: "nobody".to_owned(),
            command,
            default_profile: ResourceProfile {
                memory: Some(Memory::mib(64)),
                cores: Some(Cores(2)),
                ..ResourceProfile::default()
            },
            ..ApplicationDescription::default()
        };
        let executor = ExecutorDescription {
            executor: executor(app, id),
            profile: ProfileId(0),
            cores: Cores(2),
            memory: Memory::mib(64),
            resources: Addresses::default(),
            state: ExecutorState::Launching,
        };
        self.command(WorkerCommand::LaunchExecutor {
            heap: executor.memory,
            executor,
            app: Arc::new(app_description),
            client: None,
        })
        .await;
    }

    /// The start of a driver's process.
    pub(crate) async fn driver_started(&mut self, id: &str) {
        match self.next().await {
            WorkerToMaster::DriverStarted { driver, attempt } => assert_eq!((driver.as_str(), attempt.0), (id, 1)),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// The end of a driver, not acknowledged.
    pub(crate) async fn driver_ended(&mut self, id: &str) -> (ReportId, DriverOutcome) {
        match self.next().await {
            WorkerToMaster::DriverEnded { report, driver, outcome, .. } => {
                assert_eq!(driver.as_str(), id);
                (report, outcome)
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    /// The end of a driver, perhaps after its start, acknowledged.
    pub(crate) async fn outcome(&mut self, id: &str) -> DriverOutcome {
        loop {
            match self.next().await {
                WorkerToMaster::DriverStarted { .. } => {}
                WorkerToMaster::DriverEnded { report, driver, outcome, .. } => {
                    assert_eq!(driver.as_str(), id);
                    self.acknowledge(report).await;
                    return outcome;
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// The next state of an executor, acknowledged: state, message and exit status.
    pub(crate) async fn executor_state(&mut self, of: &ExecutorRef) -> (ExecutorState, Option<String>, Option<i32>) {
        match self.next().await {
            WorkerToMaster::ExecutorStateChanged { report, executor, state, message, exit_status } => {
                assert_eq!(executor, *of);
                self.acknowledge(report).await;
                (state, message, exit_status)
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Why an executor can never run there, acknowledged.
    pub(crate) async fn refusal(&mut self, of: &ExecutorRef) -> String {
        match self.next().await {
            WorkerToMaster::ExecutorRefused { report, executor, why } => {
                assert_eq!(executor, *of);
                self.acknowledge(report).await;
                why
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    pub(crate) async fn acknowledge(&self, report: ReportId) {
        self.say(MasterToWorker::Acknowledged { report }).await;
    }
}

/// An executor.
pub(crate) fn executor(app: &str, id: u32) -> ExecutorRef {
    ExecutorRef { app: AppId::new(app).unwrap(), id: ExecutorId(id) }
}

/// Any command.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    Command {
        program: Program::Executable(program.to_owned()),
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        environment: std::collections::BTreeMap::new(),
    }
}

/// A driver that runs a shell script.
pub(crate) fn script(text: &str) -> DriverDescription {
    driver(command("sh", &["-c", text]))
}

/// A driver that runs any command.
pub(crate) fn driver(command: Command) -> DriverDescription {
    DriverDescription { memory: Memory::mib(64), cores: Cores(1), command, ..DriverDescription::default() }
}

#[tonic::async_trait]
impl WorkerService for Services {
    type SessionStream = ReceiverStream<Result<v1::MasterToWorker, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::WorkerToMaster>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (out, outgoing) = mpsc::channel(64);
        let taken = self.sessions.send((request.into_inner(), out)).await;
        taken.map_err(|_| Status::unavailable("this master takes no sessions any more"))?;
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

#[tonic::async_trait]
impl OperatorService for Services {
    async fn get_leader(&self, _: Request<v1::GetLeaderRequest>) -> Result<Response<v1::LeaderReply>, Status> {
        Err(Status::unimplemented("workers ask another question"))
    }

    async fn await_leader(&self, request: Request<v1::AwaitLeaderRequest>) -> Result<Response<v1::LeaderInfo>, Status> {
        let LeaderQuestion { above, .. } = request.into_inner().try_into()?;
        let is_above = |leader: &LeaderInfo| is_answer(leader, None, above.as_ref());
        let mut known = self.known.clone();
        let leader = known.wait_for(|known| known.as_ref().is_some_and(is_above)).await;
        let leader = leader.map_err(|_| Status::unavailable("this master is gone"))?.clone();
        Ok(Response::new(leader.as_ref().map(Into::into).unwrap()))
    }

    async fn get_state(&self, _: Request<v1::GetStateRequest>) -> Result<Response<v1::ClusterState>, Status> {
        Err(Status::unimplemented("a fake master has no state"))
    }

    async fn kill_application(
        &self,
        _: Request<v1::KillApplicationRequest>,
    ) -> Result<Response<v1::KillApplicationReply>, Status> {
        Err(Status::unimplemented("a fake master has no applications"))
    }

    async fn decommission_hosts(
        &self,
        _: Request<v1::DecommissionHostsRequest>,
    ) -> Result<Response<v1::DecommissionHostsReply>, Status> {
        Err(Status::unimplemented("a fake master has no workers"))
    }
}
