//! Operators' wishes, against masters that follow a script.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod support;

use std::time::Duration;

use tanist_client::{ClientError, HaClient, MasterList, Masters};
use tanist_core::ids::MasterId;
use tanist_core::model::MasterRole;
use tanist_proto::v1;
use tanist_proto::v1::switchover_reply::Answer;
use tonic::Status;

use support::master::{FakeMaster, Store, leader_info};
use support::{eventually, soon};

/// Short: it passes only in the tests that wait for it.
const SHORT: Duration = Duration::from_millis(400);

fn client(addresses: &[&str]) -> HaClient {
    HaClient::new(Masters::new(MasterList::parse("--masters", &addresses.join(",")).unwrap()))
}

fn hurried(addresses: &[&str]) -> HaClient {
    HaClient::new(client(addresses).masters().clone().with_deadline(SHORT))
}

fn master(id: &str) -> MasterId {
    MasterId::new(id).unwrap()
}

fn stepped_down(epoch: u64) -> Answer {
    Answer::SteppedDown(v1::SteppedDown { generation: 0, epoch })
}

/// A port that nobody listens on.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A leader in term 1 that has these members and these answers, and a standby.
async fn pair(office: Vec<Result<Answer, Status>>) -> (FakeMaster, FakeMaster) {
    let store = Store::default();
    let (one, two) = (FakeMaster::start(&store).await, FakeMaster::start(&store).await);
    two.follow(Some(one.lead(1)));
    one.script().office = office.into();
    one.script().members = vec!["master-1", "master-2"];
    (one, two)
}

#[tokio::test]
async fn a_survey_has_every_master_s_own_words_or_why_there_are_none() {
    let (one, two) = pair(Vec::new()).await;
    let nobody = nobody();
    let survey = soon("survey", client(&[&one.address, &nobody, &two.address]).survey(5)).await;
    let roles: Vec<_> = survey.iter().map(|(_, answer)| answer.as_ref().map(v1::HaReply::role)).collect();
    let refused = "connection refused".to_owned();
    assert_eq!(roles, [Ok(v1::MasterRole::Alive), Err(&refused), Ok(v1::MasterRole::Standby)]);
    assert_eq!(survey[1].0, nobody, "as configured");
}

#[tokio::test]
async fn a_switchover_ends_when_the_successor_leads() {
    let (one, two) = pair(vec![Ok(stepped_down(1))]).await;
    let client = client(&[&one.address, &two.address]);
    let handing = tokio::spawn(async move { client.switchover(Some(&master("master-2")), "kernel").await });
    eventually("the leader was asked", || (!one.script().wishes.is_empty()).then_some(())).await;
    one.follow(None);
    // A standby that names the old leader is no successor, nor is a term that is over.
    two.follow(Some(leader_info(&one.address, 1)));
    two.lead(2);
    let done = soon("switchover", handing).await.unwrap().unwrap();
    assert_eq!(one.script().wishes, ["to \"master-2\": kernel"], "asked once");
    assert_eq!(done.from.unwrap().master, master("master-1"));
    assert_eq!((done.to.address, done.role), (two.address.clone(), MasterRole::Alive));
    assert!(done.gap > Duration::ZERO && done.gap < Duration::from_secs(10), "{:?}", done.gap);
}

#[tokio::test]
async fn a_target_that_leads_already_is_left_alone() {
    let (one, two) = pair(Vec::new()).await;
    let done = client(&[&one.address, &two.address]).switchover(Some(&master("master-1")), "").await.unwrap();
    assert_eq!((done.from, done.to.master), (None, master("master-1")));
    assert!(one.script().wishes.is_empty());
}

#[tokio::test]
async fn nothing_is_asked_for_a_target_that_nobody_knows() {
    let (one, two) = pair(Vec::new()).await;
    let error = client(&[&one.address, &two.address]).switchover(Some(&master("m9")), "").await.unwrap_err();
    assert_eq!(error.to_string(), "m9 is no member; members are master-1, master-2");
    assert!(one.script().wishes.is_empty());
}

#[tokio::test]
async fn a_refusal_is_told_and_changes_nothing() {
    let (one, two) = pair(vec![Ok(Answer::Refused("failover is paused".to_owned()))]).await;
    let error = client(&[&one.address, &two.address]).switchover(None, "").await.unwrap_err();
    assert!(matches!(error, ClientError::SwitchoverRefused { .. }), "{error:?}");
    assert_eq!(error.to_string(), "master-1 does not hand over the lead: failover is paused");
}

