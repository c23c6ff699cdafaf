//! The rule of SPARK-4592 and what surrounds it, with a virtual clock and masters that answer when told to.

use std::time::Duration;

use super::retry::QUICK_RETRIES;
use super::*;
use crate::ids::{Epoch, Generation, MasterId, Nonce};
use crate::rng::Rng;
use crate::time::Mono;

const A: &str = "a:7077";
const B: &str = "b:7077";
const C: &str = "c:7077";
const BEAT: Duration = Duration::from_secs(15);

fn leader(address: &str, epoch: u64) -> LeaderInfo {
    LeaderInfo {
        cluster: ClusterId::new("cluster").unwrap(),
        term: Term { generation: Generation(0), epoch: Epoch(epoch), nonce: Nonce::new(&format!("n{epoch}")).unwrap() },
        master: MasterId::new(address).unwrap(),
        address: address.to_owned(),
        ui_url: String::new(),
    }
}

struct Bench {
    tracker: Tracker,
    now: Mono,
    steps: Vec<Step>,
    links: Vec<(LinkId, String)>,
}

impl Bench {
    fn with(config: TrackingConfig, heard: Option<(Term, ClusterId)>) -> Self {
        let tracker = Tracker::new(config, heard, &mut Rng::new(1));
        Self { tracker, now: Mono(0), steps: Vec::new(), links: Vec::new() }
    }

    fn new(masters: &[&str]) -> Self {
        let masters = masters.iter().map(|&master| master.to_owned()).collect();
        Self::with(TrackingConfig { masters, ..TrackingConfig::default() }, None)
    }

    /// Connected with A under term 1 for longer than a session must last to count as stable.
    fn connected(masters: &[&str]) -> Self {
        Self::new(masters).connect()
    }

    fn connect(self) -> Self {
        let mut bench = self;
        bench.start();
        bench.registered(A, 1);
        bench.now = bench.now + Duration::from_secs(100);
        bench
    }

    fn act(&mut self, act: impl FnOnce(&mut Tracker, Mono, &mut Vec<Step>)) -> Vec<Step> {
        let mut steps = Vec::new();
        act(&mut self.tracker, self.now, &mut steps);
        for step in &steps {
            if let Step::Do(Effect::Connect { link, address }) = step {
                self.links.push((*link, address.clone()));
            }
        }
        self.steps.extend(steps.iter().cloned());
        steps
    }

    fn start(&mut self) -> Vec<Step> {
        self.act(Tracker::start)
    }

    /// The latest session asked for with this master.
    fn link(&self, address: &str) -> LinkId {
        self.links.iter().rev().find(|(_, to)| to == address).map_or(LinkId(0), |(link, _)| *link)
    }

    fn open(&mut self, address: &str) -> Vec<Step> {
        let link = self.link(address);
        self.act(|tracker, now, steps| tracker.opened(now, link, steps))
    }

    /// This master takes the registration on its latest session.
    fn registered(&mut self, address: &str, epoch: u64) -> Vec<Step> {
        self.open(address);
        let link = self.link(address);
        self.act(|tracker, now, steps| tracker.registered(now, link, leader(address, epoch), BEAT, steps))
    }

    fn closed(&mut self, address: &str) -> Vec<Step> {
        let link = self.link(address);
        self.act(|tracker, now, steps| tracker.closed(now, link, steps))
    }

    fn standby(&mut self, address: &str, hint: Option<&LeaderInfo>) -> Vec<Step> {
        let link = self.link(address);
        self.act(|tracker, now, steps| tracker.standby(now, link, hint, steps))
    }

    fn announced(&mut self, leader: &LeaderInfo) -> Vec<Step> {
        self.act(|tracker, now, steps| tracker.announced(now, leader, steps))
    }

    fn answered(&mut self, leader: &LeaderInfo) -> Vec<Step> {
        self.act(|tracker, now, steps| tracker.answered(now, leader, steps))
    }

    /// Goes to the next retry.
    fn retry(&mut self) -> Vec<Step> {
        let alarm = self.steps.iter().rev().find_map(|step| match step {
            Step::Arm { timer: timer @ Timer::Retry(_), at } => Some((*timer, *at)),
            _ => None,
        });
        let (timer, at) = alarm.expect("a retry is armed");
        self.now = self.now.max(at);
        self.act(|tracker, now, steps| tracker.due(now, timer, steps))
    }

