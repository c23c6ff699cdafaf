//! The application client against masters that follow a script: registration, changes of leader, requests, the end.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::collections::BTreeMap;

use tokio::sync::mpsc;
use tonic::transport::Endpoint;

use tanist_client::app::{AppClient, AppOptions, Loss, Notice, Standing};
use tanist_client::{ClientError, MasterList};
use tanist_core::ids::{AppId, ExecutorId, ProfileId, WorkerId};
use tanist_core::model::{
    AppEndpoint, ApplicationDescription, Command, ExecutorState, LeaderInfo, MasterRole, Program, ResourceProfile,
};
use tanist_core::msg::{AppNotice, AppToMaster, RegisterApplication};
use tanist_core::units::{Cores, Memory};
use tanist_proto::convert::endpoint::{Acknowledgement, Identity};
use tanist_proto::v1;
use tanist_proto::v1::app_endpoint_client::AppEndpointClient;

use support::master::{FakeMaster, Store};
use support::{eventually, soon};

fn profile() -> ResourceProfile {
    ResourceProfile { memory: Some(Memory::mib(128)), cores: Some(Cores(1)), ..ResourceProfile::default() }
}

fn options(masters: &[&FakeMaster]) -> AppOptions {
    let addresses: Vec<&str> = masters.iter().map(|master| master.address.as_str()).collect();
    AppOptions {
        masters: MasterList::parse("--master", &addresses.join(",")).unwrap(),
        description: ApplicationDescription {
            name: "test".to_owned(),
            user: "nobody".to_owned(),
            command: Command { program: Program::Executable("true".to_owned()), ..Command::default() },
            default_profile: profile(),
            initial_executor_limit: Some(2),
            ..ApplicationDescription::default()
        },
        bind: "127.0.0.1:0".to_owned(),
        advertised_host: None,
        prefer_configured_master_address: false,
        max_registration_retries: None,
    }
}

async fn start(masters: &[&FakeMaster]) -> (AppClient, mpsc::Receiver<Notice>) {
    let (listener, told) = mpsc::channel(64);
    (AppClient::start(options(masters), listener).await.unwrap(), told)
}

async fn next(told: &mut mpsc::Receiver<Notice>) -> Notice {
    soon("a notice", told.recv()).await.unwrap()
}

fn app(number: u32) -> AppId {
    AppId::new(&format!("app-{number}")).unwrap()
}

fn added(executor: u32) -> AppNotice {
    AppNotice::ExecutorAdded {
        executor: ExecutorId(executor),
        worker: WorkerId::new("worker-1").unwrap(),
        worker_address: "host:1".to_owned(),
        cores: Cores(1),
        memory: Memory::mib(128),
        profile: ProfileId(0),
    }
}

fn updated(executor: u32, state: ExecutorState, exit_status: Option<i32>) -> AppNotice {
    AppNotice::ExecutorUpdated {
        executor: ExecutorId(executor),
        state,
        message: Some("why".to_owned()),
        exit_status,
        worker_host: None,
    }
}

fn registrations(masters: &[&FakeMaster]) -> Vec<RegisterApplication> {
    masters.iter().flat_map(|master| master.script().registrations.clone()).collect()
}

async fn announce(client: &AppClient, leader: &LeaderInfo) -> Result<Acknowledgement, tonic::Status> {
    let channel = Endpoint::from_shared(format!("http://{}", client.address())).unwrap().connect().await.unwrap();
    let ack = AppEndpointClient::new(channel).master_changed(v1::LeaderInfo::from(leader)).await?;
    Ok(Acknowledgement::try_from(ack.into_inner())?)
}

#[tokio::test]
async fn a_standbys_hint_is_followed() {
    let store = Store::default();
    let (standby, leader) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    standby.follow(Some(leader.lead(3)));
    let (client, mut told) = start(&[&standby]).await;
    assert_eq!(soon("registered", client.registered()).await.unwrap(), app(0), "AC-03");
    assert!(
        matches!(next(&mut told).await, Notice::Connected { leader: named, .. } if named.address == leader.address)
    );
    let registration = registrations(&[&leader]).remove(0);
    assert_eq!(registration.endpoint, AppEndpoint::Own(client.address().to_owned()));
    // Its own endpoint says whose it is.
    let channel = Endpoint::from_shared(format!("http://{}", client.address())).unwrap().connect().await.unwrap();
    let ping = soon("ping", AppEndpointClient::new(channel).ping(v1::PingRequest {})).await.unwrap();
    assert_eq!(Identity::try_from(ping.into_inner()).unwrap(), Identity::App(Some(app(0))));
}

