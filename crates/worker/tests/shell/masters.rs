//! Which master is followed and obeyed, as seen from outside (protocol 5, 6).

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tanist_core::ids::{Attempt, DriverId, Epoch, Generation, Nonce, Term};
use tanist_core::model::{Addresses, Booking, DriverState};
use tanist_core::msg::{MasterToWorker, WorkerCommand, WorkerToMaster};
use tanist_core::units::{Cores, Memory};
use tanist_proto::convert::endpoint::Identity;
use tanist_proto::v1;
use tanist_proto::v1::worker_endpoint_client::WorkerEndpointClient;
use tanist_worker::WorkerError;

use crate::fake_master::{FakeMaster, script};
use crate::rig::{TestWorker, is_alive, options, refusal, until};

fn launch(id: &str) -> WorkerCommand {
    let booking = Booking { cores: Cores(1), memory: Memory::mib(64), resources: Addresses::default() };
    let (driver, description) = (DriverId::new(id).unwrap(), Arc::new(script("touch ran")));
    WorkerCommand::LaunchDriver { driver, attempt: Attempt(1), description, booking }
}

fn term(epoch: u64, nonce: &str) -> Term {
    Term { generation: Generation(0), epoch: Epoch(epoch), nonce: Nonce::new(nonce).unwrap() }
}

#[tokio::test]
async fn a_lower_term_is_refused_also_after_a_restart() {
    let mut master = FakeMaster::start(5).await;
    let mut worker = TestWorker::start(&[&master]).await;
    let (mut session, registration) = master.registered().await;
    assert_eq!(registration.heard, None);
    for stale in [term(4, "nonce-4"), term(5, "another")] {
        let id = session.command_under(stale.clone(), launch("driver-1")).await;
        let refused = WorkerToMaster::StaleCommand { command: id, of: stale, heard: master.leader.term.clone() };
        assert_eq!(session.next().await, refused);
    }
    session.launch_driver("driver-2", script("exit 0")).await;
    assert_eq!(session.outcome("driver-2").await.state, DriverState::Finished);
    assert!(!worker.work().join("driver-1").exists(), "nothing of a refused command is begun");
    worker.shut_down();
    let (exit, dir) = worker.ended().await;
    assert_eq!(exit.unwrap().code, 0);

    // The next process of this worker still knows, and does not follow a master of a term before.
    let mut old = FakeMaster::start(4).await;
    let worker = TestWorker::start_in(dir, &[&old], |_| {}).await;
    let (mut session, registration) = old.registered().await;
    assert_eq!(registration.heard, Some(master.leader.term.clone()));
    assert_eq!(registration.cluster, Some(master.leader.cluster.clone()));
    assert_eq!(session.next_or_end().await, None, "it leaves a master of a lower term");
    let mut next = FakeMaster::start(6).await;
    let ack = next.announce(worker.handle.address()).await;
    assert_eq!(ack.unwrap().heard, next.leader.term);
    let (_session, registration) = next.registered().await;
    assert_eq!(registration.heard, Some(next.leader.term.clone()));
}

