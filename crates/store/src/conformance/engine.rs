//! Revisions, compares, pages.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use bytes::Bytes;

use tanist_core::rng::Rng;

use crate::engine::{Action, Expect, MAX_BYTES, MAX_OPERATIONS, Operation, PersistenceEngine, Revision, Versioned};
use crate::error::StoreError;
use crate::key::{Key, KeyPrefix};

use super::{Harness, Leader, lead, list_by, refusal};

/// The create revision stays while a key lives; the mod revision is that of its last write.
pub async fn revisions_tell_creation_from_change<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let created = leader.create("state/apps/a", b"1").await;
    assert!(created > leader.tenure.revision);
    let put = Operation::put(Key::raw("state/apps/a"), Expect::ModRevision(created), &b"2"[..]);
    let changed = leader.commit(vec![put]).await.unwrap().revision;
    assert!(changed > created);
    let found = leader.get("state/apps/a").await.unwrap();
    assert_eq!((found.create_revision, found.mod_revision, &found.value[..]), (created, changed, &b"2"[..]));

    let removed = leader.commit(vec![Operation::delete(Key::raw("state/apps/a"), changed)]).await.unwrap().revision;
    assert!(removed > changed);
    assert_eq!(leader.get("state/apps/a").await, None);
    let again = leader.create("state/apps/a", b"3").await;
    assert!(again > removed);
    let found = leader.get("state/apps/a").await.unwrap();
    assert_eq!((found.create_revision, found.mod_revision), (again, again), "a key made anew starts anew");

    let pair = ["b", "c"].map(|key| Operation::put(Key::raw(key), Expect::Absent, &b"x"[..]));
    let both = leader.commit(pair.to_vec()).await.unwrap().revision;
    for key in ["b", "c"] {
        assert_eq!(leader.get(key).await.unwrap().mod_revision, both, "one transaction, one revision");
    }
}

/// One wrong belief, and nothing of the transaction is applied.
pub async fn a_wrong_expectation_refuses_everything<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let kept = leader.create("state/apps/kept", b"1").await;
    let other = leader.create("state/apps/other", b"1").await;
    let before = leader.list("state/", leader.now().await).await;
    let wrong = [
        Operation::put(Key::raw("state/apps/kept"), Expect::Absent, &b"2"[..]),
        Operation::put(Key::raw("state/apps/kept"), Expect::ModRevision(other), &b"2"[..]),
        Operation::put(Key::raw("state/apps/none"), Expect::ModRevision(kept), &b"2"[..]),
        Operation::delete(Key::raw("state/apps/none"), kept),
        Operation::delete(Key::raw("state/apps/kept"), other),
        Operation::compare(Key::raw("state/apps/kept"), Expect::Absent),
        Operation::compare(Key::raw("state/apps/none"), Expect::ModRevision(kept)),
    ];
    for wrong in wrong {
        let operations = vec![
            Operation::put(Key::raw("state/apps/new"), Expect::Absent, &b"2"[..]),
            wrong,
            Operation::delete(Key::raw("state/apps/other"), other),
        ];
        let at = leader.now().await;
        let refusal = refusal(leader.commit(operations.clone()).await);
        assert!(!refusal.leadership_lost, "{operations:?}");
        assert_eq!(refusal.conflicts.len(), 1, "{operations:?}");
        leader.assert_unchanged_since(harness, at).await;
        assert_eq!(leader.list("state/", at).await, before, "{operations:?}");
    }
    let compared = vec![
        Operation::compare(Key::raw("state/apps/kept"), Expect::ModRevision(kept)),
        Operation::compare(Key::raw("state/apps/none"), Expect::Absent),
        Operation::delete(Key::raw("state/apps/other"), other),
    ];
    leader.commit(compared).await.unwrap();
    assert_eq!(leader.get("state/apps/other").await, None);
}

/// A refusal says, for every belief that was wrong, what is true instead.
pub async fn a_refusal_names_each_conflict<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let at = leader.create("state/apps/a", b"found").await;
    let operations = vec![
        Operation::put(Key::raw("state/apps/a"), Expect::Absent, &b"x"[..]),
        Operation::put(Key::raw("state/apps/fine"), Expect::Absent, &b"x"[..]),
        Operation::delete(Key::raw("state/apps/gone"), at),
    ];
    let refusal = refusal(leader.commit(operations).await);
    assert!(!refusal.leadership_lost);
    let found: Vec<_> = refusal.conflicts.iter().map(|c| (c.key.as_str(), c.expected, c.found.clone())).collect();
    let there = Versioned {
        key: Key::raw("state/apps/a"),
        value: Bytes::from_static(b"found"),
        create_revision: at,
        mod_revision: at,
    };
    assert_eq!(
        found,
        [("state/apps/a", Expect::Absent, Some(there)), ("state/apps/gone", Expect::ModRevision(at), None),]
    );
}