    fn beat(&mut self, after: Duration) -> Vec<Step> {
        self.now = self.now + after;
        let link = self.tracker.session().expect("connected");
        self.act(|tracker, now, steps| tracker.due(now, Timer::Heartbeat(link), steps))
    }

    fn connected_to(&self) -> Option<String> {
        match self.tracker.following() {
            Following::Connected(leader) => Some(leader.address),
            _ => None,
        }
    }
}

fn dialled(steps: &[Step]) -> Vec<&str> {
    let dialled = steps.iter().filter_map(|step| match step {
        Step::Do(Effect::Connect { address, .. }) => Some(address.as_str()),
        _ => None,
    });
    dialled.collect()
}

fn asked(steps: &[Step]) -> Vec<&str> {
    let asked = steps.iter().filter_map(|step| match step {
        Step::Do(Effect::AskLeader { address, .. }) => Some(address.as_str()),
        _ => None,
    });
    asked.collect()
}

fn warned(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(step, Step::Warn(_)))
}

#[test]
fn wr_03_all_masters_are_asked_in_parallel_and_the_first_answer_wins() {
    let mut bench = Bench::new(&[A, B, C, A]);
    assert_eq!(dialled(&bench.start()), [A, B, C]);
    let (late, other) = (bench.link(A), bench.link(C));
    bench.open(A);
    let steps = bench.registered(B, 3);
    assert_eq!(bench.connected_to().as_deref(), Some(B));
    for link in [late, other] {
        assert!(steps.contains(&Step::Do(Effect::Disconnect { link })));
    }
    assert!(matches!(steps[0], Step::Adopt { .. }), "the term is saved before anything else");
    let steps = bench.act(|tracker, now, steps| tracker.registered(now, late, leader(A, 4), BEAT, steps));
    assert_eq!(steps, [], "what a closed session still delivers is dropped");
}

#[test]
fn a_standby_names_the_leader_and_an_unknown_address_is_tried_once() {
    let mut bench = Bench::new(&[A, B]);
    bench.start();
    let hint = leader(C, 5);
    let steps = bench.standby(A, Some(&hint));
    assert_eq!(dialled(&steps), [C]);
    assert!(steps.contains(&Step::Do(Effect::Disconnect { link: LinkId(1) })));
    assert_eq!(dialled(&bench.standby(B, Some(&hint))), [] as [&str; 0]);
    bench.closed(C);
    assert_eq!(dialled(&bench.retry()), [A, B, C], "from now on it is one of those that are tried");
    // Masters that name each other under one term do not make a tight loop.
    assert_eq!(dialled(&bench.standby(C, Some(&leader(A, 5)))), [] as [&str; 0]);
    assert_eq!(dialled(&bench.retry()), [C], "the others are still being asked");
    bench.registered(C, 5);
    assert_eq!(bench.connected_to().as_deref(), Some(C));
}

#[test]
fn a_new_process_finds_the_leader_that_its_predecessor_obeyed() {
    let known = leader(C, 5);
    let config = TrackingConfig { masters: vec![A.to_owned()], ..TrackingConfig::default() };
    let mut bench = Bench::with(config, Some((known.term.clone(), known.cluster.clone())));
    bench.start();
    assert_eq!(dialled(&bench.standby(A, Some(&known))), [C]);
    bench.retry();
    assert!(warned(&bench.registered(A, 4)), "term 4 is over");
    bench.registered(C, 5);
    assert_eq!(bench.connected_to().as_deref(), Some(C));
}

#[test]
fn wr_05_a_lost_leader_is_tried_alone_from_the_first_attempt_on() {
    let mut bench = Bench::connected(&[A, B, C]);
    let steps = bench.closed(A);
    assert_eq!((dialled(&steps), asked(&steps)), (vec![], vec![B, C]), "SPARK-4592");
    for _ in 0..20 {
        bench.closed(A);
        let steps = bench.retry();
        assert_eq!((dialled(&steps), asked(&steps)), (vec![A], vec![B, C]));
    }
    bench.registered(A, 1);
    assert_eq!(bench.connected_to().as_deref(), Some(A), "the same leader is taken back");
}

