use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use tanist_core::record::Change;

use crate::conformance::journal::request;
use crate::conformance::{Harness, candidate, eventually, lead, refusal, win};
use crate::election::{Ending, HISTORY_KEPT, Loss, Standing};
use crate::engine::{Action, Expect, Operation, Versioned};
use crate::journal::Journal;
use crate::key::Name;

use super::*;

/// A directory, and masters of this very process on it: two of them must exclude one another as two processes do.
struct OneHost {
    directory: TempDir,
}

impl OneHost {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn store_file(&self) -> std::path::PathBuf {
        self.directory.path().join("store.redb")
    }
}

#[async_trait]
impl Harness for OneHost {
    type Backend = EmbeddedStore;

    async fn master(&self) -> Arc<EmbeddedStore> {
        Arc::new(EmbeddedStore::open(self.directory.path()).await.unwrap())
    }

    async fn crash(&self, master: Arc<EmbeddedStore>) {
        drop(Arc::into_inner(master).expect("nobody else uses a master that crashes"));
    }

    fn takeover(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn is_alone(&self) -> bool {
        true
    }

    fn takes_turns(&self) -> bool {
        false
    }
}

mod conformance {
    use super::OneHost;

    crate::conformance_suite!(OneHost::new());
}

/// Name of the variable that makes [`a_killed_process_loses_the_lock_and_nothing_else`] play the leader.
const ROLE: &str = "TANIST_TEST_STORE_TO_LEAD";

/// A real process holds the store and is killed without warning while it writes. Whoever waits takes over at once and
/// finds everything that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_the_lock_and_nothing_else() {
    const ACKNOWLEDGED: usize = 30;
    const DEADLINE: Duration = Duration::from_secs(10);
    if let Some(directory) = std::env::var_os(ROLE) {
        return lead_until_killed(Path::new(&directory)).await;
    }
    let host = OneHost::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::tests::a_killed_process_loses_the_lock_and_nothing_else", "--nocapture"])
        .env(ROLE, host.directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged: Vec<String> = Vec::new();
    let mut next = || loop {
        let line = lines.next().expect("the child goes on until it is killed").unwrap();
        if let Some((_, id)) = line.split_once("acknowledged ") {
            return id.to_owned();
        }
    };
    acknowledged.push(next());
    // The child leads now; from here on somebody waits for it to end.
    let standby = host.master().await;
    let campaign = tokio::spawn({
        let standby = Arc::clone(&standby);
        async move { standby.campaign(&candidate("heir")).await }
    });
    while acknowledged.len() < ACKNOWLEDGED {
        acknowledged.push(next());
    }
    assert!(!campaign.is_finished(), "nobody wins while the child lives");
    child.kill().unwrap();
    let killed = Instant::now();
    let tenure = tokio::time::timeout(DEADLINE, campaign).await.expect("the office changes hands").unwrap().unwrap();
    let took = killed.elapsed();
    child.wait().unwrap();
    acknowledged
        .extend(lines.map_while(Result::ok).filter_map(|line| Some(line.split_once("acknowledged ")?.1.to_owned())));

    assert_eq!(tenure.predecessor.as_ref().unwrap().ending, Ending::Gone);
    let (_, recovered) = Journal::open(standby, &tenure).await.unwrap();
    let found: Vec<&str> = recovered.requests.iter().map(|request| request.id.as_str()).collect();
    for id in &acknowledged {
        assert!(found.contains(&id.as_str()), "{id} was acknowledged and is gone");
    }
    println!("{} writes acknowledged, office taken over {took:?} after the kill", acknowledged.len());
}

async fn lead_until_killed(directory: &Path) {
    let store = Arc::new(EmbeddedStore::open(directory).await.unwrap());
    let tenure = store.campaign(&candidate("victim")).await.unwrap();
    let (mut journal, _) = Journal::open(store, &tenure).await.unwrap();
    for n in 0u64.. {
        let record = request(&format!("r-{n:06}"), "driver-1");
        journal.commit(&[vec![Change::PutRequest(record.clone())]]).await.unwrap();
        println!("acknowledged {}", record.id);
    }
}

/// The name of the file is what others find. A leader whose file lost its name has lost the office.
#[tokio::test]
async fn a_leader_whose_file_is_removed_has_lost() {
    let host = OneHost::new();
    let leader = lead(&host, "m1").await;
    leader.create("state/apps/a", b"1").await;
    std::fs::remove_file(host.store_file()).unwrap();
    let put = Operation::put(Key::raw("state/apps/b"), Expect::Absent, &b"1"[..]);
    assert!(refusal(leader.commit(vec![put]).await).leadership_lost);
    assert!(refusal(leader.commit(Vec::new()).await).leadership_lost);
    assert_eq!(*leader.tenure.standing.borrow(), Standing::Lost(Loss::Replaced));
    // It would be a new, empty cluster: not without an operator.
    let again = leader.store.campaign(&candidate("m1")).await.unwrap_err();
    assert!(matches!(again, ElectionError::StoreMissing { .. }), "{again}");
    assert!(!host.store_file().exists(), "and none is made");
}

/// The same without a commit: the observer sees it.
#[tokio::test]
async fn a_leader_notices_that_its_file_was_replaced() {
    let host = OneHost::new();
    let leader = lead(&host, "m1").await;
    let mut standing = leader.tenure.standing.clone();
    let copy = host.directory.path().join("copy");
    std::fs::copy(host.store_file(), &copy).unwrap();
    std::fs::rename(&copy, host.store_file()).unwrap();
    let lost = standing.wait_for(|standing| matches!(standing, Standing::Lost(Loss::Replaced)));
    tokio::time::timeout(host.takeover(), lost).await.expect("noticed").unwrap();
}

/// Another cluster's store in the place of ours is not led.
#[tokio::test]
async fn a_store_of_another_cluster_is_refused() {
    let (ours, other) = (OneHost::new(), OneHost::new());
    let leader = lead(&ours, "m1").await;
    let foreign = lead(&other, "m1").await;
    let expected = leader.tenure.record.cluster.clone();
    let found = foreign.tenure.record.cluster.clone();
    foreign.store.resign(&foreign.tenure, &Resignation::open("test")).await.unwrap();
    leader.store.resign(&leader.tenure, &Resignation::open("test")).await.unwrap();
    std::fs::rename(other.store_file(), ours.store_file()).unwrap();
    let refused = leader.store.campaign(&candidate("m1")).await.unwrap_err();
    let ElectionError::ForeignCluster { expected: e, found: f, .. } = refused else { panic!("{refused}") };
    assert_eq!((e, f), (expected, Some(found)));
}

/// A file that is no store is reported, and left as it is.
#[tokio::test]
async fn what_is_no_store_is_not_touched() {
    let host = OneHost::new();
    std::fs::write(host.store_file(), vec![b'x'; 10_000]).unwrap();
    let store = host.master().await;
    let refused = store.campaign(&candidate("m1")).await.unwrap_err();
    assert!(matches!(refused, ElectionError::Store(StoreError::Damaged { .. })), "{refused}");
    assert!(!refused.retryable());
    assert_eq!(std::fs::read(host.store_file()).unwrap(), vec![b'x'; 10_000]);
}

/// A record without which no safe epoch can be given stops the take-over instead of being guessed.
#[tokio::test]
async fn an_unreadable_epoch_is_not_guessed() {
    let host = OneHost::new();
    let leader = lead(&host, "m1").await;
    let at = leader.get("ha/epoch").await.unwrap().mod_revision;
    let put = Operation::put(Name::Epoch, Expect::ModRevision(at), &b"7"[..]);
    leader.commit(vec![put]).await.unwrap();
    host.crash(leader.store).await;
    let refused = host.master().await.campaign(&candidate("m2")).await.unwrap_err();
    assert!(matches!(refused, ElectionError::Store(StoreError::Record { .. })), "{refused}");
}

/// After an error of the disk the file is opened anew; the term goes on if nobody took the office meanwhile.
#[tokio::test]
async fn a_failing_disk_costs_the_office_only_if_somebody_takes_it() {
    let host = OneHost::new();
    let first = lead(&host, "m1").await;
    first.create("state/apps/a", b"1").await;
    first.store.held().unwrap().distrust();
    first.create("state/apps/b", b"1").await;
    assert!(first.tenure.standing.borrow().may_act(clock::mono()));

    let at = first.now().await;
    first.store.held().unwrap().distrust();
    let second = lead(&host, "m2").await;
    assert!(refusal(first.commit(Vec::new()).await).leadership_lost);
    assert_eq!(*first.tenure.standing.borrow(), Standing::Lost(Loss::Expired));
    assert_eq!(second.list("state/apps/", second.tenure.revision).await.len(), 2);
    assert!(second.tenure.revision > at);
    // And the one that lost can win again.
    second.store.resign(&second.tenure, &Resignation::open("test")).await.unwrap();
    let again = win(&host, &first.store, &candidate("m1")).await;
    assert!(again.record.epoch > second.tenure.record.epoch);
}

/// Somebody took the office while the file was closed, and left it again: the term is over all the same.
#[tokio::test]
async fn an_office_taken_and_left_meanwhile_is_lost() {
    let host = OneHost::new();
    let first = lead(&host, "m1").await;
    first.store.held().unwrap().distrust();
    let second = lead(&host, "m2").await;
    second.store.resign(&second.tenure, &Resignation::open("test")).await.unwrap();
    assert!(refusal(first.commit(Vec::new()).await).leadership_lost);
    assert_eq!(*first.tenure.standing.borrow(), Standing::Lost(Loss::Expired));
}

/// A change that reached a file which has lost its name meanwhile is not acknowledged.
#[test]
fn what_was_written_where_nobody_looks_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let file = new_file(&path);
    let written = file.write::<(), ()>(|writing| {
        writing.advance();
        writing.put(&Key::raw("state/apps/a"), b"1")?;
        std::fs::remove_file(&path).unwrap();
        Ok(())
    });
    assert!(matches!(written, Err(file::WriteError::Replaced)), "{written:?}");
}

