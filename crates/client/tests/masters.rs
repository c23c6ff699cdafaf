//! Finding the leader and putting requests to it, against masters that follow a script.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::time::{Duration, Instant};

use tanist_client::{ClientError, MasterList, Masters, SubmissionClient};
use tanist_core::ids::{AppId, Attempt, DriverId};
use tanist_core::model::{Command, DriverDescription, DriverState, Program};
use tanist_core::msg::{ClientReply, ClientRequest, DriverStatus};
use tanist_core::units::{Cores, Memory};
use tonic::Status;

use support::master::{FakeMaster, Store, leader_info};
use support::{eventually, soon};

fn masters(addresses: &[&str]) -> Masters {
    Masters::new(MasterList::parse("--master", &addresses.join(",")).unwrap())
}

fn client(addresses: &[&str]) -> SubmissionClient {
    SubmissionClient::new(masters(addresses))
}

fn driver(name: &str) -> DriverId {
    DriverId::new(name).unwrap()
}

fn description() -> DriverDescription {
    DriverDescription {
        memory: Memory::mib(64),
        cores: Cores(1),
        command: Command { program: Program::Executable("true".to_owned()), ..Command::default() },
        ..DriverDescription::default()
    }
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn the_leader_is_found_among_standbys_and_kept() {
    let store = Store::default();
    let (one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    let leader = two.lead(1);
    two.script().replies = [Ok(ClientReply::Ready(true)), Ok(ClientReply::Cleared)].into();
    let client = client(&[&one.address, &two.address]);
    assert!(soon("ready", client.ready()).await.unwrap());
    assert_eq!(soon("leader", client.leader()).await.unwrap(), leader);
    // The one that acted last is asked first: a second claimant is not even noticed.
    one.lead(2);
    soon("clear", client.clear()).await.unwrap();
    assert_eq!(two.script().requests, [ClientRequest::Ready, ClientRequest::ClearCompleted]);
    assert!(one.script().requests.is_empty());
}

#[tokio::test]
async fn a_standbys_word_leads_to_a_master_that_is_not_in_the_list() {
    let store = Store::default();
    let (standby, leader) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    standby.follow(Some(leader.lead(4)));
    leader.script().replies = [Ok(ClientReply::KillAllRequested { drivers: 3 })].into();
    let client = client(&[&standby.address]);
    assert_eq!(soon("kill all", client.kill_all()).await.unwrap(), 3);
    assert_eq!(soon("leader", client.leader()).await.unwrap().address, leader.address);
}

#[tokio::test]
async fn a_change_of_leader_is_a_longer_answer_and_one_submission() {
    let store = Store::default();
    let (mut one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    two.follow(Some(one.lead(1)));
    one.script().replies = [Ok(ClientReply::Ready(true)), Err(Status::unavailable("the lead was lost"))].into();
    let client = client(&[&one.address, &two.address]);
    assert!(soon("ready", client.ready()).await.unwrap());

    let submitted = tokio::spawn({
        let client = client.clone();
        async move { client.submit(&description()).await }
    });
    eventually("the leader has had the submission", || (one.script().requests.len() >= 2).then_some(())).await;
    let sent = one.script().requests[1].clone();
    one.kill();
    two.script().replies = [Ok(ClientReply::Submitted { driver: driver("driver-1") })].into();
    two.lead(2);
    assert_eq!(soon("submit", submitted).await.unwrap().unwrap(), driver("driver-1"));
    assert!(matches!(&sent, ClientRequest::SubmitDriver { request: Some(_), .. }));
    assert_eq!(two.script().requests, [sent], "sent again under the same request id");
}

#[tokio::test]
async fn when_all_fail_the_error_says_what_each_said() {
    let store = Store::default();
    let (standby, nobody) = (FakeMaster::start(&store).await, nobody());
    let deadline = Duration::from_millis(400);
    let client = SubmissionClient::new(masters(&[&nobody, &standby.address]).with_deadline(deadline));
    let began = Instant::now();
    let error = soon("ready", client.ready()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(matches!(error, ClientError::NoLeader { .. }), "{error:?}");
    let words = error.to_string();
    assert!(words.starts_with("Ready: no master acted on it within 400ms: "), "{words}");
    for part in [format!("{nobody}: connection refused"), format!("{}: standby, no leader known", standby.address)] {
        assert!(words.contains(&part), "{part:?} in {words:?}");
    }
    // A view can be had all the same, with the role that it is seen from.
    let state = soon("state", client.state()).await.unwrap();
    assert_eq!(state.role(), tanist_proto::v1::MasterRole::Standby);
    let survey = soon("survey", client.masters().survey()).await;
    assert_eq!(survey[0], (nobody, Err("connection refused".to_owned())));
    assert!(survey[1].1.is_ok());
}

#[tokio::test]
async fn what_is_useless_to_repeat_is_not_repeated() {
    let store = Store::default();
    let master = FakeMaster::start(&store).await;
    master.lead(1);
    let client = client(&[&master.address]);

    let mut large = description();
    large.command.arguments = vec!["x".repeat(1 << 20)];
    let error = soon("submit", client.submit(&large)).await.unwrap_err().to_string();
    assert!(error.contains("at most 1048576 bytes are allowed"), "{error}");
    assert!(master.script().requests.is_empty(), "not even sent");

    let invalid = ClientReply::Invalid { reason: "cores 99: at most 8".to_owned() };
    master.script().replies = [Ok(invalid), Err(Status::invalid_argument("hosts[0] is wrong"))].into();
    assert_eq!(soon("submit", client.submit(&description())).await.unwrap_err().to_string(), "cores 99: at most 8");
    let error = soon("decommission", client.decommission(&["h".to_owned()])).await.unwrap_err();
    assert!(error.to_string().ends_with("hosts[0] is wrong"), "{error}");
    assert_eq!(master.script().requests.len(), 2, "each asked once");
}

#[tokio::test]
async fn status_and_kill() {
    let store = Store::default();
    let master = FakeMaster::start(&store).await;
    master.lead(1);
    let client = client(&[&master.address]);
    let status = DriverStatus {
        driver: driver("d"),
        state: DriverState::Failed,
        attempt: Attempt(1),
        worker: None,
        worker_address: None,
        exit_code: Some(3),
        message: None,
    };
    let killed = ClientReply::KillRequested { found: false, message: "has ended".to_owned() };
    master.script().replies = [Ok(killed)].into();
    master.script().statuses = [Some(status.clone()), None, Some(status.clone())].into();
    assert_eq!(soon("status", client.status(&driver("d"))).await.unwrap().status, Some(status));
    assert_eq!(soon("status", client.status(&driver("e"))).await.unwrap().status, None);
    let ended = soon("kill", client.kill(&driver("d"))).await.unwrap();
    assert_eq!((ended.found, ended.message.as_str()), (false, "has ended"));
    let log = client
        .log(&driver("d"), tanist_client::logs::LogStream::Stdout, tanist_client::logs::LogStart::Offset(0))
        .await;
    assert!(matches!(log.unwrap_err(), ClientError::NeverLaunched { .. }));
}

#[tokio::test]
async fn masters_that_name_each_other_do_not_catch_a_client() {
    let store = Store::default();
    let (one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    one.follow(Some(leader_info(&two.address, 1)));
    two.follow(Some(leader_info(&one.address, 1)));
    let client = client(&[&one.address, &two.address]);
    let ready = tokio::spawn({
        let client = client.clone();
        async move { client.ready().await }
    });
    for master in [&one, &two] {
        eventually("it has gone round", || (master.script().turned_away >= 3).then_some(())).await;
    }
    one.script().replies = [Ok(ClientReply::Ready(true))].into();
    one.lead(2);
    assert!(soon("ready", ready).await.unwrap().unwrap());
}

/// The ways in which every request that alters something ends at these masters.
async fn ends_of_alterations(client: &SubmissionClient) -> Vec<ClientError> {
    let (hosts, app) = (["h".to_owned()], AppId::new("app-1").unwrap());
    let (description, driver) = (description(), driver("d"));
    let (submit, kill, kill_all, clear, kill_app, decommission) = tokio::join!(
        client.submit(&description),
        client.kill(&driver),
        client.kill_all(),
        client.clear(),
        client.kill_application(&app),
        client.decommission(&hosts),
    );
    vec![
        submit.unwrap_err(),
        kill.unwrap_err(),
        kill_all.unwrap_err(),
        clear.unwrap_err(),
        kill_app.unwrap_err(),
        decommission.unwrap_err(),
    ]
}

#[tokio::test]
async fn a_leader_that_took_a_request_and_never_answers_leaves_its_outcome_unknown() {
    let store = Store::default();
    let (silent, nobody) = (FakeMaster::start(&store).await, nobody());
    silent.lead(1);
    silent.script().silent = true;
    let deadline = Duration::from_millis(400);
    let client = SubmissionClient::new(masters(&[&nobody, &silent.address]).with_deadline(deadline));
    for error in soon("alterations", ends_of_alterations(&client)).await {
        assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
        let words = error.to_string();
        assert!(words.contains("may have taken effect"), "{words}");
        assert!(words.contains(&format!("{}: no answer", silent.address)), "{words}");
    }
    assert_eq!(silent.script().requests.len(), 6, "each was heard");
    // What only asks has no outcome that could be unknown.
    let error = soon("ready", client.ready()).await.unwrap_err();
    assert!(matches!(error, ClientError::NoLeader { .. }), "{error:?}");
    let error = soon("status", client.status(&driver("d"))).await.unwrap_err();
    assert!(matches!(error, ClientError::NoLeader { .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_its_outcome_unknown() {
    let store = Store::default();
    let mut leader = FakeMaster::start(&store).await;
    leader.lead(1);
    leader.script().silent = true;
    let client = SubmissionClient::new(masters(&[&leader.address]).with_deadline(Duration::from_secs(2)));
    let killed = tokio::spawn(async move { client.kill(&driver("d")).await });
    eventually("it was heard", || (!leader.script().requests.is_empty()).then_some(())).await;
    leader.kill();
    // That later tries are refused the connection does not undo the first.
    let error = soon("kill", killed).await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn a_refusal_after_a_try_in_doubt_does_not_end_the_doubt() {
    let store = Store::default();
    let master = FakeMaster::start(&store).await;
    master.lead(1);
    let refused = || Err(Status::permission_denied("not you"));
    master.script().replies = [Err(Status::unavailable("lost the lead")), refused(), refused()].into();
    let client = client(&[&master.address]);
    let error = soon("kill all", client.kill_all()).await.unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
    assert!(error.to_string().ends_with("not you"), "{error}");
    let error = soon("kill all", client.kill_all()).await.unwrap_err();
    assert!(matches!(error, ClientError::CallRefused { .. }), "the next request starts without doubt: {error:?}");
}

#[tokio::test]
async fn what_no_leader_can_have_heard_has_no_unknown_outcome() {
    let store = Store::default();
    let (standby, busy, nobody) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await, nobody());
    // A peer that takes connections and never says a word is asked who leads, and never sent the request.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = (mute.local_addr().unwrap().to_string(), mute);
    // The standby has the request sent to an address that refuses the connection.
    standby.follow(Some(leader_info(&nobody, 1)));
    let deadline = Duration::from_millis(400);
    let lists: [&[&str]; 4] = [&[&nobody], &[&standby.address], &[&mute.0], &[&nobody, &standby.address, &mute.0]];
    for list in lists {
        let client = SubmissionClient::new(masters(list).with_deadline(deadline));
        for error in soon("alterations", ends_of_alterations(&client)).await {
            assert!(matches!(error, ClientError::NoLeader { .. }), "{list:?}: {error:?}");
        }
    }
    // Too busy to take it: said before anything is done.
    busy.lead(2);
    let busy_once = Err(Status::resource_exhausted("busy"));
    busy.script().replies = [busy_once, Err(Status::permission_denied("not you"))].into();
    let error = soon("kill all", client(&[&busy.address]).kill_all()).await.unwrap_err();
    assert!(matches!(error, ClientError::CallRefused { .. }), "{error:?}");
    assert_eq!(busy.script().requests.len(), 2, "tried again after the first");
}

#[tokio::test]
async fn a_mute_master_that_a_standby_names_may_have_heard_the_request() {
    let store = Store::default();
    let standby = FakeMaster::start(&store).await;
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    standby.follow(Some(leader_info(&mute.local_addr().unwrap().to_string(), 1)));
    let client = SubmissionClient::new(masters(&[&standby.address]).with_deadline(Duration::from_millis(400)));
    let error = soon("kill all", client.kill_all()).await.unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
}

/// Less than a client waits for the answer of one master: who is answered within it has not waited for the silent one.
const BEFORE_IT_IS_GIVEN_UP: Duration = Duration::from_secs(4);

#[tokio::test]
async fn the_successor_of_a_frozen_leader_answers_while_the_question_stands_with_the_old_one() {
    for knows_the_leader in [true, false] {
        let store = Store::default();
        let (one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
        two.follow(Some(one.lead(1)));
        let masters = masters(&[&one.address, &two.address]).with_deadline(BEFORE_IT_IS_GIVEN_UP);
        let client = SubmissionClient::new(masters);
        if knows_the_leader {
            one.script().replies = [Ok(ClientReply::Ready(true))].into();
            assert!(soon("ready", client.ready()).await.unwrap());
            one.script().requests.clear();
        }
        one.script().frozen = true;
        let submitted = tokio::spawn(async move { client.submit(&description()).await });
        eventually("the frozen one was sent it", || (!one.script().requests.is_empty()).then_some(())).await;
        two.script().replies = [Ok(ClientReply::Submitted { driver: driver("driver-1") })].into();
        two.lead(2);
        assert_eq!(soon("submit", submitted).await.unwrap().unwrap(), driver("driver-1"));
        let sent = one.script().requests.clone();
        assert!(matches!(sent.as_slice(), [ClientRequest::SubmitDriver { request: Some(_), .. }]), "{sent:?}");
        assert_eq!(two.script().requests, sent, "under the same request id, once each");
        assert_eq!(two.script().turned_away, 0, "not sent to a standby");
    }
}

#[tokio::test]
async fn a_leader_that_is_only_slow_is_asked_once_and_its_answer_counts() {
    let store = Store::default();
    let (slow, standby) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    standby.follow(Some(slow.lead(1)));
    slow.script().silent = true;
    slow.script().replies = [Ok(ClientReply::KillAllRequested { drivers: 3 })].into();
    let client = client(&[&slow.address, &standby.address]);
    let killed = tokio::spawn(async move { client.kill_all().await });
    eventually("the others are asked for a successor", || (standby.script().asked >= 4).then_some(())).await;
    slow.script().silent = false;
    assert_eq!(soon("kill all", killed).await.unwrap().unwrap(), 3);
    assert_eq!((slow.script().requests.len(), standby.script().turned_away), (1, 0));
}

#[tokio::test]
async fn what_a_successor_refuses_the_silent_one_may_have_done() {
    let store = Store::default();
    let (one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    two.follow(Some(one.lead(1)));
    one.script().frozen = true;
    let client = client(&[&one.address, &two.address]);
    let killed = tokio::spawn(async move { client.kill(&driver("d")).await });
    eventually("the frozen one was sent it", || (!one.script().requests.is_empty()).then_some(())).await;
    two.script().replies = [Err(Status::permission_denied("not you"))].into();
    two.lead(2);
    let error = soon("kill", killed).await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
    let words = error.to_string();
    assert!(words.contains(&format!("{}: no answer", one.address)) && words.contains("not you"), "{words}");
}
