//! A master that does as it is told: the generated servers over a script.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use tanist_core::ids::{AppId, AppToken, ClusterId, CommandId, Epoch, Generation, MasterId, Nonce, Term};
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::msg::{
    AppNotice, AppToMaster, ClientReply, ClientRequest, DriverStatus, Fenced, MasterToApp, NotLeading,
    RegisterApplication, RegisteredApplication,
};
use tanist_core::tracking::is_answer;
use tanist_proto::convert::endpoint::{LeaderAnswer, LeaderQuestion};
use tanist_proto::convert::status::{DriverReport, StatusAnswer};
use tanist_proto::v1;
use tanist_proto::v1::app_service_server::{AppService, AppServiceServer};
use tanist_proto::v1::ha_service_server::{HaService, HaServiceServer};
use tanist_proto::v1::operator_service_server::{OperatorService, OperatorServiceServer};
use tanist_proto::v1::submission_service_server::{SubmissionService, SubmissionServiceServer};
use tanist_proto::v1::switchover_reply::Answer;

use super::Process;

/// What all masters of one cluster know: the store.
pub type Store = Arc<Mutex<BTreeMap<AppToken, AppId>>>;

type Session = mpsc::Sender<Result<v1::MasterToApp, Status>>;

#[derive(Default)]
pub struct Script {
    pub role: MasterRole,
    pub leader: Option<LeaderInfo>,
    /// Answers to the next submissions and the like; a leader without one is not able to answer.
    pub replies: VecDeque<Result<ClientReply, Status>>,
    /// Answers to the next questions where a driver stands.
    pub statuses: VecDeque<Option<DriverStatus>>,
    /// Requests are taken and not answered as long as this is so.
    pub silent: bool,
    /// Nor are questions who leads.
    pub frozen: bool,
    /// How often it was asked who leads.
    pub asked: usize,
    pub requests: Vec<ClientRequest>,
    /// Requests answered with `not_leading`.
    pub turned_away: usize,
    pub registrations: Vec<RegisterApplication>,
    pub heard: Vec<AppToMaster>,
    /// Ids of the members that it knows of.
    pub members: Vec<&'static str>,
    /// Answers to the next wishes of operators.
    pub office: VecDeque<Result<Answer, Status>>,
    /// What operators wished, in words.
    pub wishes: Vec<String>,
    sessions: Vec<Session>,
    /// Told when it hears of another leader.
    news: Arc<Notify>,
}

impl Script {
    fn stand(&mut self, role: MasterRole, leader: Option<LeaderInfo>) {
        (self.role, self.leader) = (role, leader);
        self.news.notify_waiters();
    }
}

pub struct FakeMaster {
    pub address: String,
    process: Process,
    script: Arc<Mutex<Script>>,
}

#[derive(Clone)]
struct Face {
    address: String,
    script: Arc<Mutex<Script>>,
    store: Store,
}

pub fn leader_info(address: &str, epoch: u64) -> LeaderInfo {
    LeaderInfo {
        cluster: ClusterId::new("cluster").unwrap(),
        term: term(epoch),
        master: MasterId::new(&format!("master-{epoch}")).unwrap(),
        address: address.to_owned(),
        ui_url: String::new(),
    }
}

fn term(epoch: u64) -> Term {
    Term { generation: Generation(0), epoch: Epoch(epoch), nonce: Nonce::new(&format!("nonce-{epoch}")).unwrap() }
}

impl FakeMaster {
    /// A standby that knows no leader, on a free port.
    pub async fn start(store: &Store) -> Self {
        Self::start_at("127.0.0.1:0", store).await
    }