/// What a killed process leaves behind is not a member.
#[tokio::test]
async fn traces_of_killed_members_are_not_listed() {
    let host = OneHost::new();
    let (one, two) = (host.master().await, host.master().await);
    let leader = lead(&host, "m1").await.tenure.record;
    let (ui, role) = (leader.ui.clone(), "ALIVE".to_owned());
    let member =
        MemberRecord { master: leader.master, rpc: leader.rpc, ui, version: leader.version, role, started_at: 1 };
    one.announce(&member).await.unwrap();
    let members = host.directory.path().join("members");
    std::fs::copy(members.join("m1.json"), members.join("m9.json")).unwrap();
    std::fs::write(members.join("m0.json"), b"").unwrap();
    assert_eq!(two.members().await.unwrap(), [member]);
}

/// Who cannot read the store does not get its content from somewhere else.
#[tokio::test]
async fn a_standby_reads_nothing() {
    let host = OneHost::new();
    let leader = lead(&host, "m1").await;
    let standby = host.master().await;
    let read = standby.read_key(&Name::Leader.into(), Revision(0)).await;
    assert!(matches!(read, Err(StoreError::NotHeld)));
    let refused = standby.commit(&leader.tenure.guard, &Transaction::guard_alone()).await;
    assert!(refusal(refused).leadership_lost, "not even with the guard of the leader");
    let by = leader.tenure.record.master.clone();
    let deposed = standby.depose(&by, &leader.tenure.term(), "none").await;
    assert!(matches!(deposed, Err(ElectionError::Unsupported { .. })));
}

