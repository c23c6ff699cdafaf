//! Reads and transactions on a real etcd, where the conformance suite does not reach: its limits and its refusals.

use std::time::Duration;

use tanist_testkit::{Etcd, Mode, Modes, Proxy, free_port, wait_for};
use tokio::time::Instant;

use super::*;
use crate::etcd::EtcdOptions;

/// The prefix of the cluster `test`.
const PREFIX: &str = "/tanist/test/v1/";

const BEAR: Duration = Duration::from_secs(10);

/// An etcd with a leader in office.
struct World {
    etcd: Etcd,
    engine: Engine,
    guard: Guard,
}

impl World {
    fn with_flags(flags: &[&str]) -> Self {
        let etcd = Etcd::with_flags(1, flags).unwrap();
        let leader = format!("{PREFIX}ha/leader");
        etcd.admin().put(&leader, b"me").unwrap();
        let found = etcd.admin().get(&leader).unwrap().unwrap();
        let guard = Guard { create_revision: Revision(found.create_revision.unsigned_abs()), value: "me".into() };
        let engine = engine(etcd.endpoints());
        Self { etcd, engine, guard }
    }

    fn new() -> Self {
        Self::with_flags(&[])
    }

    async fn commit(&self, operations: Vec<Operation>) -> Result<Revision, CommitError> {
        let committed = self.engine.commit(&self.guard, &Transaction::new(operations).unwrap()).await;
        committed.map(|committed| committed.revision)
    }

    async fn page(&self, after: Option<&str>, at: Revision, limit: usize) -> Result<Page, StoreError> {
        let (prefix, after) = ("state/apps/".parse().unwrap(), after.map(Key::raw));
        self.engine.read_page(&prefix, after.as_ref(), at, NonZeroUsize::new(limit).unwrap()).await
    }
}

fn engine(endpoints: Vec<String>) -> Engine {
    Engine::new(Arc::new(Pool::new(&EtcdOptions::new(endpoints, "test")).unwrap()))
}

