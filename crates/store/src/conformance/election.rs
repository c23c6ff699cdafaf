//! Terms: winning, holding, leaving, following.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use tanist_core::ids::Epoch;
use tanist_core::time::Mono;

use crate::election::{
    Ended, Ending, LeaderElection, LeaderRecord, Loss, MemberRecord, RecoveryFigures, Resignation, Standing,
};
use crate::engine::{Expect, Operation, PersistenceEngine, Revision, Transaction};
use crate::envelope::{self, Opened};
use crate::error::ElectionError;
use crate::key::{Key, Name};
use crate::meta::{ClusterRecord, EpochRecord};

use super::{Harness, Leader, candidate, eventually, lead, member, refusal};

/// The first term of a store makes the cluster, and everything about the term can be read in the store.
pub async fn a_first_term_writes_down_who_leads<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let record = &leader.tenure.record;
    assert_eq!((record.master.as_str(), record.rpc.as_str()), ("m1", "m1.example:7077"));
    assert!(record.epoch > Epoch(0));
    assert_eq!(leader.tenure.predecessor, None);
    assert!(leader.tenure.standing.borrow().may_act(crate::clock::mono()));

    let key = |name: Name| Key::from(name).to_string();
    let found = leader.get(&key(Name::Leader)).await.unwrap();
    assert!(leader.tenure.guard.holds(Some(&found)));
    assert_eq!(found.create_revision, leader.tenure.revision, "the term begins where its key was made");
    let opened: Opened<LeaderRecord> = envelope::decode(&found.value).unwrap();
    assert_eq!((opened.epoch, &opened.nonce, &opened.record), (record.epoch, &record.nonce, record));
    let found = leader.get(&key(Name::Cluster)).await.unwrap();
    assert_eq!(envelope::decode::<ClusterRecord>(&found.value).unwrap().record.id, record.cluster);
    let found = leader.get(&key(Name::Epoch)).await.unwrap();
    assert_eq!(envelope::decode::<EpochRecord>(&found.value).unwrap().record.last, record.epoch);
    assert!(leader.get(&key(Name::History(record.epoch))).await.is_some());
}

/// Every term has a higher epoch than all before it, and than any that was heard of before it was won.
pub async fn epochs_rise_above_everything_heard<H: Harness>(harness: &H) {
    let first = lead(harness, "m1").await;
    let (store, second) = (harness.master().await, candidate("m2"));
    second.heard.raise(Epoch(700));
    let campaign = tokio::spawn({
        let (store, second) = (Arc::clone(&store), second.clone());
        async move { store.campaign(&second).await }
    });
    first.create("state/apps/a", b"1").await;
    second.heard.raise(Epoch(900));
    second.heard.raise(Epoch(800));
    first.store.resign(&first.tenure, &Resignation::open("test")).await.unwrap();
    let tenure = tokio::time::timeout(harness.takeover(), campaign).await.unwrap().unwrap().unwrap();
    assert_eq!(tenure.record.epoch, Epoch(901), "heard while it waited");
    assert_eq!(second.heard.highest(), Epoch(901), "its own epoch is one heard of");
    assert_eq!(tenure.record.cluster, first.tenure.record.cluster);
    assert_ne!(tenure.record.nonce, first.tenure.record.nonce);
    store.resign(&tenure, &Resignation::open("test")).await.unwrap();
    let third = lead(harness, "m3").await;
    assert_eq!(third.tenure.record.epoch, Epoch(902), "and without having heard of it");
    third.store.resign(&third.tenure, &Resignation::open("test")).await.unwrap();

    let last = candidate("m4");
    last.heard.raise(Epoch(u64::MAX));
    let refused = harness.master().await.campaign(&last).await;
    assert!(matches!(refused, Err(ElectionError::NoEpochLeft { .. })), "{refused:?}");
}

