//! What the commit loop rests on: every record comes back as it was written, or is put aside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use tanist_core::ids::{
    AppId, AppToken, Attempt, DriverId, Epoch, ExecutorId, Incarnation, ProfileId, RequestId, WorkerId,
};
use tanist_core::model::{
    Addresses, Amounts, ApplicationDescription, ApplicationState, Booking, Command, DriverDescription, DriverOutcome,
    DriverState, JavaProgram, OnIsolation, Program, ResourceProfile, WorkerKind,
};
use tanist_core::record::{
    AppRecord, Change, DoneApp, DoneDriver, DriverRecord, PlacementRecord, Recovered, RequestRecord, WorkerRecord,
};
use tanist_core::time::Wall;
use tanist_core::units::{Cores, Memory};

use crate::election::{LeaderElection, Tenure};
use crate::engine::{Expect, MAX_OPERATIONS, Operation, PersistenceEngine};
use crate::error::CommitError;
use crate::journal::Journal;
use crate::key::{Family, Key};
use crate::record;

use super::{Harness, Leader, lead, refusal};

async fn open<B: LeaderElection + PersistenceEngine>(leader: &Leader<B>) -> (Journal<B>, Recovered) {
    Journal::open(Arc::clone(&leader.store), &leader.tenure).await.unwrap()
}

/// Ends the term and begins the next one.
async fn next<H: Harness>(harness: &H, leader: Leader<H::Backend>) -> Leader<H::Backend> {
    harness.crash(leader.store).await;
    lead(harness, "next").await
}

/// Every kind of record, with every field filled, and every kind of change.
pub async fn records_come_back_as_they_were_written<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let (mut journal, recovered) = open(&leader).await;
    assert_eq!(recovered, Recovered::default());
    let unplaced = DriverRecord { placement: None, request: None, ..driver("driver-2") };
    let groups = [
        vec![Change::PutWorker(worker("worker-2")), Change::PutWorker(worker("worker-1"))],
        vec![Change::PutApp(app("app-1")), Change::PutApp(app("app-2"))],
        vec![Change::PutDriver(driver("driver-1")), Change::PutRequest(request("r-1", "driver-1"))],
        vec![Change::PutDriver(unplaced.clone()), Change::PutRequest(request("r-2", "driver-2"))],
    ];
    journal.commit(&groups).await.unwrap();
    // Changed again, once in the same call and once in a later one.
    let cordoned = WorkerRecord { decommissioned: true, ..worker("worker-1") };
    let changes = [Change::PutWorker(worker("worker-1")), Change::PutWorker(cordoned.clone())];
    journal.commit(&changes.map(|change| vec![change])).await.unwrap();
    drop(journal);
    let leader = next(harness, leader).await;
    // The store has moved on before the records are read: that changes nothing about them.
    leader.create("beside/the/records", b"x").await;
    let (mut journal, recovered) = open(&leader).await;
    let expected = Recovered {
        workers: vec![cordoned, worker("worker-2")],
        apps: vec![app("app-1"), app("app-2")],
        drivers: vec![driver("driver-1"), unplaced],
        requests: vec![request("r-1", "driver-1"), request("r-2", "driver-2")],
        ..Recovered::default()
    };
    assert_eq!(recovered, expected);

    let groups = [
        vec![Change::FinishApp(done_app("app-1")), Change::FinishDriver(done_driver("driver-1"))],
        vec![Change::RemoveWorker(worker("worker-2").id), Change::ForgetRequest(request("r-1", "x").id)],
        // Never seen by the store before it is over again.
        vec![Change::PutApp(app("app-3")), Change::FinishApp(done_app("app-3")), Change::ForgetApp(app("app-3").id)],
        vec![Change::PutDriver(driver("driver-3")), Change::FinishDriver(done_driver("driver-3"))],
        vec![Change::ForgetDriver(driver("driver-3").id)],
    ];
    journal.commit(&groups).await.unwrap();
    drop(journal);
    let leader = next(harness, leader).await;
    let (_, recovered) = open(&leader).await;
    let expected = Recovered {
        workers: vec![expected.workers[0].clone()],
        apps: vec![app("app-2")],
        drivers: vec![expected.drivers[1].clone()],
        requests: vec![request("r-2", "driver-2")],
        done_apps: vec![done_app("app-1")],
        done_drivers: vec![done_driver("driver-1")],
        quarantined: Vec::new(),
    };
    assert_eq!(recovered, expected);
}

