//! From the masters' answers to sentences: one row per thing that can be found.

use tanist_proto::v1;
use tanist_proto::v1::MasterRole;

use super::*;

/// When all of it happens: 1970-01-01T01:00:00Z.
const NOW: u64 = 3_600_000;

fn office(master: &str, epoch: u64) -> v1::LeaderInfo {
    v1::LeaderInfo {
        cluster_id: "c".to_owned(),
        term: Some(v1::Term { generation: 0, epoch, nonce: format!("n{epoch}") }),
        master_id: master.to_owned(),
        address: format!("{master}:7077"),
        ui_url: String::new(),
    }
}

fn member(id: &str) -> v1::Member {
    v1::Member {
        master_id: id.to_owned(),
        address: format!("{id}:7077"),
        version: "0.1.0".to_owned(),
        role: "STANDBY".to_owned(),
        started_at_ms: 1_000,
        ..v1::Member::default()
    }
}

/// A standby of m2 in term 0.7, which has begun a minute ago; the members are m1, m2 and m3.
fn standby(id: &str) -> v1::HaReply {
    let term = |epoch: u64, since_ms| v1::TermRecord {
        epoch,
        master_id: "m2".to_owned(),
        since_ms,
        ..v1::TermRecord::default()
    };
    v1::HaReply {
        master_id: id.to_owned(),
        address: format!("{id}:7077"),
        version: "0.1.0".to_owned(),
        started_at_ms: 1_000,
        role: MasterRole::Standby.into(),
        doing: "waits: m2 leads in term 0.7".to_owned(),
        doing_since_ms: NOW - 5_000,
        leader: Some(office("m2", 7)),
        members: vec![member("m1"), member("m2"), member("m3")],
        history: vec![term(6, 0), term(7, NOW - 60_000)],
        ..v1::HaReply::default()
    }
}

fn leads(id: &str, epoch: u64, role: MasterRole) -> v1::HaReply {
    v1::HaReply { role: role.into(), leader: Some(office(id, epoch)), doing: "leads".to_owned(), ..standby(id) }
}

fn said(replies: Vec<v1::HaReply>) -> Vec<Said> {
    let said = |reply: v1::HaReply| Said { address: reply.address.clone(), configured: true, answer: Ok(reply) };
    replies.into_iter().map(said).collect()
}

fn silent(address: &str) -> Said {
    Said { address: address.to_owned(), configured: true, answer: Err("connection refused".to_owned()) }
}

/// m2 leads, m1 and m3 stand by; everybody is configured.
fn healthy() -> Vec<v1::HaReply> {
    vec![standby("m1"), leads("m2", 7, MasterRole::Alive), standby("m3")]
}

/// The same after a change of one of them.
fn healthy_but(index: usize, change: impl FnOnce(&mut v1::HaReply)) -> Vec<Said> {
    let mut replies = healthy();
    change(&mut replies[index]);
    said(replies)
}

fn books() -> Books {
    Books { workers: 4, ..Books::default() }
}

fn explained(said: Vec<Said>) -> Explanation {
    explained_with(said, books())
}

fn explained_with(said: Vec<Said>, books: Books) -> Explanation {
    explain(&Picture::new(said, NOW), Some(&Ok(books)))
}

fn kinds(explanation: &Explanation) -> Vec<&'static str> {
    explanation.findings.iter().map(|finding| finding.kind).collect()
}

#[track_caller]
fn assert_trouble(explanation: &Explanation, kind: &str, words: &[&str]) {
    assert_eq!(explanation.verdict, Verdict::Trouble, "{explanation:#?}");
    assert_told(explanation, kind, words);
}

#[track_caller]
fn assert_told(explanation: &Explanation, kind: &str, words: &[&str]) {
    let texts: Vec<&str> = explanation
        .findings
        .iter()
        .filter(|finding| finding.kind == kind)
        .map(|finding| finding.text.as_str())
        .collect();
    for word in words {
        assert!(texts.iter().any(|text| text.contains(word)), "{kind}: {word:?} is missing in {explanation:#?}");
    }
}

