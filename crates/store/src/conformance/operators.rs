//! What operators want of the masters: successors, pauses, the end of a term. A backend whose masters do not take turns
//! must refuse each of these by name.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock;
use crate::election::{Ending, LeaderElection, Loss, Resignation, Standing, Tenure};
use crate::error::ElectionError;
use crate::intent::{Handover, Intent, IntentChange, Pause};

use super::{Harness, Leader, candidate, eventually, lead, member, refusal};

/// How long it is watched that nothing happens that must not.
const A_WHILE: Duration = Duration::from_millis(700);

/// A wish that holds for longer than any case.
const LONG: Duration = Duration::from_secs(600);

type Campaign = JoinHandle<Result<Tenure, ElectionError>>;

/// A master that is up and stands for office.
async fn stand<H: Harness>(harness: &H, name: &str) -> (Arc<H::Backend>, Campaign) {
    let store = harness.master().await;
    store.announce(&member(name, "STANDBY")).await.unwrap();
    let campaign = tokio::spawn({
        let (store, candidate) = (Arc::clone(&store), candidate(name));
        async move { store.campaign(&candidate).await }
    });
    (store, campaign)
}

async fn won<H: Harness>(harness: &H, store: &Arc<H::Backend>, campaign: Campaign) -> Leader<H::Backend> {
    let tenure = tokio::time::timeout(harness.takeover(), campaign).await.expect("the office is taken");
    Leader::new(Arc::clone(store), tenure.unwrap().unwrap())
}

fn from_now(length: Duration) -> u64 {
    clock::wall().0 + u64::try_from(length.as_millis()).unwrap()
}

fn to(name: &str, length: Duration) -> Resignation {
    let handover = Handover { target: candidate(name).master, why: "disk change".to_owned(), until: from_now(length) };
    Resignation { why: "switchover".to_owned(), successor: Some(handover) }
}

fn pause(length: Duration) -> Pause {
    Pause { by: "ada".to_owned(), why: "upgrade of the store".to_owned(), until: from_now(length) }
}

fn assert_unsupported<T: std::fmt::Debug>(result: &Result<T, ElectionError>) {
    assert!(matches!(result, Err(ElectionError::Unsupported { .. })), "{result:?}");
}

/// The master that is named follows, however many others stand for office; and then nobody is waited for any more.
pub async fn a_named_successor_follows<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    if !harness.takes_turns() {
        assert_unsupported(&leader.store.resign(&leader.tenure, &to("m2", LONG)).await);
        leader.commit(Vec::new()).await.expect("and the term goes on");
        return;
    }
    let mut others = Vec::new();
    for name in ["m2", "m4", "m5"] {
        others.push(stand(harness, name).await);
    }
    let (store, campaign) = stand(harness, "m3").await;
    leader.store.resign(&leader.tenure, &to("m3", LONG)).await.unwrap();
    let next = won(harness, &store, campaign).await;
    let (predecessor, expected) = (next.tenure.predecessor.clone().unwrap(), candidate("m3").master);
    assert_eq!(predecessor.ending, Ending::HandedOver { to: expected, why: "switchover".to_owned() });
    assert!(others.iter().all(|(_, campaign)| !campaign.is_finished()));
    assert_eq!(next.get("ha/intent").await, None, "nobody is waited for any more");
    next.store.resign(&next.tenure, &Resignation::open("test")).await.unwrap();
    eventually("one of the others follows", harness.takeover(), || async {
        others.iter().any(|(_, campaign)| campaign.is_finished()).then_some(())
    })
    .await;
}

/// Nothing is given up for a successor that cannot come.
pub async fn a_successor_that_is_not_up_is_refused<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    if !harness.takes_turns() {
        return assert_unsupported(&leader.store.resign(&leader.tenure, &to("m2", LONG)).await);
    }
    let refused = leader.store.resign(&leader.tenure, &to("m2", LONG)).await.unwrap_err();
    assert!(matches!(&refused, ElectionError::NotAMember { target } if target.as_str() == "m2"), "{refused}");
    leader.commit(Vec::new()).await.expect("the term goes on");
    assert!(leader.tenure.standing.borrow().may_act(clock::mono()));
    assert_eq!(leader.get("ha/intent").await, None);
}

/// A successor that is up but does not take the office keeps the others waiting until the handover expires.
pub async fn a_successor_that_does_not_come_is_waited_for_no_longer_than_said<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    if !harness.takes_turns() {
        return assert_unsupported(&leader.store.resign(&leader.tenure, &to("m2", LONG)).await);
    }
    let absent = harness.master().await;
    absent.announce(&member("m2", "STANDBY")).await.unwrap();
    let (store, campaign) = stand(harness, "m3").await;
    let resignation = to("m2", A_WHILE);
    leader.store.resign(&leader.tenure, &resignation).await.unwrap();
    let next = won(harness, &store, campaign).await;
    assert!(next.tenure.since.0 >= resignation.successor.unwrap().until, "not before the handover has expired");
    assert_eq!(next.get("ha/intent").await, None);
}

