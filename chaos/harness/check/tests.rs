//! For each property a history that breaks it, and one that does not.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::clock::{Boot, Wall};
use crate::cluster::PREFIX;
use crate::history::{Change, Changed, End, Fault, Life, Request, Role, Setting, Who};

/// A history by hand: seconds since the machine was started, work is up at 10, faults are over at 40, the end is at 60.
/// Beside it, when each worker gets its probe in the end.
#[derive(Clone)]
struct Told(Histories, Vec<(&'static str, f64)>);

fn at(seconds: f64) -> Boot {
    Boot(0) + Duration::from_secs_f64(seconds)
}

/// A history in which m1 leads from the first second, all three workers get their probes, and nothing else happens.
fn told() -> Told {
    let setting = Setting {
        lease: Duration::from_secs(5),
        worker_timeout: Duration::from_secs(20),
        cores: 2,
        workers: ["w1", "w2"].map(str::to_owned).into(),
        patience: 1,
    };
    let ends = (Some(at(10.0)), Some(at(40.0)), Some(at(60.0)));
    let told =
        Histories { setting, began: ends.0, calm: ends.1, finished: ends.2, complete: Some(1), ..Histories::default() };
    Told(told, vec![("w1", 41.0), ("w2", 42.0)]).leads(1, "m1", 1.0)
}

impl Told {
    fn put(mut self, key: &str, epoch: u64, record: &Value, second: f64) -> Self {
        let value = json!({ "v": 1, "epoch": epoch, "nonce": format!("n{epoch}"), "record": record });
        self.change(key, Change::Put(value.to_string()), second);
        self
    }

    fn delete(mut self, key: &str, second: f64) -> Self {
        self.change(key, Change::Delete, second);
        self
    }

    fn change(&mut self, key: &str, change: Change, second: f64) {
        let revision = self.0.changes.last().map_or(2, |last| last.revision + 1);
        self.0.changes.push(Changed { revision, at: at(second), key: format!("{PREFIX}{key}"), change });
        self.0.complete = self.0.complete.map(|_| revision);
    }

    fn leads(self, epoch: u64, master: &str, second: f64) -> Self {
        self.put("ha/leader", epoch, &json!({ "master": master }), second)
    }

    fn placed(self, driver: &str, attempt: u64, worker: &str, epoch: u64, second: f64) -> Self {
        let placement = json!({ "worker": worker, "epoch": epoch, "started": true });
        let record =
            json!({ "id": driver, "request": format!("of-{driver}"), "attempt": attempt, "placement": placement });
        self.put(&format!("state/drivers/{driver}"), epoch, &record, second)
    }

    fn lives(
        mut self,
        (driver, attempt): (&str, u64),
        role: Role,
        host: &str,
        (from, to): (f64, f64),
        end: Option<End>,
    ) -> Self {
        let who = Who::Driver { driver: driver.to_owned(), attempt };
        let (start, alive) = (at(from), at(to));
        self.0.lives.push(Life { host: host.to_owned(), who, role, cores: 1, start, alive, end });
        self
    }

    fn executor(mut self, (app, executor): (&str, u64), host: &str, (from, to): (f64, f64), end: Option<End>) -> Self {
        let (who, start, alive) = (Who::Executor { app: app.to_owned(), executor }, at(from), at(to));
        self.0.lives.push(Life { host: host.to_owned(), who, role: Role::Executor, cores: 1, start, alive, end });
        self
    }

    fn answered(mut self, request: &str, role: Role, driver: &str, second: f64) -> Self {
        let answered = Some((at(second), driver.to_owned()));
        let asked = Request { role, intended: at(second - 0.1), answered, refused: None, failures: 0 };
        self.0.requests.insert(request.to_owned(), asked);
        self
    }

    /// A driver from its submission to its end, in the epoch of the last leader.
    fn job(self, driver: &str, role: Role, host: &str, second: f64) -> Self {
        let epoch = Ledger::of(&self.0.changes).tenures.last().unwrap().epoch;
        self.answered(&format!("of-{driver}"), role, driver, second)
            .placed(driver, 1, host, epoch, second)
            .lives((driver, 1), role, host, (second, second + 0.3), Some(End::Done))
            .delete(&format!("state/drivers/{driver}"), second + 0.4)
            .put(&format!("done/drivers/{driver}"), epoch, &json!({ "id": driver }), second + 0.4)
    }

    /// A driver that runs to the end.
    fn steady(self, driver: &str, role: Role, host: &str) -> Self {
        self.answered(&format!("of-{driver}"), role, driver, 5.0).placed(driver, 1, host, 1, 5.0).lives(
            (driver, 1),
            role,
            host,
            (5.0, 60.0),
            None,
        )
    }

    fn fault(mut self, text: &str, hosts: &[&str], from: f64, to: f64) -> Self {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        let (text, to) = (text.to_owned(), Some(at(to)));
        self.0.faults.push(Fault { text, hosts, leader: None, from: at(from), wall: Wall(0), to, botched: None });
        self
    }

    /// All findings, once the probes have run.
    fn findings(&self) -> Vec<Finding> {
        let mut whole = self.clone();
        for (worker, second) in &self.1 {
            whole = whole.job(&format!("probe-{worker}"), Role::Probe, worker, *second);
        }
        check(&whole.0)
    }

    fn verdict(&self, property: &str) -> Verdict {
        self.findings().into_iter().find(|finding| finding.property == property).unwrap().verdict
    }

    #[track_caller]
    fn breaks(&self, property: &str, wanted: &str) {
        match self.verdict(property) {
            Verdict::Violated(cases) => {
                assert!(cases.iter().any(|case| case.contains(wanted)), "{wanted:?}: {cases:?}");
            }
            other => panic!("{property} is {other:?}"),
        }
        let broken = self.findings().into_iter().filter(Finding::is_violated).map(|finding| finding.property);
        assert_eq!(broken.collect::<Vec<_>>(), [property], "that one alone");
    }

    #[track_caller]
    fn keeps(&self, property: &str) {
        assert!(matches!(self.verdict(property), Verdict::Held(_)), "{property}: {:?}", self.verdict(property));
        let broken: Vec<Finding> = self.findings().into_iter().filter(Finding::is_violated).collect();
        assert!(broken.is_empty(), "{broken:?}");
    }
}

#[test]
fn a_quiet_run_holds_and_says_what_it_cannot_tell() {
    let told = told().steady("d1", Role::Plain, "w1");
    let left_open = told.findings().into_iter().filter(|finding| matches!(finding.verdict, Verdict::NotJudged(_)));
    assert_eq!(left_open.map(|finding| finding.property).collect::<Vec<_>>(), ["S8", "S10", "L4"]);
    told.keeps("S1");
}

#[test]
fn s1_epochs_of_writes_never_fall() {
    let two = || told().delete("ha/leader", 20.0).leads(2, "m2", 21.0);
    two().placed("d2", 1, "w1", 2, 22.0).lives(("d2", 1), Role::Plain, "w1", (22.0, 60.0), None).keeps("S1");
    let late = two().put("state/apps/a", 2, &json!({}), 22.0).put("state/apps/b", 1, &json!({}), 23.0);
    assert!(matches!(late.verdict("S1"), Verdict::Violated(_)));
    told().delete("ha/leader", 20.0).leads(1, "m2", 21.0).breaks("S1", "m2 took the lead in epoch 1, after epoch 1");
}

#[test]
fn s2_only_the_term_in_office_writes_and_launches() {
    let between = told().delete("ha/leader", 20.0).put("state/apps/a", 1, &json!({}), 20.5).leads(2, "m2", 21.0);
    between.breaks("S2", "state/apps/a was written by a term of epoch 1 at revision");
    let launched = told().lives(("d2", 1), Role::Job, "w1", (20.0, 20.3), Some(End::Done));
    launched.breaks("S2", "d2 attempt 1 was started on w1, and no leader has ever committed that");
    told().job("d2", Role::Job, "w1", 20.0).keeps("S2");
    // Somebody else's key, and a record that is none, prove nothing.
    let mut foreign = told();
    foreign.change("state/apps/broken", Change::Put("no record".to_owned()), 20.0);
    foreign.keeps("S2");
}

#[test]
fn s3_what_is_acknowledged_is_there_once() {
    told().job("d2", Role::Job, "w1", 20.0).keeps("S3");
    let never = told().answered("r", Role::Job, "d2", 20.0);
    assert!(
        matches!(never.verdict("S3"), Verdict::Violated(cases) if cases[0].contains("no such record was ever written"))
    );
    let gone =
        told().answered("of-d2", Role::Job, "d2", 20.0).placed("d2", 1, "w1", 1, 20.0).delete("state/drivers/d2", 21.0);
    assert!(matches!(gone.verdict("S3"), Verdict::Violated(cases) if cases[0].contains("gone without having ended")));
    let twice = told().job("d2", Role::Job, "w1", 20.0);
    let record = json!({ "id": "d3", "request": "of-d2", "attempt": 0, "placement": null });
    let twice = twice.put("state/drivers/d3", 1, &record, 22.0).delete("state/drivers/d3", 23.0);
    twice.breaks("S3", "request of-d2 has led to 2 drivers");
}

#[test]
fn s4_a_driver_lives_once() {
    let again = |role, second_start| {
        let first = told().fault("cut w1 from masters for 15s", &["m1", "w1"], 12.0, 39.0);
        let first = first.answered("of-d2", role, "d2", 5.0).placed("d2", 1, "w1", 1, 5.0);
        let first = first.lives(("d2", 1), role, "w1", (5.0, 39.5), Some(End::Asked));
        first.placed("d2", 2, "w2", 1, 33.0).lives(("d2", 2), role, "w2", (second_start, 60.0), None)
    };
    again(Role::Once, 33.0)
        .breaks("S4", "d2 attempt 1 on w1 and d2 attempt 2 on w2 lived at the same time, for 6500 ms");
    again(Role::Once, 39.6).keeps("S4");
    again(Role::Supervised, 33.0).keeps("S4");
    let mut untouched = again(Role::Supervised, 33.0);
    untouched.0.faults.clear();
    assert!(matches!(untouched.verdict("S4"), Verdict::Violated(_)), "its worker could be reached");
}

#[test]
fn s5_a_worker_follows_no_lower_epoch() {
    let two = || told().placed("old", 1, "w1", 1, 19.0).delete("ha/leader", 20.0).leads(2, "m2", 21.0);
    let two = || two().answered("of-old", Role::Plain, "old", 19.0).job("new", Role::Job, "w1", 22.0);
    two().lives(("old", 1), Role::Plain, "w1", (25.0, 60.0), None).breaks("S5", "old attempt 1 for epoch 1 after");
    two().lives(("old", 1), Role::Plain, "w1", (23.0, 60.0), None).keeps("S5");
}

#[test]
fn s6_what_has_ended_stays_so() {
    told().job("d2", Role::Job, "w1", 20.0).keeps("S6");
    let rewritten =
        told().job("d2", Role::Job, "w1", 20.0).placed("d2", 1, "w1", 1, 30.0).delete("state/drivers/d2", 30.1);
    rewritten.breaks("S6", "state/drivers/d2 was written at revision");
    let restarted =
        told().job("d2", Role::Job, "w1", 20.0).lives(("d2", 1), Role::Job, "w1", (30.0, 30.3), Some(End::Done));
    restarted.breaks("S6", "d2 attempt 1 was started on w1 after its driver had ended");
}

#[test]
fn s7_a_worker_is_not_overbooked_and_the_books_are_true() {
    let two = || told().steady("d1", Role::Plain, "w2").job("j1", Role::Job, "w2", 20.0);
    two().job("j2", Role::Job, "w2", 21.0).keeps("S7");
    two().job("j2", Role::Job, "w2", 20.1).breaks("S7", "3 cores were in use on w2, which has 2");
    let unbooked = told().job("d2", Role::Job, "w1", 20.0).lives(("d2", 1), Role::Job, "w1", (21.0, 60.0), None);
    unbooked.breaks("S7", "d2 attempt 1 on w1 runs at the end and is in no book");
    let booked = told().fault("restart w1", &["w1"], 30.0, 30.5).answered("of-d2", Role::Plain, "d2", 20.0);
    let booked = booked.placed("d2", 1, "w1", 1, 20.0).lives(("d2", 1), Role::Plain, "w1", (20.0, 30.0), None);
    assert!(
        matches!(booked.verdict("S7"), Verdict::Violated(cases) if cases[0].contains("is in the books at the end"))
    );
}

#[test]
fn s7_executors_fit_and_are_in_the_books() {
    let record = |below: u64, cores: u64| json!({ "executor_ids_below": below, "description": { "max_cores": cores } });
    let app = |below, cores| told().put("state/apps/a", 1, &record(below, cores), 5.0);
    let run = |told: Told, executor, host, from, to, end| told.executor(("a", executor), host, (from, to), end);
    let two = |told| run(run(told, 0, "w1", 6.0, 60.0, None), 1, "w2", 6.0, 60.0, None);
    two(app(16, 2)).keeps("S7");
    // Room for one more, as long as that is not two.
    two(app(16, 2)).job("j1", Role::Job, "w1", 20.0).keeps("S7");
    let crowded = two(app(16, 2)).job("j1", Role::Job, "w1", 20.0).job("j2", Role::Job, "w1", 20.1);
    crowded.breaks("S7", "3 cores were in use on w1, which has 2");
    // What has ended is in nobody's way, and needs no book.
    run(two(app(16, 2)), 2, "w1", 10.0, 30.0, Some(End::Asked)).fault("restart w1", &["w1"], 29.0, 31.0).keeps("S7");
    two(app(16, 1)).breaks("S7", "executors of a use 2 cores at the end, and may use 1");
    // The one on a drained worker has been replaced already.
    let drained = two(app(16, 1)).fault("drain w1", &["w1"], 15.0, 15.1);
    Told(drained.0, vec![("w2", 42.0)]).keeps("S7");
    two(app(1, 2)).breaks("S7", "executor 1 of a on w2 runs at the end, and that id was never given out");
    two(told()).breaks("S7", "executor 0 of a on w1 runs at the end, and its application is in no book");
    let ended = two(app(16, 2)).delete("state/apps/a", 50.0).put("done/apps/a", 1, &json!({ "id": "a" }), 50.0);
    ended.breaks("S7", "executor 1 of a on w2 runs at the end, and its application is in no book");
    let twice = run(two(app(16, 3)), 1, "w1", 20.0, 60.0, None);
    twice.breaks("S7", "executor 1 of a runs twice at the end, on w2 and on w1");
}

#[test]
fn s8_drained_workers_get_nothing() {
    let drained = |second| told().fault("drain w1", &["w1"], 15.0, 15.1).job("d2", Role::Job, "w1", second);
    let without_probe = |told: Told| Told(told.0, vec![("w2", 42.0)]);
    without_probe(drained(16.0)).keeps("S8");
    without_probe(drained(20.0)).breaks("S8", "d2 attempt 1 was started on w1 after that had been drained");
}

#[test]
fn s9_work_goes_on() {
    let ended = |role, end| {
        let told = told().answered("of-d2", role, "d2", 5.0).placed("d2", 1, "w1", 1, 5.0);
        let told = told.lives(("d2", 1), role, "w1", (5.0, 30.0), end).delete("state/drivers/d2", 31.0);
        told.put("done/drivers/d2", 1, &json!({}), 31.0)
    };
    ended(Role::Plain, Some(End::Asked)).breaks("S9", "d2 attempt 1 on w1 was told to end at 20.00 s");
    ended(Role::Plain, None).breaks("S9", "was killed");
    ended(Role::Plain, Some(End::Done)).keeps("S9");
    ended(Role::Plain, None).fault("kill w1 for 3s", &["w1"], 29.9, 33.0).keeps("S9");
    ended(Role::Plain, None).fault("kill w2 for 3s", &["w2"], 29.9, 33.0).breaks("S9", "was killed");
    ended(Role::Plain, None).fault("cut w1 from m1 for 25s", &["m1", "w1"], 5.0, 30.0).keeps("S9");
    ended(Role::Plain, None).fault("cut w1 from m1 for 2s", &["m1", "w1"], 28.0, 30.0).breaks("S9", "was killed");
    // Who asks to be ended in isolation is, even if nobody has touched its worker.
    ended(Role::Once, Some(End::Asked)).fault("kill etcd for 15s", &["e1"], 14.0, 29.0).keeps("S9");
    ended(Role::Supervised, Some(End::Asked))
        .fault("kill etcd for 15s", &["e1"], 14.0, 29.0)
        .breaks("S9", "told to end");
}

#[test]
fn s10_quarantine_is_kept() {
    let found = || told().put("quarantine/state/apps/a", 1, &json!({}), 20.0);
    found().keeps("S10");
    found().delete("quarantine/state/apps/a", 25.0).breaks("S10", "quarantine/state/apps/a was deleted at revision");
}

#[test]
fn l1_one_leader_answers_in_time() {
    told().keeps("L1");
    let changes = || told().delete("ha/leader", 52.0).leads(2, "m2", 53.0);
    changes().breaks("L1", "m2 took the lead 13.0 s after faults ended");
    let mut late = told();
    late.1 = vec![("w1", 49.0), ("w2", 49.0)];
    late.breaks("L1", "the first answer came 9.0 s after faults ended, not within 8.0 s");
    late.0.setting.patience = 2;
    late.keeps("L1");
    let headless = told().delete("ha/leader", 45.0).verdict("L1");
    assert!(matches!(headless, Verdict::Violated(cases) if cases == ["nobody led at the end"]));
}

#[test]
fn l2_all_workers_are_adopted_in_time() {
    told().keeps("L2");
    let mut late = told();
    late.1[1].1 = 50.5;
    late.breaks("L2", "w2 got work 10.5 s after faults ended, not within 10.0 s");
    late.1.pop();
    assert!(matches!(late.verdict("L2"), Verdict::Violated(cases) if cases[0].contains("w2 has not got the work")));
}

#[test]
fn l3_what_is_pending_runs() {
    told().steady("d1", Role::Plain, "w1").keeps("L3");
    let record = json!({ "request": "of-d2", "attempt": 0, "placement": null });
    let waits = told().answered("of-d2", Role::Job, "d2", 20.0).put("state/drivers/d2", 1, &record, 20.0);
    waits.breaks("L3", "d2 of request of-d2 neither runs nor has ended");
    let mut unanswered = told().answered("r", Role::Job, "d2", 20.0);
    unanswered.0.requests.get_mut("r").unwrap().answered = None;
    unanswered.breaks("L3", "request r was never answered");
}

#[test]
fn l4_a_pause_ends() {
    let paused = |next| {
        let told = told().fault("pause for 10s", &[], 15.0, 25.0).delete("ha/leader", 20.0);
        told.leads(2, "m2", next)
    };
    paused(26.0).keeps("L4");
    paused(35.0).breaks("L4", "nobody took the lead within 8.0 s after a pause had ended");
    paused(35.0).fault("kill etcd for 5s", &["e1"], 28.0, 34.0).keeps("L4");
}

#[test]
fn holes_in_the_store_s_history_leave_open_what_rests_on_it() {
    let mut missed = told();
    missed.0.missed.push((3, 5));
    let mut skipped = told().put("ha/epoch", 1, &json!({}), 20.0);
    skipped.0.changes.last_mut().unwrap().revision += 1;
    let mut unfinished = told();
    unfinished.0.complete = None;
    for (told, wanted) in
        [(missed, "revisions 3 to 5 were forgotten"), (skipped, "was not seen"), (unfinished, "the end of")]
    {
        for property in ["S1", "S2", "S3", "S6"] {
            assert!(matches!(told.verdict(property), Verdict::NotJudged(why) if why.contains(wanted)), "{property}");
        }
    }
    let mut interrupted = told();
    interrupted.0.finished = None;
    assert!(interrupted.findings().iter().all(|finding| matches!(finding.verdict, Verdict::NotJudged(_))));
}