#[test]
fn all_is_well_in_one_sentence() {
    let fine = explained(said(healthy()));
    assert_eq!(fine.verdict, Verdict::Fine);
    assert_eq!(
        fine.summary,
        "m2 leads in term 0.7 since 1970-01-01T00:59:00Z (1 min); 3 masters, 4 workers, all there"
    );
    assert_eq!(fine.findings, []);
    assert_eq!(fine.leader.unwrap().master, "m2");
}

#[test]
fn nobody_answers() {
    let picture = Picture::new(vec![silent("m1:7077"), silent("m2:7077")], NOW);
    let nobody = explain(&picture, None);
    assert_eq!((nobody.verdict, nobody.summary.as_str()), (Verdict::NoLeader, "no master answers"));
    let texts: Vec<&str> = nobody.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "the master at m1:7077 does not answer: connection refused",
            "the master at m2:7077 does not answer: connection refused"
        ]
    );
}

/// What each standby says for itself is among the reasons, whatever else is known.
#[test]
fn nobody_leads_because() {
    let pair = |change: &dyn Fn(&mut v1::HaReply)| {
        let mut replies = vec![standby("m1"), standby("m3")];
        for reply in &mut replies {
            reply.leader = None;
            reply.doing = "stands for election".to_owned();
            reply.members = vec![member("m1"), member("m3")];
            change(reply);
        }
        explain(&Picture::new(said(replies), NOW), None)
    };
    let empty = pair(&|_| {});
    assert_eq!((empty.verdict, empty.summary.as_str()), (Verdict::NoLeader, "no master leads"));
    assert_eq!(kinds(&empty), ["standing", "standing"]);
    assert_eq!(empty.findings[0].text, "m1 is STANDBY since 1970-01-01T00:59:55Z (5 s): stands for election");

    let paused = pair(&|reply| {
        let (by, why) = ("op@h".to_owned(), "disks".to_owned());
        reply.pause = Some(v1::FailoverPause { by, why, until_ms: NOW + 90_000 });
    });
    assert_eq!(kinds(&paused), ["paused", "standing", "standing"]);
    assert_told(&paused, "paused", &["by op@h until 1970-01-01T01:01:30Z (in 1 min 30 s): disks", "tanist ctl resume"]);

    let over = pair(&|reply| {
        reply.pause = Some(v1::FailoverPause { until_ms: NOW, ..v1::FailoverPause::default() });
    });
    assert_eq!(kinds(&over), ["standing", "standing"], "what has expired keeps nobody");

    let reserved = pair(&|reply| {
        let (target, why) = ("m9".to_owned(), "kernel".to_owned());
        reply.handover = Some(v1::PlannedHandover { target, why, until_ms: NOW + 2_000 });
    });
    assert_told(&reserved, "handover", &["the lead is kept for m9 until", "(in 2 s): kernel"]);

    let no_store = pair(&|reply| {
        reply.members.clear();
        reply.history.clear();
        reply.incomplete = Some("etcd cannot be reached".to_owned());
        reply.trouble =
            Some(v1::StoreTrouble { since_ms: NOW - 7_000, what: "e1:2379: connection refused".to_owned() });
    });
    assert_eq!(kinds(&no_store), ["standing", "standing", "store"]);
    assert_told(
        &no_store,
        "store",
        &["m1 and m3 have trouble with the store since", "(7 s): e1:2379: connection refused"],
    );
}

#[test]
fn trouble_that_a_standby_tells_by_itself_is_not_told_again() {
    let told = standby("m1");
    let what = "etcd at e1:2379: no answer".to_owned();
    let told = v1::HaReply {
        leader: None,
        members: vec![member("m1")],
        doing: format!("waits for the store: {what}"),
        trouble: Some(v1::StoreTrouble { since_ms: NOW, what }),
        ..told
    };
    let unread = v1::HaReply {
        trouble: None,
        doing: "stands for election".to_owned(),
        members: Vec::new(),
        incomplete: Some("history: no answer".to_owned()),
        ..told.clone()
    };
    assert_eq!(kinds(&explain(&Picture::new(said(vec![told]), NOW), None)), ["standing"]);
    let unread = explain(&Picture::new(said(vec![unread]), NOW), None);
    assert_eq!(kinds(&unread), ["standing", "incomplete"]);
    assert_told(&unread, "incomplete", &["no master can tell members and history: history: no answer"]);
}