/// Pages of any size, put together, are the same list in key order, and a page can begin behind a key that is gone.
pub async fn pages_are_in_order_whatever_their_size<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let keys: Vec<String> = (0..23).map(|n| format!("state/apps/app-{:02}", n * 7 % 23)).collect();
    let puts = keys.iter().map(|key| Operation::put(Key::raw(key), Expect::Absent, key.clone().into_bytes()));
    let at = leader.commit(puts.collect()).await.unwrap().revision;
    let mut expected: Vec<&str> = keys.iter().map(String::as_str).collect();
    expected.sort_unstable();
    for page in [1, 2, 3, 22, 23, 24, 1000] {
        let found = list_by(&*leader.store, "state/apps/", at, page).await;
        assert_eq!(found.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), expected, "pages of {page}");
        assert!(found.iter().all(|item| item.value == item.key.as_str()), "values stay with their keys");
    }
    let prefix: KeyPrefix = "state/apps/".parse().unwrap();
    let whole = leader.store.read_page(&prefix, None, at, NonZeroUsize::new(keys.len()).unwrap()).await.unwrap();
    assert!(whole.items.len() < keys.len() || !whole.more, "a page with the last key promises no more");
    let between = Key::raw("state/apps/app-20x");
    let page = leader.store.read_page(&prefix, Some(&between), at, NonZeroUsize::MAX).await.unwrap();
    assert_eq!(page.items.len(), 2, "a page may begin behind a key that does not exist");
    let last = Key::raw(expected[22]);
    let page = leader.store.read_page(&prefix, Some(&last), at, NonZeroUsize::MIN).await.unwrap();
    assert!(page.items.is_empty() && !page.more, "nothing comes after the last one");
}

/// `state/apps/` takes in neither `state/apps2/…` nor `state/apps`.
pub async fn a_prefix_ends_at_its_slash<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    for key in
        ["state/apps", "state/apps/a", "state/apps/b/c", "state/apps0", "state/apps2/a", "state/app/a", "state.x"]
    {
        leader.create(key, b"x").await;
    }
    let at = leader.now().await;
    let keys = async |prefix| -> Vec<String> {
        leader.list(prefix, at).await.iter().map(|item| item.key.to_string()).collect()
    };
    assert_eq!(keys("state/apps/").await, ["state/apps/a", "state/apps/b/c"]);
    assert_eq!(keys("state/").await.len(), 6);
    assert_eq!(keys("stat/").await, [""; 0]);
}

/// A backend takes every transaction that the limits allow, the guard included.
pub async fn a_full_transaction_is_taken<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let key = |n: usize| Key::raw(&format!("state/apps/app-{n:03}"));
    let room = MAX_BYTES / MAX_OPERATIONS - key(0).as_str().len();
    let full = (0..MAX_OPERATIONS).map(|n| Operation::put(key(n), Expect::Absent, vec![b'x'; room]));
    let at = leader.commit(full.collect()).await.unwrap().revision;
    assert_eq!(leader.list("state/apps/", at).await.len(), MAX_OPERATIONS);
    let all = (0..MAX_OPERATIONS).map(|n| Operation::delete(key(n), at));
    let at = leader.commit(all.collect()).await.unwrap().revision;
    assert!(leader.list("state/apps/", at).await.is_empty());
}

/// The guard alone costs no revision.
pub async fn an_empty_transaction_proves_leadership_and_changes_nothing<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let before = leader.create("state/apps/a", b"1").await;
    for _ in 0..3 {
        leader.commit(Vec::new()).await.unwrap();
        leader.assert_unchanged_since(harness, before).await;
    }
    let mut forged = leader.tenure.guard.clone();
    forged.value = super::sealed(&leader.tenure, "somebody else");
    let refused = leader.store.commit(&forged, &crate::Transaction::guard_alone()).await;
    assert!(refusal(refused).leadership_lost, "another value");
    let mut forged = leader.tenure.guard.clone();
    forged.create_revision = forged.create_revision.next();
    let refused = leader.store.commit(&forged, &crate::Transaction::guard_alone()).await;
    assert!(refusal(refused).leadership_lost, "another create revision");
}