/// Once a term is followed by another, none of its writes can be committed, through whichever process they come.
pub async fn an_older_term_can_commit_nothing<H: Harness>(harness: &H) {
    let first = lead(harness, "m1").await;
    let at = first.create("state/apps/a", b"1").await;
    first.store.resign(&first.tenure, &Resignation::open("test")).await.unwrap();
    assert!(matches!(&*first.tenure.standing.borrow(), Standing::Lost(Loss::Resigned)));
    assert!(!first.tenure.standing.borrow().may_act(Mono(0)));
    let second = lead(harness, "m2").await;
    let before = second.now().await;
    let right = Operation::put(Key::raw("state/apps/a"), Expect::ModRevision(at), &b"2"[..]);
    for store in [&first.store, &second.store] {
        for operations in [Vec::new(), vec![right.clone()]] {
            let transaction = Transaction::new(operations).unwrap();
            let refused = store.commit(&first.tenure.guard, &transaction).await;
            assert!(refusal(refused).leadership_lost);
        }
    }
    second.assert_unchanged_since(harness, before).await;
    second.commit(vec![right]).await.unwrap();
    first.store.resign(&first.tenure, &Resignation::open("again")).await.unwrap();
    second.commit(Vec::new()).await.expect("a term that is over ends no other");
}

/// A second candidate gets nothing while the leader works, and the office soon after it resigned.
pub async fn a_second_candidate_waits_until_the_leader_resigns<H: Harness>(harness: &H) {
    let first = lead(harness, "m1").await;
    let store = harness.master().await;
    let second = candidate("m2");
    let campaign = store.campaign(&second);
    tokio::pin!(campaign);
    for n in 0..50 {
        let key = format!("state/apps/app-{n}");
        // The campaign first: had it won, the commits would be refused anyway.
        tokio::select! {
            biased;
            won = &mut campaign => panic!("won while another leads: {won:?}"),
            _ = first.create(&key, b"x") => {}
        }
    }
    let again = first.store.campaign(&candidate("m1")).await;
    assert!(matches!(again, Err(ElectionError::AlreadyLeading { epoch }) if epoch == first.tenure.record.epoch));
    first.store.resign(&first.tenure, &Resignation::open("planned")).await.unwrap();
    let tenure = tokio::time::timeout(harness.takeover(), campaign).await.unwrap().unwrap();
    let predecessor = tenure.predecessor.unwrap();
    assert_eq!(predecessor.epoch, first.tenure.record.epoch);
    assert_eq!(predecessor.master, Some(first.tenure.record.master.clone()));
    assert_eq!(predecessor.ending, Ending::Resigned { why: "planned".to_owned() });
}

/// A leader that ends without a word is followed within the time the backend promises.
pub async fn a_crashed_leader_is_followed<H: Harness>(harness: &H) {
    let first = lead(harness, "m1").await;
    first.create("state/apps/a", b"1").await;
    let (epoch, master) = (first.tenure.record.epoch, first.tenure.record.master.clone());
    harness.crash(first.store).await;
    let second = lead(harness, "m2").await;
    assert!(second.tenure.record.epoch > epoch);
    let predecessor = second.tenure.predecessor.clone().unwrap();
    assert_eq!((predecessor.epoch, predecessor.master, predecessor.ending), (epoch, Some(master), Ending::Gone));
    assert_eq!(second.get("state/apps/a").await.unwrap().value, &b"1"[..]);
}

/// Whatever was acknowledged to a leader is part of the content at the revision of the next term, and that content
/// is final.
pub async fn acknowledged_writes_are_there_at_the_revision_of_the_next_term<H: Harness>(harness: &H) {
    const ENOUGH: usize = 40;
    let first = lead(harness, "m1").await;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let writer = tokio::spawn({
        let (store, guard, acknowledged) =
            (Arc::clone(&first.store), first.tenure.guard.clone(), Arc::clone(&acknowledged));
        async move {
            for n in 0.. {
                let key = Key::raw(&format!("state/apps/app-{n:06}"));
                let put = Operation::put(key.clone(), Expect::Absent, &b"x"[..]);
                if store.commit(&guard, &Transaction::new(vec![put]).unwrap()).await.is_err() {
                    return;
                }
                acknowledged.lock().await.push(key);
            }
        }
    });
    eventually("some writes are acknowledged", harness.takeover(), || async {
        (acknowledged.lock().await.len() >= ENOUGH).then_some(())
    })
    .await;
    first.store.resign(&first.tenure, &Resignation::open("in the midst of writing")).await.unwrap();
    let second = lead(harness, "m2").await;
    writer.await.unwrap();
    let found = second.list("state/apps/", second.tenure.revision).await;
    let found: Vec<&Key> = found.iter().map(|item| &item.key).collect();
    for key in acknowledged.lock().await.iter() {
        assert!(found.contains(&key), "{key} was acknowledged and is gone");
    }
    assert!(found.len() <= acknowledged.lock().await.len() + 1, "nothing but the last one can be in doubt");
}