#[test]
fn a_leader_that_died_is_named_until_its_lease_ends() {
    let mut heard = said(vec![standby("m1"), standby("m3")]);
    heard.insert(1, silent("m2:7077"));
    let dead = explain(&Picture::new(heard, NOW), None);
    assert_eq!(kinds(&dead), ["leader_silent", "standing", "standing"]);
    assert_eq!(dead.findings[0].text, "m2 was the last to lead, in term 0.7, and does not answer: connection refused");
    // Somebody who says itself that it stands by is not the leader, whatever others still believe.
    let resigned = Picture::new(said(vec![standby("m1"), standby("m2"), standby("m3")]), NOW);
    assert!(!resigned.members.iter().any(|member| member.leads));
}

#[test]
fn a_suspended_leader_acts_on_nothing() {
    let suspended = healthy_but(1, |reply| {
        reply.role = MasterRole::Suspended.into();
        reply.doing_since_ms = NOW - 12_000;
    });
    let suspended = explain(&Picture::new(suspended, NOW), None);
    assert_eq!(suspended.verdict, Verdict::NoLeader);
    let beginning = "m2 holds the lead in term 0.7, but is SUSPENDED since 1970-01-01T00:59:48Z (12 s)";
    assert!(suspended.summary.starts_with(beginning), "{}", suspended.summary);
}

#[test]
fn a_recovery_says_for_whom_it_waits() {
    let recovering = |missing: bool| {
        healthy_but(1, |reply| {
            reply.role = MasterRole::Recovering.into();
            if missing {
                reply.workers_missing = vec!["w1".to_owned(), "w2".to_owned()];
                reply.apps_missing = vec!["app-1".to_owned()];
                reply.recovery_until_ms = Some(NOW + 8_000);
            }
        })
    };
    let waits = explained(recovering(true));
    assert_eq!(waits.verdict, Verdict::Trouble);
    assert_eq!(
        waits.summary,
        "m2 leads in term 0.7 and recovers: waits for 2 workers (w1, w2) and 1 application (app-1), \
         until 1970-01-01T01:00:08Z (in 8 s) at the latest"
    );
    let about_to_end = explained(recovering(false));
    assert_eq!(
        (about_to_end.verdict, about_to_end.summary.as_str()),
        (Verdict::Trouble, "m2 leads in term 0.7 and recovers")
    );
}

#[test]
fn who_is_missing_after_a_recovery_is_told_once() {
    let missing = healthy_but(1, |reply| reply.workers_missing = vec!["w1".to_owned()]);
    let books = Books {
        workers_cut_off: vec!["w1".to_owned(), "w2".to_owned()],
        apps_cut_off: vec!["app-1".to_owned()],
        ..books()
    };
    let found = explained_with(missing, books);
    assert_eq!(kinds(&found), ["missing", "cut_off"]);
    assert_trouble(&found, "missing", &["m2 has not heard of 1 worker (w1) since it leads"]);
    assert_trouble(&found, "cut_off", &["1 worker (w2) and 1 application (app-1) without a session with m2"]);
    assert!(!found.summary.contains("all there"), "{}", found.summary);
}