/// The times in milliseconds between the retries of a process whose leader is never there again.
fn waits(max_registration_retries: Option<u32>) -> Vec<u128> {
    let masters = vec![A.to_owned()];
    let config = TrackingConfig { masters, max_registration_retries, ..TrackingConfig::default() };
    let mut bench = Bench::with(config, None).connect();
    let mut before = bench.now;
    let mut wait = || {
        bench.closed(A);
        bench.retry();
        let waited = bench.now - before;
        before = bench.now;
        waited.as_millis()
    };
    (0..40).map(|_| wait()).collect()
}

#[test]
fn retries_stay_frequent_and_never_end_by_default_l2() {
    let waits = waits(None);
    assert_eq!(waits[..7], [100, 200, 400, 800, 1600, 3200, 5000]);
    assert!(waits[7..].iter().all(|wait| *wait == waits[7] && (1000..=3000).contains(wait)), "{waits:?}");
}

#[test]
fn wr_04_who_gives_up_at_some_time_retries_at_the_intervals_of_the_original() {
    let waits = waits(Some(100));
    assert_eq!(waits[..7], [100, 200, 400, 800, 1600, 3200, 5000]);
    assert!(waits[7..13].iter().all(|wait| *wait == waits[7] && (5000..=15_000).contains(wait)), "{waits:?}");
    assert!(waits[13..].iter().all(|wait| *wait == waits[13] && (30_000..=90_000).contains(wait)), "{waits:?}");
}

#[test]
fn wr_04_the_original_gives_up_after_its_retries() {
    let masters = vec![A.to_owned()];
    let mut bench =
        Bench::with(TrackingConfig { masters, max_registration_retries: Some(16), ..TrackingConfig::default() }, None);
    bench.start();
    for _ in 0..QUICK_RETRIES + 16 {
        bench.closed(A);
        assert_eq!(dialled(&bench.retry()), [A]);
    }
    let steps = bench.retry();
    assert!(steps.contains(&Step::GiveUp { reason: "All masters are unresponsive! Giving up.".to_owned() }));
    assert_eq!(dialled(&steps), [] as [&str; 0]);
}

#[test]
fn wr_06_there_is_one_campaign_at_a_time() {
    let mut bench = Bench::connected(&[A, B]);
    let first = bench.closed(A);
    assert_eq!(bench.closed(A), [], "the attempt ended; the alarm that is armed already makes the next");
    assert_eq!(bench.start(), []);
    let Some(Step::Arm { timer: stale, .. }) = first.last().cloned() else { panic!("{first:?}") };
    bench.announced(&leader(B, 2));
    assert_eq!(bench.act(|tracker, now, steps| tracker.due(now, stale, steps)), [], "an alarm of an earlier campaign");
}

#[test]
fn an_attempt_without_an_answer_is_not_repeated_too_soon() {
    let mut bench = Bench::new(&[A]);
    bench.start();
    let first = bench.link(A);
    for _ in 1..QUICK_RETRIES {
        assert_eq!(dialled(&bench.retry()), [] as [&str; 0], "{:?}", bench.now);
    }
    let steps = bench.retry();
    assert_eq!(dialled(&steps), [A]);
    assert!(steps.contains(&Step::Do(Effect::Disconnect { link: first })), "replaced, not doubled");
}

#[test]
fn a_higher_term_that_announces_itself_is_followed_at_once() {
    let mut bench = Bench::connected(&[A]);
    let old = bench.link(A);
    let steps = bench.announced(&leader(C, 2));
    assert_eq!(dialled(&steps), [C], "EL-08: also one that was never configured");
    assert!(matches!(steps[0], Step::Adopt { .. }));
    assert!(steps.contains(&Step::Do(Effect::Disconnect { link: old })) && steps.contains(&Step::Lost));
    assert_eq!(bench.act(|tracker, now, steps| tracker.registered(now, old, leader(A, 1), BEAT, steps)), []);
    bench.registered(C, 2);
    assert_eq!(bench.connected_to().as_deref(), Some(C));
    assert!(warned(&bench.announced(&leader(A, 1))), "a term that is over");
    assert_eq!(bench.connected_to().as_deref(), Some(C));
}