/// More than one transaction takes is split between groups, never within one, and comes to the store in order.
pub async fn long_queues_are_split_between_groups<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let (mut journal, _) = open(&leader).await;
    let pair = |n: usize| {
        let id = format!("driver-{n:04}");
        vec![Change::PutDriver(driver(&id)), Change::PutRequest(request(&format!("r-{n:04}"), &id))]
    };
    let groups: Vec<_> = (0..MAX_OPERATIONS + 7).map(pair).collect();
    journal.commit(&groups).await.unwrap();
    assert_eq!(journal.queued(), 0);
    let at = leader.now().await;
    let drivers = leader.list("state/drivers/", at).await;
    let requests = leader.list("state/requests/", at).await;
    assert_eq!((drivers.len(), requests.len()), (groups.len(), groups.len()));
    assert!(drivers.iter().map(|item| item.mod_revision).is_sorted(), "in the order given");
    for (driver, request) in drivers.iter().zip(&requests) {
        assert_eq!(driver.mod_revision, request.mod_revision, "a group is one transaction");
    }
    let transactions: BTreeSet<_> = drivers.iter().map(|item| item.mod_revision).collect();
    assert!((3..=4).contains(&transactions.len()), "as few as fit: {transactions:?}");

    let too_many = vec![(0..=MAX_OPERATIONS).map(|n| Change::PutWorker(worker(&format!("w-{n}")))).collect()];
    let mut too_long = driver("too-long");
    let description = DriverDescription { artifact: Some("x".repeat(crate::engine::MAX_BYTES)), ..description() };
    too_long.description = Arc::new(description);
    for groups in [too_many, vec![vec![Change::PutWorker(worker("fine"))], vec![Change::PutDriver(too_long)]]] {
        let refused = journal.commit(&groups).await;
        assert!(matches!(refused, Err(CommitError::Oversized { .. })), "{refused:?}");
        assert_eq!(journal.queued(), 0, "nothing of the call is taken");
    }
    leader.assert_unchanged_since(harness, at).await;
    assert!(leader.list("state/workers/", at).await.is_empty());
}

/// A commit without changes proves leadership while there is one, and tells of its loss.
pub async fn nothing_to_write_sends_the_guard<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let (mut journal, _) = open(&leader).await;
    let before = leader.now().await;
    journal.commit(&[]).await.unwrap();
    journal.commit(&[Vec::new(), vec![Change::RemoveWorker(worker("never-seen").id)]]).await.unwrap();
    leader.assert_unchanged_since(harness, before).await;
    leader.store.resign(&leader.tenure, &crate::Resignation::open("test")).await.unwrap();
    let second = lead(harness, "m2").await;
    for groups in [vec![], vec![vec![Change::PutWorker(worker("worker-1"))]]] {
        assert!(journal.commit(&groups).await.unwrap_err().leadership_lost());
    }
    assert!(second.list("state/", second.now().await).await.is_empty());
}

/// A record that somebody else changed is not written over.
pub async fn what_others_wrote_is_not_written_over<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let (mut journal, _) = open(&leader).await;
    leader.create("state/workers/worker-1", b"by somebody else").await;
    let refusal = refusal(journal.commit(&[vec![Change::PutWorker(worker("worker-1"))]]).await);
    assert!(!refusal.leadership_lost);
    assert_eq!(refusal.conflicts.len(), 1);
    assert_eq!(leader.get("state/workers/worker-1").await.unwrap().value, &b"by somebody else"[..]);
}