#[test]
fn the_books_tell_who_has_a_session() {
    let worker = |id: &str, state: v1::WorkerState, connected| v1::WorkerView {
        worker_id: id.to_owned(),
        state: state.into(),
        connected,
        ..v1::WorkerView::default()
    };
    let app = |id: &str, connected| v1::AppView { app_id: id.to_owned(), connected, ..v1::AppView::default() };
    let state = v1::ClusterState {
        workers: vec![
            worker("w1", v1::WorkerState::Alive, true),
            worker("w2", v1::WorkerState::Alive, false),
            worker("w3", v1::WorkerState::Decommissioned, true),
            worker("w4", v1::WorkerState::Dead, false),
            worker("w5", v1::WorkerState::Unknown, false),
        ],
        apps: vec![app("a1", true), app("a2", false)],
        ..v1::ClusterState::default()
    };
    let wanted = Books {
        workers: 2,
        workers_cut_off: vec!["w2".to_owned()],
        apps_cut_off: vec!["a2".to_owned()],
        degraded: None,
    };
    assert_eq!(Books::from(state), wanted);
}

#[test]
fn a_store_that_takes_no_changes_and_books_that_cannot_be_had() {
    let full = explained_with(said(healthy()), Books { degraded: Some("no space".to_owned()), ..books() });
    assert_trouble(&full, "degraded", &["the store takes no changes, so that m2 can acknowledge none: no space"]);
    let mute = explain(&Picture::new(said(healthy()), NOW), Some(&Err("no answer".to_owned())));
    assert_trouble(&mute, "books", &["m2 does not show its books: no answer"]);
    assert!(mute.summary.ends_with("3 masters"), "{}", mute.summary);
}

#[test]
fn what_cannot_be_read_is_named() {
    let quarantine =
        |reply: &mut v1::HaReply| reply.quarantined = vec!["state/apps/a".to_owned(), "state/apps/b".to_owned()];
    let found = explained(healthy_but(1, quarantine));
    assert_trouble(&found, "quarantined", &["2 records (state/apps/a, state/apps/b)", "quarantine/"]);
}

#[test]
fn trouble_of_one_standby_does_not_hide_the_leader() {
    let found = explained(healthy_but(0, |reply| {
        reply.trouble = Some(v1::StoreTrouble { since_ms: NOW - 1_000, what: "no answer".to_owned() });
    }));
    assert_trouble(&found, "store", &["m1 has trouble with the store since", "no answer"]);
    assert!(found.summary.starts_with("m2 leads in term 0.7"));
}

#[test]
fn two_processes_with_one_id() {
    let found = explained(healthy_but(2, |reply| reply.master_id = "m1".to_owned()));
    assert_trouble(&found, "same_id", &["m1 is the id of two processes, at m1:7077 and at m3:7077", "--id"]);
}

#[test]
fn one_process_under_two_addresses_is_one_master() {
    let mut heard = said(healthy());
    heard.push(Said { address: "10.0.0.1:7077".to_owned(), configured: true, answer: Ok(standby("m1")) });
    let picture = Picture::new(heard, NOW);
    assert_eq!(picture.members.len(), 3);
    assert_eq!(picture.members[0].configured, ["m1:7077", "10.0.0.1:7077"]);
    assert_eq!(explain(&picture, None).findings, []);
}

#[test]
fn masters_that_disagree() {
    let behind = explained(healthy_but(2, |reply| reply.leader = Some(office("m1", 6))));
    assert_trouble(&behind, "disagree", &["m3 still takes m1 in term 0.6 for the leader"]);
    let ignorant = explained(healthy_but(2, |reply| reply.leader = None));
    assert_trouble(&ignorant, "disagree", &["m3 knows of no leader"]);
    let other_nonce = explained(healthy_but(2, |reply| {
        let leader = reply.leader.as_mut().unwrap();
        leader.term.as_mut().unwrap().nonce = "x".to_owned();
    }));
    assert_trouble(&other_nonce, "same_term", &["m3 knows another term 0.7 than the rest"]);
    let just_begun = explained(healthy_but(2, |reply| {
        reply.leader = None;
        reply.history.push(v1::TermRecord { epoch: 8, since_ms: NOW - 1_900, ..v1::TermRecord::default() });
    }));
    assert!(!kinds(&just_begun).contains(&"disagree"), "news takes a moment to get round: {just_begun:#?}");
    let foreign = explained(healthy_but(2, |reply| {
        *reply = leads("m3", 6, MasterRole::Alive);
        reply.leader.as_mut().unwrap().cluster_id = "d".to_owned();
    }));
    assert_eq!(kinds(&foreign), ["two_clusters"], "each may have its own leader");
    assert_trouble(&foreign, "two_clusters", &["different clusters, c and d"]);
}