/// While failover is paused the office stays empty, and nobody is deposed.
pub async fn nobody_takes_the_office_while_failover_is_paused<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let wish = pause(LONG);
    if !harness.takes_turns() {
        return assert_unsupported(&leader.store.change_intent(&IntentChange::Pause(wish)).await);
    }
    let (store, mut campaign) = stand(harness, "m2").await;
    let wanted = store.change_intent(&IntentChange::Pause(wish.clone())).await.unwrap();
    assert_eq!(wanted, Intent { pause: Some(wish.clone()), handover: None });
    let refused = store.depose(&candidate("m2").master, &leader.tenure.term(), "test").await.unwrap_err();
    assert!(matches!(&refused, ElectionError::Paused { by, .. } if *by == wish.by), "{refused}");
    leader.commit(Vec::new()).await.expect("who leads goes on leading");
    leader.store.resign(&leader.tenure, &Resignation::open("test")).await.unwrap();
    assert!(tokio::time::timeout(A_WHILE, &mut campaign).await.is_err(), "nobody takes the office");
    let wanted = store.change_intent(&IntentChange::Resume).await.unwrap();
    assert!(wanted.is_empty());
    let next = won(harness, &store, campaign).await;
    // And a pause ends by itself.
    let wish = pause(A_WHILE);
    next.store.change_intent(&IntentChange::Pause(wish.clone())).await.unwrap();
    let (store, campaign) = stand(harness, "m3").await;
    next.store.resign(&next.tenure, &Resignation::open("test")).await.unwrap();
    let last = won(harness, &store, campaign).await;
    assert!(last.tenure.since.0 >= wish.until, "not before the pause has ended");
}

/// A leader that somebody proves gone is followed at once, and can do nothing any more. Not twice in a row.
pub async fn a_leader_is_deposed_with_evidence<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let term = leader.tenure.term();
    let me = candidate("m2").master;
    if !harness.takes_turns() {
        assert_unsupported(&harness.master().await.depose(&me, &term, "3 connects were refused").await);
        leader.commit(Vec::new()).await.expect("and the term goes on");
        return;
    }
    let (store, campaign) = stand(harness, "m2").await;
    store.depose(&me, &term, "3 connects were refused").await.unwrap();
    let next = won(harness, &store, campaign).await;
    let ending = next.tenure.predecessor.clone().unwrap().ending;
    assert_eq!(ending, Ending::Deposed { by: me.clone(), evidence: "3 connects were refused".to_owned() });
    assert!(refusal(leader.commit(Vec::new()).await).leadership_lost);
    let mut standing = leader.tenure.standing.clone();
    let lost = standing.wait_for(|standing| matches!(standing, Standing::Lost(Loss::Expired)));
    tokio::time::timeout(harness.takeover(), lost).await.expect("the old leader hears of it").unwrap();

    let own = store.depose(&me, &next.tenure.term(), "again").await.unwrap_err();
    assert!(matches!(own, ElectionError::AlreadyLeading { .. }), "{own}");
    next.commit(Vec::new()).await.expect("who follows leads on");

    let (third, campaign) = stand(harness, "m3").await;
    third.depose(&candidate("m3").master, &next.tenure.term(), "3 connects were refused").await.unwrap();
    let last = won(harness, &third, campaign).await;
    let again = store.depose(&me, &last.tenure.term(), "again").await.unwrap_err();
    assert!(matches!(again, ElectionError::DeposedLately { .. }), "{again}");
    last.commit(Vec::new()).await.expect("who has deposed lately does not again");
}

/// Deposing ends exactly one term: where it is over already, nothing is left to do, and nobody else is touched.
pub async fn a_term_that_is_over_needs_no_deposing<H: Harness>(harness: &H) {
    let first = lead(harness, "m1").await;
    let me = candidate("m3").master;
    if !harness.takes_turns() {
        return assert_unsupported(&first.store.depose(&me, &first.tenure.term(), "test").await);
    }
    first.store.resign(&first.tenure, &Resignation::open("test")).await.unwrap();
    let store = harness.master().await;
    store.depose(&me, &first.tenure.term(), "test").await.expect("nobody leads");
    let second = lead(harness, "m2").await;
    store.depose(&me, &first.tenure.term(), "test").await.expect("somebody else leads");
    second.commit(Vec::new()).await.expect("and goes on leading");
    assert_eq!(second.tenure.predecessor.clone().unwrap().ending, Ending::Resigned { why: "test".to_owned() });
}

/// What operators want reaches every master, the leader's and the standbys'.
pub async fn what_operators_want_is_heard_everywhere<H: Harness>(harness: &H) {
    let leader = lead(harness, "m1").await;
    let standby = harness.master().await;
    if !harness.takes_turns() {
        assert!(leader.store.intent().borrow().is_empty() && standby.intent().borrow().is_empty());
        return;
    }
    let wish = pause(LONG);
    standby.change_intent(&IntentChange::Pause(wish.clone())).await.unwrap();
    for store in [&standby, &leader.store] {
        let mut intent = store.intent();
        let heard = intent.wait_for(|intent| intent.pause.as_ref() == Some(&wish));
        tokio::time::timeout(harness.takeover(), heard).await.expect("the pause is heard of").unwrap();
    }
    leader.store.change_intent(&IntentChange::Resume).await.unwrap();
    let mut intent = standby.intent();
    let heard = intent.wait_for(Intent::is_empty);
    tokio::time::timeout(harness.takeover(), heard).await.expect("its end is heard of").unwrap();
}