/// The advice about the leader goes with the office, and advice that lies is not believed.
#[tokio::test]
async fn advice_about_the_leader_is_only_advice() {
    let host = OneHost::new();
    let leader = lead(&host, "m1").await;
    let advice = host.directory.path().join("leader.json");
    assert!(advice.exists());
    leader.store.resign(&leader.tenure, &Resignation::open("test")).await.unwrap();
    assert!(!advice.exists());
    std::fs::write(&advice, b"{ not an envelope").unwrap();
    let standby = host.master().await;
    assert_eq!(*standby.leader().borrow(), None);
    let next = lead(&host, "m2").await;
    let expected = Some(next.tenure.record.clone());
    eventually("the standby is told again", host.takeover(), || async {
        (*standby.leader().borrow() == expected).then_some(())
    })
    .await;
}

/// Records can hold secrets.
#[tokio::test]
async fn the_store_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let host = OneHost::new();
    let _leader = lead(&host, "m1").await;
    let mode = std::fs::metadata(host.store_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn new_file(path: &Path) -> StoreFile {
    StoreFile::create_if_missing(path).unwrap();
    StoreFile::try_open(path).unwrap().expect("nobody else has it")
}

/// Many at once make one store, and leave nothing else behind.
#[test]
fn a_store_is_made_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| StoreFile::create_if_missing(&path).unwrap());
        }
    });
    let file = StoreFile::try_open(&path).unwrap().unwrap();
    assert!(StoreFile::try_open(&path).unwrap().is_none(), "it is locked, in the same process too");
    drop(file);
    assert!(StoreFile::try_open(&path).unwrap().is_some(), "and free again");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// One step of a random history: keys by number, an expectation, what to do.