/// What is read is of the revision asked for, or an error: never newer, never older.
pub async fn reads_never_answer_with_another_revision<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let old = leader.create("state/apps/a", b"1").await;
    let new = leader.create("state/apps/b", b"1").await;
    let prefix: KeyPrefix = "state/apps/".parse().unwrap();
    let page = async |at| leader.store.read_page(&prefix, None, at, NonZeroUsize::MAX).await;
    assert_eq!(page(new).await.unwrap().items.len(), 2);
    match page(old).await {
        Ok(page) => assert_eq!(page.items.len(), 1, "the old revision has one key"),
        Err(StoreError::Compacted { at, oldest }) => assert!(at == old && oldest > old && oldest <= new),
        Err(error) => panic!("{error}"),
    }
    let ahead = Revision(new.0 + 1_000_000);
    assert!(matches!(page(ahead).await, Err(StoreError::FutureRevision { .. })));
    let key = Key::raw("state/apps/a");
    assert!(matches!(leader.store.read_key(&key, ahead).await, Err(StoreError::FutureRevision { .. })));
    let reading = leader.store.read_key(&key, new).await.unwrap();
    assert!(reading.revision >= new && reading.item.is_some_and(|item| item.mod_revision == old));
}

/// The same random transactions on a model of plain data: the same answers, the same content.
pub async fn random_transactions_agree_with_a_model<H: Harness>(harness: &H) {
    const TRANSACTIONS: usize = 150;
    let leader = lead(harness, "m1").await;
    let mut rng = Rng::new(0x7a41_5701);
    let mut model: BTreeMap<Key, Versioned> = BTreeMap::new();
    let (mut committed, mut refused) = (0, 0);
    for _ in 0..TRANSACTIONS {
        let operations = random_operations(&mut rng, &model);
        let holds = operations.iter().all(|operation| operation.expect.holds(model.get(&operation.key)));
        match leader.commit(operations.clone()).await {
            Ok(done) => {
                assert!(holds, "{operations:?} should have been refused");
                apply(&mut model, &operations, done.revision);
                committed += 1;
            }
            other => {
                assert!(!holds, "{operations:?} should have been committed: {other:?}");
                check_conflicts(&model, &operations, &refusal(other).conflicts);
                refused += 1;
            }
        }
    }
    assert!(committed > 20 && refused > 20, "both happen: {committed} committed, {refused} refused");
    check_content(&leader, &model).await;
}

fn random_operations(rng: &mut Rng, model: &BTreeMap<Key, Versioned>) -> Vec<Operation> {
    let mut operations: BTreeMap<Key, Operation> = BTreeMap::new();
    for _ in 0..=rng.between(0, 4) {
        let key = Key::raw(&format!("state/apps/{}", rng.between(0, 8)));
        let truth = model.get(&key).map_or(Expect::Absent, |found| Expect::ModRevision(found.mod_revision));
        let expect = match rng.between(0, 8) {
            0 => Expect::Absent,
            1 => Expect::ModRevision(Revision(rng.between(0, 50))),
            _ => truth,
        };
        let action = match (rng.between(0, 4), expect) {
            (0, Expect::ModRevision(_)) => Action::Delete,
            (1, _) => Action::Compare,
            _ => Action::Put(Bytes::from(rng.between(0, 1 << 40).to_string())),
        };
        operations.insert(key.clone(), Operation { key, expect, action });
    }
    operations.into_values().collect()
}

fn apply(model: &mut BTreeMap<Key, Versioned>, operations: &[Operation], at: Revision) {
    for Operation { key, action, .. } in operations {
        match action {
            Action::Put(value) => {
                let created = model.get(key).map_or(at, |found| found.create_revision);
                let written =
                    Versioned { key: key.clone(), value: value.clone(), create_revision: created, mod_revision: at };
                model.insert(key.clone(), written);
            }
            Action::Delete => {
                model.remove(key);
            }
            Action::Compare => {}
        }
    }
}

fn check_conflicts(model: &BTreeMap<Key, Versioned>, operations: &[Operation], conflicts: &[crate::error::Conflict]) {
    let expected: Vec<_> = operations
        .iter()
        .filter(|operation| !operation.expect.holds(model.get(&operation.key)))
        .map(|operation| (operation.key.clone(), operation.expect, model.get(&operation.key).cloned()))
        .collect();
    let found: Vec<_> = conflicts.iter().map(|c| (c.key.clone(), c.expected, c.found.clone())).collect();
    assert_eq!(found, expected);
}

async fn check_content<B>(leader: &Leader<B>, model: &BTreeMap<Key, Versioned>)
where
    B: crate::LeaderElection + PersistenceEngine,
{
    let at = leader.now().await;
    assert_eq!(leader.list("state/", at).await, model.values().cloned().collect::<Vec<_>>());
}