/// A candidacy that is given up does not keep the office from others, whenever it is given up.
pub async fn a_candidacy_that_is_dropped_takes_no_office<H: Harness>(harness: &H) {
    let waiting = harness.master().await;
    for round in 0..8u32 {
        let first = lead(harness, "m1").await;
        let given_up = tokio::spawn({
            let (waiting, second) = (Arc::clone(&waiting), candidate("m2"));
            async move { waiting.campaign(&second).await.map(drop) }
        });
        if round % 2 == 0 {
            first.create(&format!("state/apps/app-{round}"), b"x").await;
            given_up.abort();
            first.store.resign(&first.tenure, &Resignation::open("test")).await.unwrap();
        } else {
            first.store.resign(&first.tenure, &Resignation::open("test")).await.unwrap();
            given_up.abort();
        }
        if given_up.await.is_ok() {
            // It had won before it could be given up; a crash ends that.
            return harness.crash(waiting).await;
        }
        harness.crash(first.store).await;
    }
    lead(harness, "m3").await;
}

/// Many candidates at once: each leads in its turn, epochs rise, and no two write at a time.
pub async fn of_many_candidates_one_leads_at_a_time<H: Harness>(harness: &H) {
    const CANDIDATES: usize = 5;
    let mut terms = tokio::task::JoinSet::new();
    for n in 0..CANDIDATES {
        let store = harness.master().await;
        terms.spawn(async move {
            let tenure = store.campaign(&candidate(&format!("m{n}"))).await.unwrap();
            let leader = Leader::new(store, tenure);
            let mut written = Vec::new();
            let mut at = leader.get("state/apps/shared").await.map(|found| found.mod_revision);
            for _ in 0..3 {
                let expect = at.map_or(Expect::Absent, Expect::ModRevision);
                let put = Operation::put(Key::raw("state/apps/shared"), expect, &b"x"[..]);
                let revision = leader.commit(vec![put]).await.unwrap().revision;
                written.push(revision);
                at = Some(revision);
            }
            leader.store.resign(&leader.tenure, &Resignation::open("turn is over")).await.unwrap();
            (leader.tenure.record.epoch, written)
        });
    }
    let mut by_epoch: BTreeMap<Epoch, Vec<Revision>> = BTreeMap::new();
    let all = harness.takeover() * u32::try_from(CANDIDATES).unwrap();
    while let Some(term) = tokio::time::timeout(all, terms.join_next()).await.unwrap() {
        let (epoch, written) = term.unwrap();
        assert_eq!(by_epoch.insert(epoch, written), None, "an epoch is given once");
    }
    assert_eq!(by_epoch.len(), CANDIDATES);
    assert!(by_epoch.values().flatten().is_sorted(), "commits carry non-decreasing epochs: {by_epoch:?}");
}

/// Standbys and the leader itself come to know who leads.
pub async fn standbys_hear_who_leads<H: Harness>(harness: &H) {
    let standby = harness.master().await;
    let first = lead(harness, "m1").await;
    let mut heard = standby.leader();
    for store in [&standby, &first.store] {
        let mut heard = store.leader();
        let known = heard.wait_for(|leader| leader.as_ref() == Some(&first.tenure.record));
        tokio::time::timeout(harness.takeover(), known).await.expect("the leader is heard of").unwrap();
    }
    first.store.resign(&first.tenure, &Resignation::open("test")).await.unwrap();
    let second = lead(harness, "m2").await;
    let known = heard.wait_for(|leader| leader.as_ref() == Some(&second.tenure.record));
    tokio::time::timeout(harness.takeover(), known).await.expect("the next leader is heard of").unwrap();
}