#[tokio::test]
async fn a_new_leader_that_announces_itself_is_joined_under_the_same_token() {
    let store = Store::default();
    let (mut one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    let old = one.lead(1);
    let (client, mut told) = start(&[&one, &two]).await;
    soon("registered", client.registered()).await.unwrap();
    one.notify(added(7));
    assert!(matches!(next(&mut told).await, Notice::Connected { .. }));
    assert!(matches!(next(&mut told).await, Notice::ExecutorAdded { executor, .. } if executor.id == ExecutorId(7)));

    one.kill();
    let leader = two.lead(2);
    let ack = soon("announcement", announce(&client, &leader)).await.unwrap();
    assert_eq!((ack.heard, ack.identity), (leader.term.clone(), Identity::App(Some(app(0)))));
    assert_eq!(next(&mut told).await, Notice::Disconnected);
    assert_eq!(next(&mut told).await, Notice::Connected { app: app(0), leader: leader.clone() });
    let again = registrations(&[&two]).pop().unwrap();
    assert_eq!((again.known_as, again.executors), (Some(app(0)), vec![ExecutorId(7)]));
    assert_eq!(again.token, registrations(&[&one])[0].token, "one token, one application");

    // What the former leader still says is refused with the higher term.
    let ack = soon("announcement", announce(&client, &old)).await.unwrap();
    assert_eq!(ack.heard, leader.term);
    // Told twice, passed on once.
    two.notify(added(7));
    two.notify(added(8));
    assert!(matches!(next(&mut told).await, Notice::ExecutorAdded { executor, .. } if executor.id == ExecutorId(8)));
}

#[tokio::test]
async fn ac_04_a_lost_session_is_opened_again_by_the_client_itself() {
    let store = Store::default();
    let (mut one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    two.follow(Some(one.lead(1)));
    let (client, mut told) = start(&[&one, &two]).await;
    soon("registered", client.registered()).await.unwrap();
    assert!(matches!(next(&mut told).await, Notice::Connected { .. }));

    // The same leader, a broken session.
    one.hang_up();
    assert_eq!(next(&mut told).await, Notice::Disconnected);
    assert!(matches!(next(&mut told).await, Notice::Connected { leader, .. } if leader.address == one.address));
    assert_eq!(registrations(&[&one]).last().unwrap().known_as, Some(app(0)));

    // Another leader, of whom nobody tells the client: it asks.
    one.kill();
    let leader = two.lead(2);
    assert_eq!(next(&mut told).await, Notice::Disconnected);
    assert_eq!(next(&mut told).await, Notice::Connected { app: app(0), leader });
    let tokens: Vec<_> = registrations(&[&one, &two]).into_iter().map(|register| register.token).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert_eq!(store.lock().unwrap().len(), 1, "one application");
}

#[tokio::test]
async fn ac_08_requests_outlive_the_leader() {
    let store = Store::default();
    let (mut one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    let (client, mut told) = start(&[&one, &two]).await;
    let requests = client.requests();
    let nothing = soon("kill", requests.kill_executors(vec![ExecutorId(1)])).await;
    assert!(!nothing, "T-AC-03: false at once where nothing is registered");

    one.lead(1);
    two.follow(Some(one.lead(1)));
    soon("registered", client.registered()).await.unwrap();
    assert!(matches!(next(&mut told).await, Notice::Connected { .. }));
    let other = ResourceProfile { id: ProfileId(1), ..profile() };
    let targets = BTreeMap::from([(ProfileId(0), 4), (ProfileId(1), 2)]);
    assert!(soon("total", requests.total_executors(vec![other.clone()], targets.clone())).await);

    one.kill();
    assert_eq!(next(&mut told).await, Notice::Disconnected);
    let kill = tokio::spawn({
        let requests = requests.clone();
        async move { requests.kill_executors(vec![ExecutorId(5)]).await }
    });
    two.lead(2);
    assert!(soon("kill", kill).await.unwrap(), "said to the next leader");
    let again = registrations(&[&two]).pop().unwrap();
    assert_eq!((again.profiles, again.targets), (vec![other], targets), "the new leader is told what was taken");
    let kills = |message: &AppToMaster| matches!(message, AppToMaster::KillExecutors { executors, .. } if *executors == [ExecutorId(5)]);
    assert!(two.script().heard.iter().any(kills));
}

#[tokio::test]
async fn ac_06_ends_of_executors_are_told_once_with_what_they_mean() {
    let store = Store::default();
    let master = FakeMaster::start(&store).await;
    master.lead(1);
    let (client, mut told) = start(&[&master]).await;
    soon("registered", client.registered()).await.unwrap();
    assert!(matches!(next(&mut told).await, Notice::Connected { .. }));
    for executor in 0..4 {
        master.notify(added(executor));
        assert!(matches!(next(&mut told).await, Notice::ExecutorAdded { .. }));
    }
    for (executor, state, code, meant) in [
        (0, ExecutorState::Exited, Some(1), Loss::Exited { code: 1, caused_by_app: true }),
        (1, ExecutorState::Exited, Some(56), Loss::Exited { code: 56, caused_by_app: false }),
        (2, ExecutorState::Killed, Some(143), Loss::Requested),
        (3, ExecutorState::Lost, None, Loss::ProcessLost { worker_host: None, caused_by_app: false }),
    ] {
        master.notify(updated(executor, state, code));
        master.notify(updated(executor, state, code));
        match next(&mut told).await {
            Notice::ExecutorRemoved { executor: gone, loss, message } => {
                assert_eq!((gone.id, loss, message.as_str()), (ExecutorId(executor), meant, "why"), "AC-07");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn ac_05_an_application_that_is_removed_is_dead() {
    let store = Store::default();
    let master = FakeMaster::start(&store).await;
    master.lead(1);
    let (client, mut told) = start(&[&master]).await;
    soon("registered", client.registered()).await.unwrap();
    master.notify(AppNotice::ApplicationRemoved { message: "killed by an operator".to_owned() });
    assert!(matches!(next(&mut told).await, Notice::Connected { .. }));
    let reason = "Master removed our application: killed by an operator".to_owned();
    assert_eq!(next(&mut told).await, Notice::Dead { reason: reason.clone() });
    assert_eq!(soon("no more notices", told.recv()).await, None);
    assert_eq!(*client.standing().borrow(), Standing::Ended { why: reason });
    assert!(!soon("request", client.requests().kill_executors(vec![])).await);
    assert!(matches!(soon("registered", client.registered()).await, Err(ClientError::ApplicationEnded { .. })));
}

#[tokio::test]
async fn ac_09_a_stop_tells_the_master_and_closes_the_port() {
    let store = Store::default();
    let master = FakeMaster::start(&store).await;
    master.lead(1);
    let (client, mut told) = start(&[&master]).await;
    soon("registered", client.registered()).await.unwrap();
    assert!(matches!(next(&mut told).await, Notice::Connected { .. }));
    let address = client.address().to_owned();
    soon("stop", client.stop()).await;
    assert_eq!(*master.script().heard.last().unwrap(), AppToMaster::Unregister);
    assert_eq!(soon("no more notices", told.recv()).await, None);
    eventually("nobody listens", || std::net::TcpStream::connect(&address).err()).await;
}

#[tokio::test]
async fn registration_waits_for_a_leader_and_heartbeats_follow() {
    let store = Store::default();
    let master = FakeMaster::start(&store).await;
    let (client, _told) = start(&[&master]).await;
    eventually("it has been turned away", || (!master.script().registrations.is_empty()).then_some(())).await;
    assert_eq!(*client.standing().borrow(), Standing::Registering);
    assert_eq!(master.script().role, MasterRole::Standby);
    master.lead(1);
    soon("registered", client.registered()).await.unwrap();
    let beats = || master.script().heard.iter().filter(|message| **message == AppToMaster::Heartbeat).count();
    eventually("heartbeats", || (beats() >= 3).then_some(())).await;
}