    pub async fn start_at(bind: &str, store: &Store) -> Self {
        let process = Process::new();
        let bind = bind.to_owned();
        let listener = process.run(async move { TcpListener::bind(bind).await.unwrap() }).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = Arc::new(Mutex::new(Script::default()));
        let face = Face { address: address.clone(), script: Arc::clone(&script), store: Arc::clone(store) };
        process.run(async move {
            Server::builder()
                .add_service(OperatorServiceServer::new(face.clone()))
                .add_service(HaServiceServer::new(face.clone()))
                .add_service(SubmissionServiceServer::new(face.clone()))
                .add_service(AppServiceServer::new(face))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self { address, process, script }
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    pub fn lead(&self, epoch: u64) -> LeaderInfo {
        let leader = leader_info(&self.address, epoch);
        self.script().stand(MasterRole::Alive, Some(leader.clone()));
        leader
    }

    pub fn follow(&self, leader: Option<LeaderInfo>) {
        self.script().stand(MasterRole::Standby, leader);
    }

    /// Says this to every application that has a session here, with the term it leads in.
    pub fn notify(&self, body: AppNotice) {
        let script = self.script();
        let term = script.leader.clone().unwrap().term;
        let message = MasterToApp::Notice(Fenced { term, id: CommandId(1), body });
        for session in &script.sessions {
            let _ = session.try_send(Ok((&message).into()));
        }
    }

    /// Ends all sessions and stays.
    pub fn hang_up(&self) {
        self.script().sessions.clear();
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }
}

impl Face {
    async fn ask(&self, request: ClientRequest) -> Result<ClientReply, Status> {
        let answer = self.answer(request);
        self.while_it_is(|script| script.silent || script.frozen).await;
        answer
    }

    async fn while_it_is(&self, so: fn(&Script) -> bool) {
        while so(&self.script.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn wish(&self, words: String) -> Result<Answer, Status> {
        let mut script = self.script.lock().unwrap();
        script.wishes.push(words);
        script.office.pop_front().unwrap_or_else(|| Err(Status::unavailable("not in the script")))
    }

    fn answer(&self, request: ClientRequest) -> Result<ClientReply, Status> {
        let mut script = self.script.lock().unwrap();
        if !script.role.leads() {
            script.turned_away += 1;
            return Ok(ClientReply::NotLeading(NotLeading { role: script.role, leader: script.leader.clone() }));
        }
        script.requests.push(request);
        script.replies.pop_front().unwrap_or_else(|| Err(Status::unavailable("not in the script")))
    }

    fn hear(&self, message: AppToMaster, session: &Session) {
        let mut script = self.script.lock().unwrap();
        let say = |message: MasterToApp| drop(session.try_send(Ok((&message).into())));
        match &message {
            AppToMaster::Register(register) => {
                script.registrations.push(register.as_ref().clone());
                match script.leader.clone().filter(|_| script.role.leads()) {
                    None => say(MasterToApp::Standby { leader: script.leader.clone() }),
                    Some(leader) => {
                        let mut store = self.store.lock().unwrap();
                        let next = AppId::new(&format!("app-{}", store.len())).unwrap();
                        let app = store.entry(register.token.clone()).or_insert(next).clone();
                        let heartbeat_every = std::time::Duration::from_millis(100);
                        say(MasterToApp::Registered(Box::new(RegisteredApplication { app, leader, heartbeat_every })));
                        script.sessions.push(session.clone());
                    }
                }
            }
            AppToMaster::Heartbeat => say(MasterToApp::HeartbeatSeen),
            AppToMaster::Unregister => script.sessions.clear(),
            AppToMaster::RequestExecutors { request, .. } | AppToMaster::KillExecutors { request, .. } => {
                let (term, request) = (script.leader.clone().unwrap().term, *request);
                let body = AppNotice::Answer { request, accepted: true };
                say(MasterToApp::Notice(Fenced { term, id: CommandId(1), body }));
            }
        }
        script.heard.push(message);
    }
}

#[tonic::async_trait]
impl OperatorService for Face {
    async fn get_leader(&self, _: Request<v1::GetLeaderRequest>) -> Result<Response<v1::LeaderReply>, Status> {
        self.script.lock().unwrap().asked += 1;
        self.while_it_is(|script| script.frozen).await;
        let script = self.script.lock().unwrap();
        let answer = LeaderAnswer {
            role: script.role,
            leader: script.leader.clone(),
            master: MasterId::new("fake").unwrap(),
            address: self.address.clone(),
        };
        Ok(Response::new((&answer).into()))
    }

    async fn await_leader(&self, request: Request<v1::AwaitLeaderRequest>) -> Result<Response<v1::LeaderInfo>, Status> {
        let LeaderQuestion { above, .. } = request.into_inner().try_into()?;
        loop {
            let news = self.script.lock().unwrap().news.clone();
            let news = news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let leader = self.script.lock().unwrap().leader.clone();
            match leader.filter(|leader| is_answer(leader, None, above.as_ref())) {
                Some(leader) => return Ok(Response::new((&leader).into())),
                None => news.await,
            }
        }
    }

    async fn get_state(&self, _: Request<v1::GetStateRequest>) -> Result<Response<v1::ClusterState>, Status> {
        let script = self.script.lock().unwrap();
        let role = v1::MasterRole::from(script.role).into();
        Ok(Response::new(v1::ClusterState {
            role,
            leader: script.leader.as_ref().map(Into::into),
            ..Default::default()
        }))
    }

    async fn kill_application(
        &self,
        request: Request<v1::KillApplicationRequest>,
    ) -> Result<Response<v1::KillApplicationReply>, Status> {
        let reply = self.ask(ClientRequest::try_from(request.into_inner())?).await?;
        Ok(Response::new(v1::KillApplicationReply::try_from(&reply)?))
    }

    async fn decommission_hosts(
        &self,
        request: Request<v1::DecommissionHostsRequest>,
    ) -> Result<Response<v1::DecommissionHostsReply>, Status> {
        let reply = self.ask(ClientRequest::try_from(request.into_inner())?).await?;
        Ok(Response::new(v1::DecommissionHostsReply::try_from(&reply)?))
    }
}

#[tonic::async_trait]
impl HaService for Face {
    type FollowStream = ReceiverStream<Result<v1::FollowBeat, Status>>;

    async fn follow(&self, _: Request<v1::FollowRequest>) -> Result<Response<Self::FollowStream>, Status> {
        Err(Status::unimplemented("nobody follows in these tests"))
    }

    async fn get_ha(&self, _: Request<v1::GetHaRequest>) -> Result<Response<v1::HaReply>, Status> {
        let script = self.script.lock().unwrap();
        let member = |id: &&str| v1::Member { master_id: (*id).to_owned(), ..v1::Member::default() };
        Ok(Response::new(v1::HaReply {
            master_id: "fake".to_owned(),
            address: self.address.clone(),
            role: v1::MasterRole::from(script.role).into(),
            leader: script.leader.as_ref().map(Into::into),
            members: script.members.iter().map(member).collect(),
            ..v1::HaReply::default()
        }))
    }

    async fn switchover(
        &self,
        request: Request<v1::SwitchoverRequest>,
    ) -> Result<Response<v1::SwitchoverReply>, Status> {
        let request = request.into_inner();
        let answer = self.wish(format!("to {:?}: {}", request.target, request.why))?;
        Ok(Response::new(v1::SwitchoverReply { answer: Some(answer) }))
    }

    async fn pause_failover(
        &self,
        request: Request<v1::PauseFailoverRequest>,
    ) -> Result<Response<v1::PauseFailoverReply>, Status> {
        let v1::PauseFailoverRequest { by, why, for_ms } = request.into_inner();
        self.wish(format!("pause by {by} for {for_ms} ms: {why}"))?;
        Ok(Response::new(v1::PauseFailoverReply { pause: Some(v1::FailoverPause { by, why, until_ms: for_ms }) }))
    }

    async fn resume_failover(
        &self,
        _: Request<v1::ResumeFailoverRequest>,
    ) -> Result<Response<v1::ResumeFailoverReply>, Status> {
        self.wish("resume".to_owned())?;
        Ok(Response::new(v1::ResumeFailoverReply { was_paused: true }))
    }
}

macro_rules! submission {
    ($($name:ident($request:ident) -> $reply:ident),+ $(,)?) => {
        #[tonic::async_trait]
        impl SubmissionService for Face {
            async fn driver_status(
                &self,
                _: Request<v1::DriverStatusRequest>,
            ) -> Result<Response<v1::DriverStatusReply>, Status> {
                let status = self.script.lock().unwrap().statuses.pop_front();
                let status = status.ok_or_else(|| Status::unavailable("not in the script"))?;
                let report = DriverReport { status, age: Duration::ZERO, degraded: None };
                Ok(Response::new((&StatusAnswer::Report(report)).into()))
            }
            $(
            async fn $name(&self, request: Request<v1::$request>) -> Result<Response<v1::$reply>, Status> {
                let reply = self.ask(ClientRequest::try_from(request.into_inner())?).await?;
                Ok(Response::new(v1::$reply::try_from(&reply)?))
            }
        )+}
    };
}

submission! {
    submit_driver(SubmitDriverRequest) -> SubmitDriverReply,
    kill_driver(KillDriverRequest) -> KillDriverReply,
    kill_all_drivers(KillAllDriversRequest) -> KillAllDriversReply,
    clear_completed(ClearCompletedRequest) -> ClearCompletedReply,
    ready(ReadyRequest) -> ReadyReply,
}

#[tonic::async_trait]
impl AppService for Face {
    type SessionStream = ReceiverStream<Result<v1::MasterToApp, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<v1::AppToMaster>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (session, outgoing) = mpsc::channel(64);
        let (face, mut incoming) = (self.clone(), request.into_inner());
        let weak = session.downgrade();
        tokio::spawn(async move {
            // Held until the first answer only: after that the script decides how long the session lasts.
            let mut first = Some(session);
            while let Ok(Some(message)) = incoming.message().await {
                let Some(session) = first.take().or_else(|| weak.upgrade()) else { return };
                face.hear(AppToMaster::try_from(message).unwrap(), &session);
            }
        });
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}