#[test]
fn a_lost_process_learns_of_the_next_leader_by_asking() {
    let mut bench = Bench::connected(&[A, B]);
    bench.closed(A);
    assert_eq!(dialled(&bench.answered(&leader(A, 1))), [A], "the lost one may act again");
    assert_eq!(bench.answered(&leader(A, 1)), [], "that one is being tried");
    assert_eq!(dialled(&bench.answered(&leader(B, 2))), [B]);
    assert_eq!(dialled(&bench.standby(B, Some(&leader(C, 3)))), [C], "so does a standby's answer");
    bench.registered(C, 3);
    assert_eq!(bench.connected_to().as_deref(), Some(C));
}

#[test]
fn whoever_follows_a_leader_keeps_a_question_open_at_all_others() {
    let mut bench = Bench::new(&[A, B, C]);
    assert_eq!(asked(&bench.start()), [] as [&str; 0], "all of them are asked to register it");
    bench.registered(B, 1);
    let beaten = bench.beat(BEAT);
    assert_eq!(asked(&beaten), [A, C]);
    let above = |step: &Step| matches!(step, Step::Do(Effect::AskLeader { above, .. }) if above.as_ref().is_some_and(|above| above.epoch == Epoch(1)));
    assert_eq!(beaten.iter().filter(|step| above(step)).count(), 2);
    assert_eq!(dialled(&bench.answered(&leader(C, 2))), [C], "the answer is followed without any loss before");
    assert_eq!(asked(&bench.registered(C, 2)), [] as [&str; 0], "not all at once after a change");
    assert_eq!(bench.answered(&leader(C, 2)), [], "another one was slower to say so");
    bench.act(|tracker, _, _| tracker.heartbeat_seen(tracker.session().unwrap()));
    assert_eq!(asked(&bench.beat(BEAT)), [A, B], "what was answered or has broken is put again");
}

#[test]
fn a_lost_leader_is_tried_at_once_only_where_there_is_no_other() {
    let mut alone = Bench::connected(&[A]);
    assert_eq!(dialled(&alone.closed(A)), [A]);
    let mut bench = Bench::connected(&[A, B]);
    let steps = bench.closed(A);
    assert_eq!((dialled(&steps), asked(&steps)), (vec![], vec![B]), "B may be about to lead");
    let lost_at = bench.now;
    assert_eq!(dialled(&bench.retry()), [A]);
    assert_eq!(bench.now - lost_at, Duration::from_millis(100));
}

#[test]
fn a_suspended_leader_is_asked_again_soon() {
    let mut bench = Bench::connected(&[A, B]);
    bench.closed(A);
    for _ in 0..30 {
        bench.standby(A, Some(&leader(A, 1)));
        let before = bench.now;
        assert_eq!(dialled(&bench.retry()), [A]);
        assert!(bench.now - before <= Duration::from_secs(5), "it may resume at any moment");
    }
}

#[test]
fn a_restarted_process_hears_when_the_suspended_leader_may_act_again() {
    let known = leader(A, 5);
    let config = TrackingConfig { masters: vec![A.to_owned(), B.to_owned()], ..TrackingConfig::default() };
    let mut bench = Bench::with(config, Some((known.term.clone(), known.cluster.clone())));
    bench.start();
    bench.open(A);
    assert_eq!(dialled(&bench.standby(A, Some(&known))), [A], "tried once more, now that it is named");
    assert_eq!(asked(&bench.standby(A, Some(&known))), [A]);
    assert_eq!(asked(&bench.standby(B, Some(&known))), [B], "the successor might be anybody");
    assert_eq!(dialled(&bench.answered(&known)), [A]);
    assert_eq!(asked(&bench.registered(A, 5)), [] as [&str; 0]);
    assert_eq!(bench.connected_to().as_deref(), Some(A));
    assert_eq!(bench.answered(&known), [], "a late answer changes nothing");
}

#[test]
fn a_process_that_lost_its_leader_hears_when_that_may_act_again() {
    let mut bench = Bench::connected(&[A, B]);
    bench.closed(A);
    bench.retry();
    let turned_away = bench.standby(A, Some(&leader(A, 1)));
    assert_eq!((dialled(&turned_away), asked(&turned_away)), (vec![], vec![A]));
    assert_eq!(dialled(&bench.answered(&leader(A, 1))), [A]);
    assert_eq!(bench.answered(&leader(A, 1)), [], "once");
}