/// What cannot be read does not stop the rest, is moved byte for byte, and stays in quarantine for good.
pub async fn what_cannot_be_read_is_put_aside_byte_for_byte<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let (mut journal, _) = open(&leader).await;
    journal.commit(&[vec![Change::PutWorker(worker("worker-1")), Change::PutApp(app("app-1"))]]).await.unwrap();
    let misplaced = leader.get("state/workers/worker-1").await.unwrap().value;
    let broken: Vec<(&str, Bytes)> = vec![
        ("done/apps/app-9", Bytes::from_static(b"")),
        ("state/apps/app-2", Bytes::from_static(b"\xff\x00 not JSON \xfe")),
        ("state/apps/with a blank", Bytes::from_static(b"{}")),
        ("state/drivers/driver-1", Bytes::from_static(br#"{"v":2,"of":"tomorrow"}"#)),
        ("state/unheard-of/x", Bytes::from_static(b"1")),
        ("state/workers/worker-3", misplaced),
    ];
    for (key, value) in &broken {
        leader.create(key, value).await;
    }
    drop(journal);
    let leader = next(harness, leader).await;
    let (mut journal, recovered) = open(&leader).await;
    assert_eq!((&recovered.workers[..], &recovered.apps[..]), (&[worker("worker-1")][..], &[app("app-1")][..]));
    let aside: Vec<String> = broken.iter().map(|(key, _)| format!("quarantine/{key}")).collect();
    assert_eq!(recovered.quarantined, aside);
    journal.commit(&[vec![Change::PutWorker(worker("worker-3"))]]).await.unwrap();
    let prefix = Family::Quarantine;
    let prefix = crate::KeyPrefix::from(prefix).to_string();
    let found = leader.list(&prefix, leader.now().await).await;
    let values = broken.iter().map(|(_, value)| value.clone());
    assert_eq!(found.iter().map(|item| item.key.to_string()).collect::<Vec<_>>(), aside);
    assert!(found.iter().map(|item| item.value.clone()).eq(values), "byte for byte");
    for (key, _) in broken.iter().filter(|(key, _)| *key != "state/workers/worker-3") {
        assert_eq!(leader.get(key).await, None, "moved, not copied");
    }

    // The same key is damaged a second time: both findings are kept.
    let at = leader.get("state/workers/worker-3").await.unwrap().mod_revision;
    let again = Operation::put(Key::raw("state/workers/worker-3"), Expect::ModRevision(at), &b"again"[..]);
    leader.commit(vec![again]).await.unwrap();
    drop(journal);
    let leader = next(harness, leader).await;
    let (mut journal, recovered) = open(&leader).await;
    assert_eq!(recovered.quarantined.len(), broken.len() + 1);
    journal.commit(&[]).await.unwrap();
    let second = leader.get("quarantine/state/workers/worker-3~2").await.unwrap();
    assert_eq!(second.value, &b"again"[..]);
    assert_eq!(leader.get("quarantine/state/workers/worker-3").await.unwrap().value, broken[5].1);
}

/// One record of each kind, with its key and the bytes that the term would store.
fn one_of_each(leader: &Tenure, id: &str) -> Vec<(Key, Bytes)> {
    fn sealed<T: record::Keyed>(leader: &Tenure, record: &T) -> (Key, Bytes) {
        (Key::from(record.name()), record::encode(&leader.term(), record).unwrap())
    }
    vec![
        sealed(leader, &worker(id)),
        sealed(leader, &app(id)),
        sealed(leader, &driver(id)),
        sealed(leader, &request(id, "driver-1")),
        sealed(leader, &done_app(id)),
        sealed(leader, &done_driver(id)),
    ]
}

/// Damage at every byte of every kind of record, in the store: the damaged one is put aside as it was found, and every
/// other record is served. Never another record.
pub async fn damage_never_gives_another_record<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let longest = one_of_each(&leader.tenure, "n-0000").iter().map(|(_, value)| value.len()).max().unwrap();
    let mut damaged: Vec<(Key, Bytes)> = Vec::new();
    for at in 0..longest {
        for (key, value) in one_of_each(&leader.tenure, &format!("n-{at:04}")) {
            let mut bytes = value.to_vec();
            // The checksum is a number, so that one value may be some digits shorter than another.
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (at % 8);
                damaged.push((key, Bytes::from(bytes)));
            }
        }
    }
    let sound = one_of_each(&leader.tenure, "sound");
    let all: Vec<&(Key, Bytes)> = damaged.iter().chain(&sound).collect();
    for chunk in all.chunks(MAX_OPERATIONS) {
        let puts = chunk.iter().map(|(key, value)| Operation::put(key.clone(), Expect::Absent, value.clone()));
        leader.commit(puts.collect()).await.unwrap();
    }
    let leader = next(harness, leader).await;
    let (mut journal, recovered) = open(&leader).await;
    journal.commit(&[]).await.unwrap();
    assert_eq!(recovered.quarantined.len(), damaged.len(), "one bit is never without meaning");
    let served = Recovered {
        workers: vec![worker("sound")],
        apps: vec![app("sound")],
        drivers: vec![driver("sound")],
        requests: vec![request("sound", "driver-1")],
        done_apps: vec![done_app("sound")],
        done_drivers: vec![done_driver("sound")],
        quarantined: recovered.quarantined.clone(),
    };
    assert_eq!(recovered, served);
    let kept: BTreeMap<String, Bytes> = leader
        .list("quarantine/", leader.now().await)
        .await
        .into_iter()
        .map(|item| (item.key.to_string(), item.value))
        .collect();
    let expected = damaged.into_iter().map(|(key, value)| (format!("quarantine/{key}"), value)).collect();
    assert_eq!(kept, expected);
}