#[tokio::test]
async fn nothing_is_done_under_a_term_before_it_is_durable() {
    let mut master = FakeMaster::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("work/.tanist");
    let obstacle = state.join("term.json.next");
    fs::create_dir_all(&obstacle).unwrap();
    let worker = TestWorker::start_in(dir, &[&master], |_| {}).await;
    let (mut session, _) = master.registered().await;
    session.launch_driver("driver-1", script("test -e ../.tanist/term.json")).await;
    // Well after the command has arrived: what is only looked at afterwards cannot fail falsely.
    assert_eq!(master.announce(worker.handle.address()).await.unwrap_err().code(), tonic::Code::DeadlineExceeded);
    assert!(!worker.work().join("driver-1").exists());
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(session.outcome("driver-1").await.state, DriverState::Finished, "the term is there when it starts");

    fs::create_dir(&obstacle).unwrap();
    let next = FakeMaster::start(2).await;
    assert!(next.announce(worker.handle.address()).await.is_err());
    worker.handle.stop();
    let (ended, _dir) = worker.ended().await;
    let error = ended.unwrap_err();
    assert!(matches!(error, WorkerError::TermNotSaved { .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_term_file_is_an_error() {
    let mut master = FakeMaster::start(1).await;
    let mut worker = TestWorker::start(&[&master]).await;
    let _session = master.registered().await;
    let file = worker.work().join(".tanist/term.json");
    until("the term is saved", || file.exists()).await;
    worker.shut_down();
    let (_, dir) = worker.ended().await;
    fs::write(&file, "{\"form\":1").unwrap();
    let error = refusal(options(dir.path(), &[&master])).await;
    assert!(matches!(error, WorkerError::DamagedTerm { .. }), "{error}");
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn an_announcement_moves_the_session_with_all_that_runs() {
    let mut first = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&first]).await;
    let (mut session, _) = first.registered().await;
    session.launch_driver("driver-1", script("echo $$ > pid; exec sleep 600")).await;
    session.driver_started("driver-1").await;
    until("it runs", || worker.text("driver-1/pid").ends_with('\n')).await;
    let pid: u32 = worker.text("driver-1/pid").trim().parse().unwrap();

    let mut second = FakeMaster::start(2).await;
    let ack = second.announce(worker.handle.address()).await.unwrap();
    let identity = Identity::Worker { id: worker.handle.id().clone(), incarnation: worker.handle.incarnation() };
    assert_eq!((ack.identity, ack.heard), (identity, second.leader.term.clone()));
    let (_session, registration) = second.registered().await;
    assert_eq!(registration.heard, Some(second.leader.term.clone()), "the term is raised before anything else");
    let driver = &registration.inventory.drivers[0];
    assert_eq!((driver.driver.as_str(), driver.state), ("driver-1", DriverState::Running));
    assert_eq!(session.next_or_end().await, None, "the former session is closed");
    assert!(is_alive(pid));

    let ack = first.announce(worker.handle.address()).await.unwrap();
    assert_eq!(ack.heard, second.leader.term, "a deposed master is told of the higher term");
    assert!(first.has_no_session());
}

#[tokio::test]
async fn the_loss_of_every_master_ends_nothing() {
    let (mut master, worker, mut session) = TestWorker::with_a_master().await;
    session.launch_driver("driver-1", script("echo $$ > pid; exec sleep 600")).await;
    session.driver_started("driver-1").await;
    session.launch_driver("driver-2", script("while [ ! -e go ]; do sleep 0.05; done; exit 3")).await;
    session.driver_started("driver-2").await;
    until("it runs", || worker.text("driver-1/pid").ends_with('\n')).await;
    let pid: u32 = worker.text("driver-1/pid").trim().parse().unwrap();
    // No session is taken while this one is gone, and what ends meanwhile is told later.
    drop(session);
    fs::write(worker.work().join("driver-2/go"), "").unwrap();
    let mut session = master.session().await;
    let registration = session.registration().await;
    let driver = registration.inventory.drivers.iter().find(|driver| driver.driver.as_str() == "driver-1").unwrap();
    assert_eq!(driver.state, DriverState::Running);
    session.accept().await;
    assert_eq!(session.outcome("driver-2").await.exit_code, Some(3));
    assert!(is_alive(pid));
}

/// The first retry of a worker that has lost its leader comes after 100 ms. One that is told who leads must not wait for it:
/// it saves the term, connects and registers.
#[tokio::test]
#[allow(clippy::print_stderr, reason = "how long it takes is the point")]
async fn a_leader_that_announces_itself_has_the_worker_before_any_retry() {
    const CHANGES: u64 = 21;
    let mut leader = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&leader]).await;
    let (mut session, _) = leader.registered().await;
    // The first heartbeat follows the answer.
    assert!(session.next_or_end().await.is_some());
    let mut took = Vec::new();
    for epoch in 2..2 + CHANGES {
        let mut next = FakeMaster::start(epoch).await;
        leader.stop_listening().await;
        drop((leader, session));
        let begin = Instant::now();
        next.announce(worker.handle.address()).await.unwrap();
        let mut arrived = next.session().await;
        let registration = arrived.registration().await;
        took.push(begin.elapsed());
        assert_eq!(registration.heard, Some(next.leader.term.clone()));
        arrived.accept().await;
        assert!(arrived.next_or_end().await.is_some());
        (leader, session) = (next, arrived);
    }
    took.sort();
    let median = took[took.len() / 2];
    eprintln!("from the announcement to the registration: median {median:?}, longest {:?}", took[took.len() - 1]);
    assert!(median < Duration::from_millis(100), "{took:?}");
}

#[tokio::test]
async fn a_lost_worker_asks_who_leads() {
    let mut first = FakeMaster::start(1).await;
    let mut second = FakeMaster::start(2).await;
    let worker = TestWorker::start(&[&first, &second]).await;
    let (session, _) = first.registered().await;
    let mut other = second.session().await;
    let _ = other.registration().await;
    assert_eq!(other.next_or_end().await, None, "the first answer wins");
    second.knows(&second.leader.clone());
    first.stop_listening().await;
    drop(session);
    drop(first);
    let (_session, registration) = second.registered().await;
    assert_eq!(registration.heard, Some(second.leader.term.clone()));
    drop(worker);
}

#[tokio::test]
async fn wr_05_a_standby_names_the_leader() {
    let mut standby = FakeMaster::start(1).await;
    let mut leader = FakeMaster::start(2).await;
    let _worker = TestWorker::start(&[&standby]).await;
    let mut session = standby.session().await;
    session.registration().await;
    session.say(MasterToWorker::Standby { leader: Some(leader.leader.clone()) }).await;
    let (_session, registration) = leader.registered().await;
    assert_eq!(registration.master_address, leader.address, "WR-12");
}

#[tokio::test]
async fn wr_08_a_refusal_at_the_first_registration_ends_the_process() {
    let mut master = FakeMaster::start(1).await;
    let worker = TestWorker::start(&[&master]).await;
    let mut session = master.session().await;
    session.registration().await;
    session.say(MasterToWorker::RegistrationRefused { reason: "protocol 1 is not spoken here".to_owned() }).await;
    let (exit, _dir) = worker.ended().await;
    let exit = exit.unwrap();
    assert_eq!(exit.code, 1);
    assert!(exit.why.contains("protocol 1 is not spoken here"), "{}", exit.why);
}

#[tokio::test]
async fn ping_tells_who_is_there_and_strangers_are_not_followed() {
    let master = FakeMaster::start(1).await;
    let stranger = FakeMaster::start(9).await;
    let worker = TestWorker::start(&[&master]).await;
    let mut client = WorkerEndpointClient::connect(format!("http://{}", worker.handle.address())).await.unwrap();
    let identity = Identity::try_from(client.ping(v1::PingRequest {}).await.unwrap().into_inner()).unwrap();
    let own = Identity::Worker { id: worker.handle.id().clone(), incarnation: worker.handle.incarnation() };
    assert_eq!(identity, own);
    let status = stranger.announce(worker.handle.address()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status}");
    let status = client.master_changed(v1::LeaderInfo::default()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
}