fn create(key: &str, bytes: usize) -> Operation {
    Operation::put(Key::raw(key), Expect::Absent, vec![b'x'; bytes])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_that_are_gone_or_not_there_yet_are_told_apart() {
    let world = World::new();
    let old = world.commit(vec![create("state/apps/a", 1)]).await.unwrap();
    let new = world.commit(vec![create("state/apps/b", 1)]).await.unwrap();
    world.etcd.admin().compact(i64::try_from(new.0).unwrap()).unwrap();
    match world.page(None, old, 10).await {
        Err(StoreError::Compacted { at, oldest }) => assert!(at == old && oldest >= new, "{oldest}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.page(None, new, 10).await.unwrap().items.len(), 2, "the compacted revision itself is held");
    let ahead = Revision(new.0 + 100);
    match world.page(None, ahead, 10).await {
        Err(StoreError::FutureRevision { at, current }) => assert!(at == ahead && current == new),
        other => panic!("{other:?}"),
    }
    let key = Key::raw("state/apps/a");
    let found = world.engine.read_key(&key, ahead).await;
    assert!(matches!(found, Err(StoreError::FutureRevision { at, current }) if at == ahead && current == new));
    assert_eq!(world.engine.read_key(&key, new).await.unwrap().revision, new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_too_large_in_either_way_that_etcd_says_so() {
    let world = World::with_flags(&["--max-request-bytes=100000"]);
    world.commit(vec![create("state/apps/small", 50_000)]).await.unwrap();
    // The first is refused by etcd, the second by the gRPC in front of it, which allows 512 KiB more.
    for bytes in [200_000, 1_000_000] {
        match world.commit(vec![create("state/apps/large", bytes)]).await {
            Err(CommitError::TooLarge { bytes: said, source }) => assert!(said > bytes, "{said}: {source}"),
            other => panic!("{other:?}"),
        }
    }
    world.commit(vec![create("state/apps/large", 1)]).await.expect("nothing was applied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_database_refuses_writes_and_nothing_else() {
    let world = World::with_flags(&["--quota-backend-bytes=1000000"]);
    // etcd looks at its file, which grows a moment later.
    let deadline = Instant::now() + BEAR;
    let full = loop {
        let key = format!("state/apps/{}", deadline.saturating_duration_since(Instant::now()).as_micros());
        let result = world.commit(vec![create(&key, 500_000)]).await;
        if result.is_err() || Instant::now() > deadline {
            break result;
        }
    };
    match full {
        Err(CommitError::NoSpace { source }) => {
            let text = source.to_string();
            assert!(text.contains("has reached its quota") && text.contains(&world.etcd.endpoints()[0]), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let now = world.commit(Vec::new()).await.expect("the guard alone writes nothing");
    assert!(!world.page(None, now, 10).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_keep_their_size_whatever_the_values_have() {
    let world = World::new();
    // More than one message may have, in one page if nobody looked after its size.
    for n in 0..30 {
        world.commit(vec![create(&format!("state/apps/{n:02}"), 700_000)]).await.unwrap();
    }
    let at = world.commit(vec![create("state/apps2/x", 1)]).await.unwrap();
    let (mut items, mut pages): (Vec<Versioned>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        let after = items.last().map(|last| last.key.as_str().to_owned());
        let page = world.page(after.as_deref(), at, usize::MAX).await.unwrap();
        pages.push(page.items.iter().map(|item| item.value.len()).sum());
        items.extend(page.items);
        if !page.more {
            break;
        }
    }
    assert!(items.is_sorted_by_key(|item| item.key.clone()));
    assert_eq!(items.len(), 30);
    assert!(
        pages.iter().all(|bytes| *bytes <= 8 << 20) && pages[2..].iter().all(|bytes| *bytes <= 4 << 20),
        "{pages:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_no_text_are_passed_over() {
    let world = World::new();
    let mut client = world.engine.pool.client(super::super::pool::Lane::Requests).await.unwrap().client;
    for odd in [&[0xff_u8, 0][..], &[0xff, 1], &[0xff, 2]] {
        client.put([PREFIX.as_bytes(), b"state/apps/m", odd].concat(), "x", None).await.unwrap();
    }
    world.commit(vec![create("state/apps/a", 1)]).await.unwrap();
    let at = world.commit(vec![create("state/apps/z", 1)]).await.unwrap();
    let first = world.page(None, at, 1).await.unwrap();
    assert!(first.more && first.items[0].key.as_str() == "state/apps/a");
    let second = world.page(Some("state/apps/a"), at, 1).await.unwrap();
    assert!(!second.more && second.items[0].key.as_str() == "state/apps/z", "{second:?}");
    assert_eq!(world.page(None, at, 100).await.unwrap().items.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_etcd_takes_for_absent_is_not_taken_for_a_revision() {
    let world = World::new();
    let key = || Key::raw("state/apps/a");
    let zero = Expect::ModRevision(Revision(0));
    for operation in [Operation::put(key(), zero, "x"), Operation::compare(key(), zero)] {
        let refused = world.commit(vec![operation]).await;
        let Err(CommitError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        let expected = Conflict { key: key(), expected: zero, found: None };
        assert_eq!(refusal, Refusal { leadership_lost: false, conflicts: vec![expected] });
    }
    let nobody = Guard { create_revision: Revision(0), value: "".into() };
    world.etcd.admin().delete(&format!("{PREFIX}ha/leader")).unwrap();
    for guard in [&world.guard, &nobody] {
        match world.engine.commit(guard, &Transaction::guard_alone()).await {
            Err(CommitError::Refused(refusal)) => assert!(refusal.leadership_lost),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_leaves_the_outcome_unknown_and_sending_again_is_refused() {
    let world = World::new();
    let direct = world.etcd.endpoints().remove(0);
    let proxy = tokio::task::block_in_place(|| Proxy::start(direct.strip_prefix("http://").unwrap())).unwrap();
    // The second way is open all the time, and must not be taken before somebody has looked what came of the first.
    let engine = engine(vec![format!("http://{}", proxy.address), direct]);
    let transaction = Transaction::new(vec![create("state/apps/a", 3)]).unwrap();
    engine.commit(&world.guard, &Transaction::guard_alone()).await.unwrap();

    proxy.set(Modes { inwards: Mode::Pass, outwards: Mode::Hold });
    let admin = world.etcd.admin();
    let applied = || wait_for("it is applied", BEAR, || admin.get(&format!("{PREFIX}state/apps/a")).unwrap());
    let (lost, applied) = tokio::join!(engine.commit(&world.guard, &transaction), async {
        let found = tokio::task::block_in_place(applied);
        proxy.set(Mode::Cut);
        found
    });
    assert!(matches!(lost, Err(CommitError::Unknown { .. })), "{lost:?}");

    let again = engine.commit(&world.guard, &transaction).await;
    let Err(CommitError::Refused(refusal)) = again else { panic!("{again:?}") };
    assert!(!refusal.leadership_lost);
    let there = refusal.conflicts[0].found.as_ref().unwrap();
    assert_eq!((there.mod_revision.0, &there.value[..]), (applied.mod_revision.unsigned_abs(), &b"xxx"[..]));
}

#[tokio::test]
async fn what_could_not_be_sent_is_told_apart() {
    let engine = engine(vec![format!("http://127.0.0.1:{}", free_port().unwrap())]);
    let guard = Guard { create_revision: Revision(1), value: "me".into() };
    let unsent = engine.commit(&guard, &Transaction::guard_alone()).await;
    assert!(matches!(unsent, Err(CommitError::NotSent { .. })), "{unsent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_records_come_back_with_a_refusal() {
    let world = World::new();
    let key = |n: usize| format!("state/apps/{n:03}");
    // More than a message may usually have, together.
    for n in 0..8 {
        world.commit(vec![create(&key(n), 1_000_000)]).await.unwrap();
    }
    let refused = world.commit((0..8).map(|n| create(&key(n), 1)).collect()).await;
    let Err(CommitError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.conflicts.len(), 8);
    assert!(refusal.conflicts.iter().all(|conflict| conflict.found.as_ref().unwrap().value.len() == 1_000_000));
}