pub(crate) fn worker(id: &str) -> WorkerRecord {
    WorkerRecord {
        id: WorkerId::new(id).unwrap(),
        incarnation: Incarnation(u64::MAX),
        host: "host-1".to_owned(),
        port: 7078,
        kind: WorkerKind::Own,
        ui_url: "http://host-1:8081".to_owned(),
        cores: Cores(8),
        memory: Memory::mib(16_384),
        resources: Addresses::new([("gpu".to_owned(), vec!["0".to_owned(), "1".to_owned()])]),
        decommissioned: false,
        registered_at: Wall(1_795_183_200_999),
    }
}

fn command() -> Command {
    Command {
        program: Program::Java(JavaProgram {
            main_class: "org.example.Main".to_owned(),
            class_path: vec!["a.jar".to_owned()],
            library_path: vec!["/lib".to_owned()],
            java_options: vec!["-Xmx1g".to_owned()],
            spark_family: None,
        }),
        arguments: vec!["--name".to_owned(), "é \" \\ \u{0}\u{1f600}".to_owned()],
        environment: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
    }
}

fn profile(id: u32) -> ResourceProfile {
    ResourceProfile {
        id: ProfileId(id),
        memory: (id > 0).then(|| Memory::mib(512)),
        overhead: None,
        cores: (id > 0).then_some(Cores(2)),
        resources: Amounts::new([("gpu".to_owned(), id)]),
    }
}

fn app_description() -> ApplicationDescription {
    ApplicationDescription {
        name: "shell".to_owned(),
        user: "ada".to_owned(),
        max_cores: Some(Cores(4)),
        command: command(),
        ui_url: "http://driver:4040".to_owned(),
        default_profile: profile(0),
        initial_executor_limit: Some(3),
        event_log_dir: Some("/logs".to_owned()),
        event_log_codec: None,
    }
}

pub(crate) fn app(id: &str) -> AppRecord {
    AppRecord {
        id: AppId::new(id).unwrap(),
        token: AppToken::new("secret").unwrap(),
        description: Arc::new(app_description()),
        profiles: vec![profile(1), profile(2)],
        targets: BTreeMap::from([(ProfileId(0), 3), (ProfileId(10), 7)]),
        endpoint: "driver:9999".to_owned().into(),
        registered_at: Wall(5),
        executor_ids_below: ExecutorId(64),
        executors: None,
    }
}

fn description() -> DriverDescription {
    DriverDescription {
        artifact: Some("http://files/app.jar".to_owned()),
        memory: Memory::mib(1024),
        cores: Cores(1),
        supervise: true,
        command: Command { program: Program::Executable("/bin/true".to_owned()), ..command() },
        resources: Amounts::new([("fpga".to_owned(), 1)]),
        on_isolation: OnIsolation::Kill,
    }
}

pub(crate) fn driver(id: &str) -> DriverRecord {
    DriverRecord {
        id: DriverId::new(id).unwrap(),
        description: Arc::new(description()),
        submitted_at: Wall(7),
        request: Some(RequestId::new("r-1").unwrap()),
        attempt: Attempt(2),
        placement: Some(PlacementRecord {
            worker: WorkerId::new("worker-1").unwrap(),
            booking: Booking {
                cores: Cores(1),
                memory: Memory::mib(1024),
                resources: Addresses::new([("fpga".to_owned(), vec!["f0".to_owned()])]),
            },
            epoch: Epoch(3),
            started: true,
        }),
        kill_requested: true,
    }
}

pub(crate) fn request(id: &str, driver: &str) -> RequestRecord {
    RequestRecord { id: RequestId::new(id).unwrap(), driver: DriverId::new(driver).unwrap(), at: Wall(9) }
}

fn done_app(id: &str) -> DoneApp {
    DoneApp {
        id: AppId::new(id).unwrap(),
        description: Arc::new(app_description()),
        registered_at: Wall(5),
        ended_at: Wall(6),
        state: ApplicationState::Failed,
        message: Some("out of cores".to_owned()),
    }
}

fn done_driver(id: &str) -> DoneDriver {
    DoneDriver {
        id: DriverId::new(id).unwrap(),
        description: Arc::new(description()),
        submitted_at: Wall(7),
        ended_at: Wall(8),
        attempt: Attempt(2),
        worker: Some(WorkerId::new("worker-1").unwrap()),
        worker_address: Some("host-1:7078".to_owned()),
        outcome: DriverOutcome { state: DriverState::Error, exit_code: Some(-9), message: Some("killed".to_owned()) },
    }
}