#[test]
fn a_new_process_hears_of_the_first_leader() {
    let mut bench = Bench::new(&[A, B]);
    bench.start();
    let asks = |address: &str| Step::Do(Effect::AskLeader { address: address.to_owned(), above: None });
    assert!(bench.standby(A, None).contains(&asks(A)), "of any");
    assert!(bench.standby(B, None).contains(&asks(B)));
    let steps = bench.answered(&leader(B, 1));
    assert_eq!((dialled(&steps), asked(&steps)), (vec![B], vec![A]), "what was answered is put again");
    bench.registered(B, 1);
    assert_eq!(bench.connected_to().as_deref(), Some(B));
}

#[test]
fn a_master_answers_with_news_and_with_itself_only_while_it_may_act() {
    let (leads, above) = (leader(A, 5), |epoch| Some(leader(A, epoch).term));
    for (own, heard, answers) in [
        (None, None, true),
        (None, above(4), true),
        (None, above(5), false),
        (None, above(6), false),
        (Some(MasterRole::Alive), None, true),
        (Some(MasterRole::Recovering), above(4), true),
        (Some(MasterRole::Alive), above(5), true),
        (Some(MasterRole::Alive), above(6), false),
        (Some(MasterRole::Suspended), None, false),
        (Some(MasterRole::Suspended), above(4), false),
        (Some(MasterRole::Suspended), above(5), false),
    ] {
        assert_eq!(is_answer(&leads, own, heard.as_ref()), answers, "{own:?} above {heard:?}");
    }
}

#[test]
fn a_leader_that_is_heard_of_by_registering_is_tried_again_at_once() {
    let mut bench = Bench::new(&[A, B]);
    bench.start();
    bench.open(A);
    bench.open(B);
    // A standby was quicker to name the leader than the leader itself.
    bench.standby(B, Some(&leader(A, 1)));
    assert_eq!(dialled(&bench.standby(A, Some(&leader(A, 1)))), [A], "now it comes knowing the term");
    bench.open(A);
    assert_eq!(
        dialled(&bench.standby(A, Some(&leader(A, 1)))),
        [] as [&str; 0],
        "that it did: the leader is suspended"
    );
}

#[test]
fn a_lost_leader_that_announces_itself_again_is_tried_at_once() {
    let mut bench = Bench::connected(&[A, B]);
    bench.closed(A);
    bench.closed(A);
    assert_eq!(dialled(&bench.announced(&leader(A, 1))), [A]);
}

#[test]
fn equal_terms_with_other_nonces_and_other_clusters_are_reported_and_not_followed() {
    let mut other_nonce = leader(B, 1);
    other_nonce.term.nonce = Nonce::new("other").unwrap();
    let mut other_cluster = leader(B, 9);
    other_cluster.cluster = ClusterId::new("elsewhere").unwrap();
    for wrong in [other_nonce, other_cluster] {
        let mut bench = Bench::connected(&[A, B]);
        let steps = bench.announced(&wrong);
        assert!(warned(&steps) && steps.len() == 1, "{steps:?}");
        assert_eq!(bench.connected_to().as_deref(), Some(A));
        bench.closed(A);
        bench.retry();
        bench.open(A);
        let link = bench.link(A);
        let steps = bench.act(|tracker, now, steps| tracker.registered(now, link, wrong, BEAT, steps));
        assert!(warned(&steps) && bench.connected_to().is_none());
    }
}

#[test]
fn before_any_answer_a_stranger_cannot_announce_itself() {
    let mut bench = Bench::new(&[A, B]);
    bench.start();
    assert_eq!(bench.announced(&leader(C, 9)), [], "it may mean a former owner of this port");
    bench.announced(&leader(B, 2));
    assert_eq!(bench.tracker.heard().map(|term| term.epoch), Some(Epoch(2)));
    assert!(warned(&bench.registered(A, 1)), "I9: term 2 was heard of");
    bench.registered(B, 2);
    assert_eq!(bench.connected_to().as_deref(), Some(B));
}

#[test]
fn a_silent_session_is_closed_and_counts_as_lost() {
    let mut bench = Bench::connected(&[A]);
    let link = bench.link(A);
    bench.act(|tracker, _, _| tracker.heartbeat_seen(link));
    assert_eq!(bench.beat(Duration::ZERO).len(), 2, "a heartbeat and the next alarm");
    bench.beat(BEAT);
    let steps = bench.beat(BEAT);
    assert!(steps.contains(&Step::Do(Effect::Disconnect { link })) && steps.contains(&Step::Lost), "{steps:?}");
    assert_eq!(dialled(&steps), [A]);
}