#[derive(Debug, Clone)]
struct Step {
    key: u8,
    expect: Believed,
    value: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
enum Believed {
    Truth,
    Absent,
    At(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let believed = prop_oneof![
        6 => Just(Believed::Truth),
        1 => Just(Believed::Absent),
        1 => (0u64..30).prop_map(Believed::At),
    ];
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..20));
    (0u8..6, believed, value).prop_map(|(key, expect, value)| Step { key, expect, value })
}

fn operations(steps: &[Step], model: &BTreeMap<Key, Versioned>) -> Vec<Operation> {
    let mut operations: BTreeMap<Key, Operation> = BTreeMap::new();
    for step in steps {
        let key = Key::raw(&format!("state/apps/{}", step.key));
        let truth = model.get(&key).map_or(Expect::Absent, |found| Expect::ModRevision(found.mod_revision));
        let expect = match step.expect {
            Believed::Truth => truth,
            Believed::Absent => Expect::Absent,
            Believed::At(revision) => Expect::ModRevision(Revision(revision)),
        };
        let action = match (&step.value, expect) {
            (Some(value), _) => Action::Put(Bytes::from(value.clone())),
            (None, Expect::ModRevision(_)) => Action::Delete,
            (None, Expect::Absent) => Action::Compare,
        };
        operations.insert(key.clone(), Operation { key, expect, action });
    }
    operations.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The file and a model of plain data give the same answers to the same random history, and hold the same, also
    /// after the file was closed and opened again.
    #[test]
    fn the_file_agrees_with_a_model(history in proptest::collection::vec(proptest::collection::vec(step(), 0..5), 1..25)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.redb");
        let open = || new_file(&path);
        let file = open();
        let begun = term::begin(&file, &candidate("m1"), None, clock::wall()).unwrap();
        let mut revision = begun.revision;
        let mut model: BTreeMap<Key, Versioned> = BTreeMap::new();
        for steps in &history {
            let operations = operations(steps, &model);
            let transaction = Transaction::new(operations.clone()).unwrap();
            let holds = operations.iter().all(|operation| operation.expect.holds(model.get(&operation.key)));
            let result = term::commit(&file, &begun.guard, &transaction);
            prop_assert_eq!(result.is_ok(), holds);
            let Ok(committed) = result else { continue };
            if !transaction.is_read_only() {
                revision = revision.next();
            }
            prop_assert_eq!(committed.revision, revision);
            for Operation { key, action, .. } in operations {
                match action {
                    Action::Put(value) => {
                        let create_revision = model.get(&key).map_or(revision, |found| found.create_revision);
                        model.insert(key.clone(), Versioned { key, value, create_revision, mod_revision: revision });
                    }
                    Action::Delete => drop(model.remove(&key)),
                    Action::Compare => {}
                }
            }
        }
        drop(file);
        let prefix = "state/".parse().unwrap();
        let page = open().read_page(&prefix, None, revision, NonZeroUsize::MAX).unwrap();
        prop_assert_eq!(page.items, model.into_values().collect::<Vec<_>>());
    }
}

/// The history is capped, and the newest terms are kept.
#[test]
fn old_terms_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let file = new_file(&directory.path().join("store.redb"));
    let mut last = None;
    for _ in 0..HISTORY_KEPT + 3 {
        last = Some(term::begin(&file, &candidate("m1"), None, clock::wall()).unwrap());
    }
    let last = last.unwrap();
    let page = file.read_page(&Family::History.into(), None, last.revision, NonZeroUsize::MAX).unwrap();
    assert_eq!(page.items.len(), HISTORY_KEPT);
    assert_eq!(page.items.last().unwrap().key, Name::History(last.record.epoch).into());
}