#[tokio::test]
async fn a_leader_that_was_overtaken_is_not_the_one_to_ask() {
    let (one, two) = pair(vec![Ok(Answer::NotLeading(v1::NotLeading::default()))]).await;
    let client = client(&[&one.address, &two.address]);
    let handing = tokio::spawn(async move { client.switchover(None, "x").await });
    eventually("the old leader was asked", || (!one.script().wishes.is_empty()).then_some(())).await;
    two.script().office = [Ok(stepped_down(2))].into();
    one.follow(Some(two.lead(2)));
    eventually("the new leader was asked", || (!two.script().wishes.is_empty()).then_some(())).await;
    one.lead(3);
    let done = soon("switchover", handing).await.unwrap().unwrap();
    assert_eq!((done.from.unwrap().master, done.to.master), (master("master-2"), master("master-3")));
}

#[tokio::test]
async fn an_answer_that_is_lost_is_made_good_by_a_successor_and_else_leaves_doubt() {
    let lost = || Err(Status::unavailable("connection reset"));
    let (one, two) = pair(vec![lost()]).await;
    let both = [one.address.as_str(), &two.address];
    let error = soon("switchover", hurried(&both).switchover(None, "")).await.unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
    assert_eq!(one.script().wishes.len(), 1, "what may have been heard is not repeated");

    one.script().office = [lost()].into();
    let client = client(&both);
    let handing = tokio::spawn(async move { client.switchover(None, "").await });
    eventually("the leader was asked", || (one.script().wishes.len() == 2).then_some(())).await;
    one.follow(Some(two.lead(2)));
    assert_eq!(soon("switchover", handing).await.unwrap().unwrap().to.address, two.address);
}

#[tokio::test]
async fn a_lead_that_nobody_takes_up_is_told() {
    let (one, two) = pair(vec![Ok(stepped_down(1))]).await;
    let client = hurried(&[&one.address, &two.address]);
    let handing = tokio::spawn(async move { client.switchover(None, "").await });
    eventually("the leader was asked", || (!one.script().wishes.is_empty()).then_some(())).await;
    one.follow(None);
    two.follow(None);
    let error = soon("switchover", handing).await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::NoSuccessor { .. }), "{error:?}");
    let words = error.to_string();
    assert!(words.starts_with("master-1 has handed over the lead, but nobody leads after 400ms"), "{words}");
    assert!(words.contains(&format!("{}: standby", two.address)), "{words}");
}

#[tokio::test]
async fn without_a_leader_nobody_is_asked() {
    let store = Store::default();
    let standby = FakeMaster::start(&store).await;
    let error = soon("switchover", hurried(&[&standby.address]).switchover(None, "")).await.unwrap_err();
    assert!(matches!(error, ClientError::NoLeader { .. }), "{error:?}");
    assert!(standby.script().wishes.is_empty());
}

#[tokio::test]
async fn a_pause_is_for_any_master_that_reaches_the_store() {
    let (one, two) = pair(vec![Err(Status::unavailable("etcd cannot be reached"))]).await;
    two.script().office = [Ok(stepped_down(0)), Ok(stepped_down(0))].into();
    let client = client(&[&nobody(), &one.address, &two.address]);
    let pause = soon("pause", client.pause("me@here", "disks", Duration::from_secs(60))).await.unwrap();
    assert_eq!((pause.by.as_str(), pause.why.as_str()), ("me@here", "disks"));
    assert_eq!(two.script().wishes, ["pause by me@here for 60000 ms: disks"]);
    one.script().office = [Ok(stepped_down(0))].into();
    assert!(soon("resume", client.resume()).await.unwrap());
    assert_eq!(one.script().wishes[1], "resume");
}

#[tokio::test]
async fn a_pause_that_cannot_be_is_declined_at_once_and_one_that_nobody_stores_is_told() {
    let (one, two) = pair(vec![Err(Status::failed_precondition("not supported by this store"))]).await;
    let both = [one.address.as_str(), &two.address];
    let error = soon("pause", client(&both).pause("", "", Duration::from_secs(1))).await.unwrap_err();
    assert!(matches!(error, ClientError::Declined { .. }), "{error:?}");
    assert!(error.to_string().ends_with("not supported by this store"), "{error}");
    assert!(two.script().wishes.is_empty(), "nobody else is asked");

    let error = soon("pause", hurried(&[&nobody()]).pause("", "", Duration::from_secs(1))).await.unwrap_err();
    assert!(matches!(error, ClientError::NoLeader { .. }), "nobody can have heard it: {error:?}");
    // An answer that says nothing of what came of it leaves doubt, whatever another master says later.
    one.script().office = [Err(Status::unknown("?")), Err(Status::permission_denied("not you"))].into();
    let error = soon("pause", hurried(&[&one.address]).pause("", "", Duration::from_secs(1))).await.unwrap_err();
    assert!(matches!(error, ClientError::OutcomeUnknown { .. }), "{error:?}");
}