#[test]
fn a_pause_of_this_process_is_not_taken_for_silence() {
    let mut bench = Bench::connected(&[A]);
    let link = bench.link(A);
    bench.act(|tracker, _, _| tracker.heartbeat_seen(link));
    bench.beat(Duration::ZERO);
    bench.beat(Duration::from_hours(1));
    assert_eq!(bench.connected_to().as_deref(), Some(A), "one heartbeat without an answer");
}

#[test]
fn anything_that_is_heard_keeps_a_session() {
    let mut bench = Bench::connected(&[A]);
    let link = bench.link(A);
    for _ in 0..10 {
        bench.now = bench.now + Duration::from_secs(1);
        bench.act(|tracker, now, _| assert!(tracker.heard_on(now, link)));
        bench.beat(BEAT);
        bench.act(|tracker, _, _| tracker.heartbeat_seen(link));
    }
    assert_eq!(bench.connected_to().as_deref(), Some(A));
}

#[test]
fn only_answers_of_a_leader_prove_that_it_heard_us() {
    let mut bench = Bench::new(&[A]);
    bench.start();
    bench.open(A);
    bench.now = Mono(500);
    bench.registered(A, 1);
    let link = bench.link(A);
    assert_eq!(bench.tracker.proven_at(), Some(Mono(0)), "when the registration was sent");
    bench.now = Mono(700);
    bench.act(|tracker, _, _| tracker.heartbeat_seen(link));
    assert_eq!(bench.tracker.proven_at(), Some(Mono(500)), "when the first heartbeat was sent");
    bench.beat(BEAT);
    bench.beat(BEAT);
    bench.act(|tracker, _, _| tracker.heartbeat_seen(link));
    assert_eq!(bench.tracker.proven_at(), Some(Mono(15_700)), "answers come in order");
    // A leader that is not sure of its lead answers as a standby.
    bench.standby(A, Some(&leader(A, 1)));
    assert_eq!(bench.tracker.proven_at(), Some(Mono(15_700)));
    assert_eq!(bench.connected_to().as_deref(), Some(A), "its session is kept");
}

#[test]
fn a_master_that_closes_every_session_is_not_asked_in_a_tight_loop() {
    let mut bench = Bench::connected(&[A]);
    bench.closed(A);
    for _ in 0..50 {
        bench.registered(A, 1);
        assert_eq!(dialled(&bench.closed(A)), [] as [&str; 0], "not before the next retry");
        let before = bench.now;
        bench.retry();
        assert!(bench.now - before >= Duration::from_millis(200));
    }
    assert!(bench.now > Mono(200_000), "the waits grow");
}

#[test]
fn hb_06_an_unknown_session_is_as_good_as_closed() {
    let mut bench = Bench::connected(&[A]);
    let link = bench.link(A);
    let steps = bench.act(|tracker, now, steps| tracker.unknown_session(now, link, steps));
    assert_eq!(dialled(&steps), [A]);
    assert_ne!(bench.link(A), link);
}

#[test]
fn wr_12_the_configured_address_is_preferred_if_asked_for() {
    for (prefer, back_to) in [(true, "vip:1"), (false, A)] {
        let masters = vec!["vip:1".to_owned()];
        let config =
            TrackingConfig { masters, prefer_configured_master_address: prefer, max_registration_retries: None };
        let mut bench = Bench::with(config, None);
        bench.start();
        bench.open("vip:1");
        let link = bench.link("vip:1");
        bench.act(|tracker, now, steps| tracker.registered(now, link, leader(A, 1), BEAT, steps));
        bench.now = Mono(100_000);
        bench.closed("vip:1");
        assert_eq!(bench.tracker.candidates(), [back_to]);
    }
}

#[test]
fn wr_08_a_refusal_ends_a_process_that_was_never_registered() {
    let refuse = |bench: &mut Bench| {
        let link = bench.link(A);
        bench.act(|tracker, _, steps| tracker.refused(link, "cores = 0".to_owned(), steps))
    };
    let mut bench = Bench::new(&[A, B]);
    bench.start();
    assert!(matches!(refuse(&mut bench).last(), Some(Step::GiveUp { reason }) if reason.contains("cores = 0")));
    let mut bench = Bench::connected(&[A, B]);
    bench.closed(A);
    bench.retry();
    assert!(warned(&refuse(&mut bench)));
    assert_eq!(dialled(&bench.retry()), [A], "work is running: it goes on trying");
}