#[test]
fn two_that_say_they_lead() {
    let mut replies = healthy();
    replies[0] = leads("m1", 6, MasterRole::Alive);
    let picture = Picture::new(said(replies), NOW);
    let leading: Vec<_> =
        picture.members.iter().filter(|member| member.leads).map(|member| member.id.clone()).collect();
    assert_eq!(leading, [Some("m2".to_owned())], "the later term");
    let found = explain(&picture, None);
    let words = "m1 in term 0.6 and m2 in term 0.7 say that they lead: what is not of term 0.7 is refused";
    assert_trouble(&found, "two_leaders", &[words]);
    assert_eq!(found.leader.unwrap().term, "0.7");
}

#[test]
fn copies_that_differed() {
    let mirror = |differences| Some(v1::Mirror { records: 9, revision: 40, compared: 300, differences });
    let found = explained(healthy_but(0, |reply| reply.mirror = mirror(2)));
    assert_trouble(&found, "mirror", &["on m1 differed from the store in 2 of 300"]);
    assert_eq!(explained(healthy_but(0, |reply| reply.mirror = mirror(0))).verdict, Verdict::Fine);
}

#[test]
fn masters_that_are_not_there() {
    // A member that does not answer, and an address of which nothing is known.
    let mut heard = said(healthy());
    heard[2] = silent("m3:7077");
    heard.push(silent("m4:7077"));
    let picture = Picture::new(heard, NOW);
    let rows: Vec<_> = picture.members.iter().map(|m| (m.id.as_deref(), m.member, m.answers)).collect();
    let known = Some(true);
    assert_eq!(
        rows,
        [(Some("m1"), known, true), (Some("m2"), known, true), (Some("m3"), known, false), (None, None, false)]
    );
    let found = explain(&picture, Some(&Ok(books())));
    assert_eq!(kinds(&found), ["silent", "silent"]);
    assert_trouble(
        &found,
        "silent",
        &["m3 does not answer at m3:7077: connection refused", "the master at m4:7077 does not"],
    );
    assert!(found.summary.ends_with("; 2 of 4 masters, 4 workers"), "{}", found.summary);
}

#[test]
fn a_master_that_the_store_does_not_list() {
    let mut replies = healthy();
    for reply in &mut replies {
        reply.members.truncate(2);
    }
    assert_trouble(&explained(said(replies)), "not_a_member", &["m3 answers, but the store does not list it"]);
}

#[test]
fn masters_that_are_not_configured() {
    let mut heard = said(healthy());
    heard[2].configured = false;
    let found = explained(heard);
    assert_eq!((found.verdict, kinds(&found)), (Verdict::Fine, vec!["not_configured"]));
    let mut heard = said(healthy());
    heard[1].configured = false;
    assert_trouble(
        &explained(heard),
        "not_configured",
        &["m2 at m2:7077 leads, but is not among the configured masters"],
    );
    // Whom the answers name and nobody has asked yet.
    let heard = said(vec![standby("m1")]);
    assert_eq!(Picture::unasked(&heard), ["m2:7077", "m3:7077"]);
    assert_eq!(Picture::unasked(&said(healthy())), Vec::<String>::new());
}

