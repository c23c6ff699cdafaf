//! What a master says of the office: with its store and without it, and what it will not take.

mod support;

use tanist_core::ids::{Epoch, MasterId};
use tanist_core::time::Wall;
use tanist_master::{MasterError, Unusable};
use tanist_proto::v1;
use tanist_store::{ElectionError, Standing};
use tonic::Code;

use support::election::{Shared, TestElection};
use support::engine::Mode;
use support::peers::{AppSession, WorkerPort, WorkerSession, application, registration};
use support::{Node, Setup, is_ready, submission, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_and_its_standby_tell_everything_they_know() {
    let directory = tempfile::tempdir().unwrap();
    let shared = Shared::store();
    let first = Node::sharing(directory.path(), "m1", &shared).await;
    first.alive().await;
    let second = Node::sharing(directory.path(), "m2", &shared).await;
    let known = |status: &v1::HaReply| status.members.iter().map(|member| member.role.clone()).collect::<Vec<_>>();
    within("both are known in their roles", async {
        while known(&first.status().await) != ["ALIVE", "STANDBY"] {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let status = first.status().await;
    assert_eq!((status.master_id.as_str(), status.address.as_str()), ("m1", first.address.as_str()));
    assert_eq!((status.role(), status.doing.as_str()), (v1::MasterRole::Alive, "leads"));
    assert!(status.started_at_ms > 0 && status.doing_since_ms >= status.started_at_ms);
    assert_eq!(status.leader.as_ref().unwrap().address, first.address);
    assert_eq!((&status.trouble, &status.incomplete, status.recovery_until_ms), (&None, &None, None));
    let addresses: Vec<_> = status.members.iter().map(|member| member.address.as_str()).collect();
    assert_eq!(addresses, [first.address.as_str(), second.address.as_str()]);
    let [term] = &status.history[..] else { panic!("{:?}", status.history) };
    assert_eq!((term.epoch, term.master_id.as_str(), term.began.as_str()), (1, "m1", "first term of the store"));
    let names: Vec<_> = status.counts.iter().map(|count| (count.name.as_str(), count.value)).collect();
    assert_eq!(names.first(), Some(&("terms_won", 1)));
    assert!(status.counts.iter().all(|count| !count.help.is_empty()));

    let status = second.does("waits: m1 leads in term 0.1").await;
    assert_eq!(status.role(), v1::MasterRole::Standby);
    assert_eq!(status.leader.unwrap().master_id, "m1");
    // This backend lets only the leader read it.
    assert!(status.incomplete.unwrap().starts_with("history: "), "and the members are there: {:?}", status.members);
    assert_eq!(status.members.len(), 2);
    let none = second.ha().get_ha(v1::GetHaRequest { history_limit: 0 }).await.unwrap().into_inner();
    assert_eq!(none.incomplete, None, "nobody asked for the history");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_everything_else_is_told_and_why_the_rest_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::sharing(directory.path(), "m1", &Shared::store()).await;
    node.alive().await;
    node.election.be_silent(true);
    node.election.set_trouble(Some("etcd cannot be reached at 127.0.0.1:1"));
    node.election.set(Standing::Suspended);
    let status = node.does("suspended: no renewal since").await;
    assert!(status.doing.ends_with(": etcd cannot be reached at 127.0.0.1:1"), "{}", status.doing);
    assert_eq!(status.role(), v1::MasterRole::Suspended);
    let incomplete = status.incomplete.unwrap();
    assert!(incomplete.contains("members: the store did not answer within 2s"), "{incomplete}");
    assert!(incomplete.contains("history: the store did not answer within 2s"), "{incomplete}");
    assert_eq!(status.trouble.unwrap().what, "etcd cannot be reached at 127.0.0.1:1");
    assert_eq!(status.leader.unwrap().master_id, "m1");
    assert_eq!(node.count("suspensions").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_names_who_has_not_answered() {
    let (directory, first) = Node::leading().await;
    let port = WorkerPort::open("w1").await;
    let worker = WorkerSession::registered(&first.address, registration("w1", port.port)).await;
    let mut app = AppSession::register(&first.address, application("token-1")).await;
    app.registered().await;
    drop((first, worker));
    let second = Node::start(directory.path(), "m2").await;
    let status = second.does("recovers: 1 worker").await;
    assert_eq!(status.workers_missing, ["w1"]);
    let begun = status.doing_since_ms;
    assert_eq!(status.recovery_until_ms, Some(begun + 10_000), "the recovery time-out");
    let mut again = registration("w1", port.port);
    again.heard = status.leader.map(|leader| leader.term.unwrap().try_into().unwrap());
    let _worker = WorkerSession::registered(&second.address, again).await;
    within("nobody is missing", async {
        while !second.status().await.workers_missing.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_has_bounds_and_a_store_without_it_says_so() {
    let (_directory, node) = Node::leading().await;
    let pause = |by: &str, why: &str, for_ms| v1::PauseFailoverRequest { by: by.into(), why: why.into(), for_ms };
    for (request, problem) in [
        (pause(&"x".repeat(257), "", 1_000), "by: 257 bytes are too long; at most 256 bytes are allowed"),
        (pause("op", &"x".repeat(1_025), 1_000), "why: 1025 bytes are too long; at most 1024 bytes are allowed"),
        (pause("op", "", 999), "for_ms: 999 is not allowed, but 1000 (1 s) to 604800000 (7 days)"),
        (pause("op", "", 604_800_001), "for_ms: 604800001 is not allowed, but 1000 (1 s) to 604800000 (7 days)"),
    ] {
        let status = node.ha().pause_failover(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, problem));
    }
    let status = node.ha().pause_failover(pause("op", "", 1_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("pausing failover"), "{status}");
    let status = node.ha().resume_failover(v1::ResumeFailoverRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let status = node.ha().follow(v1::FollowRequest { master_id: String::new() }).await.unwrap_err();
    assert!(status.message().starts_with("master_id: "), "{status}");
}

fn foreign() -> ElectionError {
    let (expected, found) = ("ours".to_owned(), "theirs".to_owned());
    ElectionError::OtherCluster { place: "prefix /tanist/test/v1/".to_owned(), expected, found }
}

fn unusable(election: &TestElection) {
    election.fail_candidacy(|| ElectionError::NoEpochLeft { highest: Epoch(u64::MAX) });
    for _ in 0..3 {
        election.fail_candidacy(foreign);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_store_that_cannot_be_used_is_waited_for_and_the_reason_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup { unusable: Unusable::Waits, prepare: unusable, ..Setup::default() };
    let mut node = Node::set_up(directory.path(), "m1", setup).await;
    let status =
        node.does("cannot stand: the store at prefix /tanist/test/v1/ belongs to cluster 'theirs', not 'ours'").await;
    assert_eq!(status.role(), v1::MasterRole::Standby);
    assert!(status.trouble.unwrap().what.contains("belongs to cluster 'theirs'"), "it is trouble with the store");
    node.alive().await;
    assert!(is_ready(&mut Box::pin(node.service.ended())).is_none(), "the process goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_master_id_is_shown_until_it_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let taken = |election: &TestElection| {
        for _ in 0..3 {
            election.fail_announcement(|| {
                let (master, rpc) = (MasterId::new("m1").unwrap(), "elsewhere:7077".to_owned());
                ElectionError::MemberTaken { master, rpc, started_at: Wall(0) }
            });
        }
    };
    let setup = Setup { prepare: taken, ..Setup::default() };
    let node = Node::set_up(directory.path(), "m1", setup).await;
    let what = within("the trouble", async {
        loop {
            if let Some(trouble) = node.status().await.trouble {
                return trouble.what;
            }
        }
    })
    .await;
    assert!(what.contains("master id m1 is taken by a process at elsewhere:7077"), "{what}");
    let mut announced = node.election.announced();
    within("the announcement", announced.wait_for(|roles| !roles.is_empty())).await.unwrap();
    assert_eq!(node.status().await.trouble, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_this_host_that_cannot_be_used_end_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup { prepare: |election| election.fail_candidacy(foreign), ..Setup::default() };
    let mut node = Node::set_up(directory.path(), "m1", setup).await;
    let ended = within("the end", node.service.ended()).await;
    assert!(
        matches!(ended, Err(MasterError::Election { source: ElectionError::OtherCluster { .. }, .. })),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_commits_is_counted() {
    let (_directory, node) = Node::leading().await;
    let commits = node.count("commits").await;
    node.submit().await;
    assert!(node.count("commits").await > commits);
    node.engine.set(Mode::Refusing);
    let mut lost = Box::pin(node.handle().request(submission()));
    assert!(is_ready(&mut lost).is_none());
    node.role(tanist_core::model::MasterRole::Standby).await;
    node.engine.set(Mode::Open);
    within("an answer", lost).await.unwrap_err();
    node.alive().await;
    // On a slow machine a second term may have been refused before the store took commits again.
    let (refused, won) = (node.count("commits_refused").await, node.count("terms_won").await);
    assert!(refused >= 1 && won == refused + 1, "{refused} refused, {won} won");
    assert!(node.count("effects_withheld").await >= 1, "the answer");
}