/// The history names every term, its recovery, and its end.
pub async fn the_history_tells_how_terms_went<H: Harness>(harness: &H) {
    let first = lead(harness, "m1").await;
    let figures = RecoveryFigures { took_ms: 12, workers: 3, workers_missing: 1, ..RecoveryFigures::default() };
    first.store.record_recovery(&first.tenure, &figures).await.unwrap();
    first.store.resign(&first.tenure, &Resignation::open("for the night")).await.unwrap();
    let refused = first.store.record_recovery(&first.tenure, &figures).await;
    assert!(matches!(refused, Err(ElectionError::Commit(error)) if error.leadership_lost()));
    let second = lead(harness, "m2").await;
    harness.crash(second.store).await;
    let third = lead(harness, "m3").await;

    let history = third.store.history().await.unwrap();
    let masters: Vec<&str> = history.iter().map(|entry| entry.leader.master.as_str()).collect();
    assert_eq!(masters, ["m1", "m2", "m3"]);
    assert_eq!(history[0].recovery, Some(figures));
    let how: Vec<_> = history.iter().map(|entry| entry.ended.as_ref().map(|Ended { how, .. }| how.clone())).collect();
    assert_eq!(how, [Some(Ending::Resigned { why: "for the night".to_owned() }), Some(Ending::Gone), None]);
    let before: Vec<_> = history.iter().map(|entry| entry.predecessor.as_ref().map(|before| before.epoch)).collect();
    assert_eq!(before, [None, Some(history[0].leader.epoch), Some(history[1].leader.epoch)]);
}

/// Members are seen by others while their process is up, with what they said last.
pub async fn members_are_listed_while_they_are_up<H: Harness>(harness: &H) {
    let (one, two) = (harness.master().await, harness.master().await);
    one.announce(&member("m1", "STANDBY")).await.unwrap();
    two.announce(&member("m2", "a longer text than the one that replaces it")).await.unwrap();
    two.announce(&member("m2", "STANDBY")).await.unwrap();
    let listed = eventually("both are listed", harness.takeover(), || async {
        one.members().await.ok().filter(|members| members.len() == 2)
    })
    .await;
    assert_eq!(listed, [member("m1", "STANDBY"), member("m2", "STANDBY")]);
    harness.crash(one).await;
    eventually("the crashed one is listed no more", harness.takeover(), || async {
        two.members().await.ok().filter(|members| *members == [member("m2", "STANDBY")])
    })
    .await;
}

/// A second process with an id that is in use is told so, and by whom; once the first one is gone, the id is free.
pub async fn an_id_is_taken_while_its_process_lives<H: Harness>(harness: &H) {
    let (one, two) = (harness.master().await, harness.master().await);
    let first = MemberRecord { rpc: "here.example:7077".to_owned(), ..member("m1", "STANDBY") };
    let second = MemberRecord { rpc: "there.example:7077".to_owned(), ..member("m1", "STANDBY") };
    one.announce(&first).await.unwrap();
    let refused = two.announce(&second).await.unwrap_err();
    let ElectionError::MemberTaken { master, rpc, .. } = &refused else { panic!("{refused}") };
    assert_eq!((master, rpc), (&first.master, &first.rpc));
    assert!(!refused.retryable());
    one.announce(&MemberRecord { role: "ALIVE".to_owned(), ..first.clone() }).await.expect("the first one goes on");
    assert_eq!(two.members().await.unwrap(), [MemberRecord { role: "ALIVE".to_owned(), ..first }]);
    harness.crash(one).await;
    eventually("the id is free", harness.takeover(), || async { two.announce(&second).await.ok() }).await;
    assert_eq!(two.members().await.unwrap(), [second]);
}