#[test]
fn remarks_are_no_trouble() {
    let paused = explained(healthy_but(0, |reply| {
        reply.pause = Some(v1::FailoverPause { by: "op".to_owned(), why: "x".to_owned(), until_ms: NOW + 1_000 });
    }));
    assert_eq!((paused.verdict, kinds(&paused)), (Verdict::Fine, vec!["paused"]));
    assert_told(&paused, "paused", &["if m2 goes, nobody takes over before", "tanist ctl resume"]);

    let mut heard = healthy_but(0, |reply| {
        reply.pause = Some(v1::FailoverPause { by: "op".to_owned(), why: "x".to_owned(), until_ms: NOW + 1_000 });
    });
    heard[2] = silent("m3:7077");
    assert_eq!(kinds(&explained(heard)), ["silent", "paused"], "trouble is told before");

    let idle = explained_with(said(healthy()), Books::default());
    assert_eq!((idle.verdict, kinds(&idle)), (Verdict::Fine, vec!["no_worker"]));

    let mixed = explained(healthy_but(2, |reply| reply.version = "0.2.0".to_owned()));
    assert_eq!((mixed.verdict, kinds(&mixed)), (Verdict::Fine, vec!["versions"]));
    assert_told(&mixed, "versions", &["m1 0.1.0, m2 0.1.0, m3 0.2.0"]);

    let mut alone = leads("m2", 7, MasterRole::Alive);
    alone.members = vec![member("m2")];
    let alone = explained(said(vec![alone]));
    assert_eq!((alone.verdict, kinds(&alone)), (Verdict::Fine, vec!["no_standby"]));
    assert!(alone.summary.ends_with("1 master, 4 workers, all there"), "{}", alone.summary);

    let busy = explained(healthy_but(1, |reply| {
        let recent = |epoch| v1::TermRecord { epoch, since_ms: NOW - 60_000, ..v1::TermRecord::default() };
        reply.history = vec![recent(5), recent(6), recent(7)];
    }));
    assert_eq!((busy.verdict, kinds(&busy)), (Verdict::Fine, vec!["many_terms"]));
}

#[test]
fn the_history_is_that_of_whoever_knows_most() {
    let mut replies = healthy();
    replies[0].history.clear();
    replies[0].incomplete = Some("only the leader can read it".to_owned());
    let picture = Picture::new(said(replies), NOW);
    let terms: Vec<_> = picture.history.iter().map(|term| term.term.as_str()).collect();
    assert_eq!((terms, picture.incomplete), (vec!["0.6", "0.7"], None));
}

/// Whoever meets a kind of finding finds it in the manual.
#[test]
fn every_kind_of_finding_is_in_the_manual() {
    let manual = include_str!("../../../../docs/operating.md");
    let sources = [include_str!("explain/leader.rs"), include_str!("explain/masters.rs")].concat();
    let calls = ["findings.reason(\"", "findings.trouble(\"", "findings.note(\""];
    let kinds = calls.iter().flat_map(|call| sources.split(call).skip(1)).filter_map(|rest| rest.split('"').next());
    let kinds: std::collections::BTreeSet<&str> = kinds.collect();
    assert!(kinds.len() > 20, "they were found: {kinds:?}");
    for kind in kinds {
        assert!(manual.contains(&format!("| `{kind}` |")), "{kind} is not in docs/operating.md");
    }
}

/// Programs rely on these names: add to the lists, never change them.
#[test]
fn json_field_names_stay() {
    fn keys(item: &impl serde::Serialize) -> Vec<String> {
        let value = serde_json::to_value(item).unwrap();
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    }
    fn words(text: &str) -> Vec<String> {
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.sort();
        words
    }
    let picture = Picture::new(said(healthy()), NOW);
    assert_eq!(
        keys(&picture.members[0]),
        words(
            "id address configured member leads role version started_at_ms answers error doing doing_since_ms leader trouble \
             incomplete mirror counts"
        )
    );
    assert_eq!(keys(picture.latest.as_ref().unwrap()), words("master address cluster term generation epoch"));
    assert_eq!(
        keys(&picture.history[0]),
        words("term generation epoch master address began_at_ms began ended_at_ms ended recovery")
    );
    let explanation = explain(&picture, None);
    assert_eq!(keys(&explanation), words("verdict summary leader findings"));
    let silent = explain(&Picture::new(vec![silent("m1:1")], NOW), None);
    assert_eq!(keys(&silent.findings[0]), words("level kind text"));
    let json = serde_json::to_value(&silent).unwrap();
    assert_eq!((&json["verdict"], &json["findings"][0]["level"]), (&"no_leader".into(), &"trouble".into()));
}