#[test]
fn registering_anew_replaces_the_session_and_attempts_under_way() {
    let mut bench = Bench::connected(&[A]);
    for _ in 0..3 {
        let link = bench.link(A);
        let steps = bench.act(Tracker::register_anew);
        assert!(steps.contains(&Step::Do(Effect::Disconnect { link })), "{steps:?}");
        assert_eq!(dialled(&steps), [A]);
        bench.open(A);
    }
}

/// What may be under way from two masters: A leads term 1 and ends, B leads term 2.
#[derive(Debug, Clone, Copy)]
enum Word {
    RegisteredByA,
    ClosedByA,
    AnnouncedByA,
    AnnouncedByB,
    RegisteredByB,
    StandbyAtB,
}

const WORDS: [Word; 6] = [
    Word::RegisteredByA,
    Word::ClosedByA,
    Word::AnnouncedByA,
    Word::AnnouncedByB,
    Word::RegisteredByB,
    Word::StandbyAtB,
];

fn orders(rest: &[Word]) -> Vec<Vec<Word>> {
    if rest.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, word) in rest.iter().enumerate() {
        let others: Vec<Word> = rest.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, w)| *w).collect();
        all.extend(orders(&others).into_iter().map(|mut order| {
            order.insert(0, *word);
            order
        }));
    }
    all
}

fn say(bench: &mut Bench, word: Word) -> Vec<Step> {
    match word {
        Word::RegisteredByA => bench.registered(A, 1),
        Word::ClosedByA => bench.closed(A),
        Word::AnnouncedByA => bench.announced(&leader(A, 1)),
        Word::AnnouncedByB => bench.announced(&leader(B, 2)),
        Word::RegisteredByB => bench.registered(B, 2),
        Word::StandbyAtB => bench.standby(B, Some(&leader(A, 1))),
    }
}

/// SPARK-4592, user-pains 17: all orders of 2 masters × 3 messages, from each state, every retry taken in between or not.
#[test]
fn spark_4592_no_order_of_messages_registers_with_two_masters() {
    let lost = || {
        let mut bench = Bench::connected(&[A, B]);
        bench.closed(A);
        bench
    };
    let starting = || {
        let mut bench = Bench::new(&[A, B]);
        bench.start();
        bench
    };
    let starts: [(&str, &dyn Fn() -> Bench); 3] =
        [("bootstrapping", &starting), ("connected", &|| Bench::connected(&[A, B])), ("lost", &lost)];
    for (name, start) in starts {
        for (order, with_retries) in orders(&WORDS).into_iter().flat_map(|o| [(o.clone(), false), (o, true)]) {
            let mut bench = start();
            for word in &order {
                let mut allowed = allowed_addresses(&bench);
                let mut steps = say(&mut bench, *word);
                allowed.extend(allowed_addresses(&bench));
                if with_retries && bench.connected_to().is_none() {
                    steps.extend(bench.retry());
                }
                let told = format!("{name} {order:?} at {word:?}: {steps:?}");
                assert!(dialled(&steps).iter().all(|to| allowed.contains(to)), "blind registration: {told}");
                let second = bench.tracker.heard().is_some_and(|term| term.epoch == Epoch(2));
                assert!(!second || bench.connected_to().as_deref() != Some(A), "{told}");
                assert!(bench.tracker.links.len() <= if bench.connected_to().is_some() { 1 } else { 2 }, "{told}");
            }
            assert_eq!(bench.tracker.heard().map(|term| term.epoch), Some(Epoch(2)), "{name} {order:?}");
            bench.registered(B, 2);
            if bench.connected_to().is_none() {
                bench.retry();
                bench.registered(B, 2);
            }
            assert_eq!(bench.connected_to().as_deref(), Some(B), "{name} {order:?}");
        }
    }
}

/// Whom the rule allows to ask now: all while nobody has answered, else the leader of the highest term heard of.
fn allowed_addresses(bench: &Bench) -> Vec<&'static str> {
    match (bench.tracker.following(), bench.tracker.heard().map(|term| term.epoch)) {
        (Following::Nobody, _) => vec![A, B],
        (_, Some(Epoch(1))) => vec![A],
        _ => vec![B],
    }
}
