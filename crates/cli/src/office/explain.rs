//! Why there is no leader, who is waited for, and what else is not as it should be: from the picture to sentences, most
//! important first. A pure function, so that every sentence has a test.

use std::collections::BTreeSet;

use serde::Serialize;

use tanist_proto::v1::MasterRole;

use super::books::Books;
use super::picture::{Holder, Picture};
use super::view::{Handover, Member, Office, Pause};
use super::words::{and, count, length, named, since, until};

/// Terms that began within this time are counted as recent.
const RECENT_MS: u64 = 10 * 60 * 1_000;

/// So many recent terms are worth a word: a switchover there and back are two.
const MANY_TERMS: usize = 3;

/// So long after a change of leader a standby may not have heard of it.
const GETS_ROUND_WITHIN_MS: u64 = 2_000;

/// What it comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// A leader is ALIVE, and nothing is missing.
    Fine,
    /// Somebody leads, but not all is well.
    Trouble,
    /// Nobody acts as leader.
    NoLeader,
}

/// How much something matters; in this order it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// It may be why nobody leads.
    NoLeader,
    /// It is not as it should be.
    Trouble,
    /// Worth knowing, and no fault.
    Note,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// Which kind of thing, for programs; these words are stable.
    pub(crate) kind: &'static str,
    /// One plain sentence.
    pub(crate) text: String,
}

/// The whole explanation (`ctl explain`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Explanation {
    pub(crate) verdict: Verdict,
    /// Whether somebody leads, who, and what is waited for: one sentence.
    pub(crate) summary: String,
    /// Who holds the office in its own words.
    pub(crate) leader: Option<Office>,
    /// Most important first.
    pub(crate) findings: Vec<Finding>,
}

/// Explains what was heard. `books` = what the leader's books say, or why they cannot be had; `None` without a leader.
pub(crate) fn explain(picture: &Picture, books: Option<&Result<Books, String>>) -> Explanation {
    let acts = picture.holder.as_ref().filter(|holder| holder.role != MasterRole::Suspended);
    let mut findings = Findings::default();
    match acts {
        None => no_leader(picture, &mut findings),
        Some(holder) => leader(picture, holder, books, &mut findings),
    }
    store(picture, &mut findings);
    identities(picture, &mut findings);
    agreement(picture, &mut findings);
    copies(picture, &mut findings);
    presence(picture, &mut findings);
    remarks(picture, &mut findings);
    let mut findings = findings.0;
    findings.sort_by_key(|finding| finding.level);
    let recovers = acts.is_some_and(|holder| holder.role == MasterRole::Recovering);
    let verdict = match acts {
        None => Verdict::NoLeader,
        Some(_) if recovers || findings.iter().any(|finding| finding.level < Level::Note) => Verdict::Trouble,
        Some(_) => Verdict::Fine,
    };
    let summary = summary(picture, verdict, books);
    Explanation { verdict, summary, leader: picture.holder.as_ref().map(|holder| holder.office.clone()), findings }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn reason(&mut self, kind: &'static str, text: String) {
        self.0.push(Finding { level: Level::NoLeader, kind, text });
    }

    fn trouble(&mut self, kind: &'static str, text: String) {
        self.0.push(Finding { level: Level::Trouble, kind, text });
    }

    fn note(&mut self, kind: &'static str, text: String) {
        self.0.push(Finding { level: Level::Note, kind, text });
    }
}

/// What people call a master: its id, or where it should be.
fn name(member: &Member) -> String {
    member.id.clone().unwrap_or_else(|| format!("the master at {}", member.address))
}

fn summary(picture: &Picture, verdict: Verdict, books: Option<&Result<Books, String>>) -> String {
    let now = picture.now_ms;
    let Some(Holder { office, role, in_role_since_ms, .. }) = &picture.holder else {
        let heard = picture.answering().next().is_some();
        return if heard { "no master leads" } else { "no master answers" }.to_owned();
    };
    let Office { master, term, .. } = office;
    match role {
        MasterRole::Suspended => format!(
            "{master} holds the lead in term {term}, but is SUSPENDED {}: it could not renew it, and acts on nothing until it \
             can; what runs goes on",
            since(*in_role_since_ms, now)
        ),
        MasterRole::Recovering => format!("{master} leads in term {term} and recovers{}", waits(picture)),
        _ => {
            let began = picture.history.iter().rev().find(|term| (term.generation, term.epoch) == office.rank());
            let since = since(began.map_or(*in_role_since_ms, |term| term.began_at_ms), now);
            let (all, up) = (picture.members.len(), picture.answering().count());
            let masters = if up == all { count(all, "master") } else { format!("{up} of {}", count(all, "master")) };
            let workers = match books {
                Some(Ok(books)) => format!(", {}", count(books.workers, "worker")),
                _ => String::new(),
            };
            let there = if verdict == Verdict::Fine { ", all there" } else { "" };
            format!("{master} leads in term {term} {since}; {masters}{workers}{there}")
        }
    }
}

/// `: waits for 2 workers (a, b) and 1 application (c), until … at the latest`
fn waits(picture: &Picture) -> String {
    let Some(holder) = &picture.holder else { return String::new() };
    let who = missing(holder);
    if who.is_empty() {
        return String::new();
    }
    let latest = holder.recovery_until_ms.map(|at| format!(", {} at the latest", until(at, picture.now_ms)));
    format!(": waits for {}{}", and(&who), latest.unwrap_or_default())
}

fn missing(holder: &Holder) -> Vec<String> {
    let kinds = [(&holder.workers_missing, "worker"), (&holder.apps_missing, "application")];
    kinds.into_iter().filter(|(ids, _)| !ids.is_empty()).map(|(ids, one)| named(ids, one)).collect()
}

/// What keeps everybody from leading, as far as the masters say.
fn no_leader(picture: &Picture, findings: &mut Findings) {
    let now = picture.now_ms;
    if let Some(Pause { by, why, until_at_ms }) = &picture.pause {
        let until = until(*until_at_ms, now);
        let text = format!("failover is paused by {by} {until}: {why}; end it with: tanist ctl resume");
        findings.reason("paused", text);
    }
    if let Some(Handover { target, why, until_at_ms }) = &picture.handover {
        findings.reason("handover", format!("the lead is kept for {target} {}: {why}", until(*until_at_ms, now)));
    }
    for member in picture.members.iter().filter(|member| is_silent_leader(member)) {
        let term = picture.latest.as_ref().map(|office| office.term.as_str()).unwrap_or_default();
        let (master, why) = (name(member), why(member));
        let text = format!("{master} was the last to lead, in term {term}, and does not answer{why}");
        findings.reason("leader_silent", text);
    }
    for member in picture.answering().filter(|member| is_standby(member)) {
        let since = since(member.doing_since_ms.unwrap_or(now), now);
        let doing = member.doing.as_deref().unwrap_or("-");
        findings.reason("standing", format!("{} is STANDBY {since}: {doing}", name(member)));
    }
}

fn is_silent_leader(member: &Member) -> bool {
    member.leads && !member.answers
}

/// `: connection refused`, where it is known.
fn why(member: &Member) -> String {
    member.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default()
}

/// What the leader lacks.
fn leader(picture: &Picture, holder: &Holder, books: Option<&Result<Books, String>>, findings: &mut Findings) {
    let master = &holder.office.master;
    let who = missing(holder);
    if holder.role == MasterRole::Alive && !who.is_empty() {
        let text = format!(
            "{master} has not heard of {} since it leads; whoever stays silent is given up after the time-outs of workers and \
             applications",
            and(&who)
        );
        findings.trouble("missing", text);
    }
    match books {
        None => {}
        Some(Err(error)) => findings.trouble("books", format!("{master} does not show its books: {error}")),
        Some(Ok(books)) => {
            if let Some(why) = &books.degraded {
                let text = format!("the store takes no changes, so that {master} can acknowledge none: {why}");
                findings.trouble("degraded", text);
            }
            let not_told = |id: &&String| !holder.workers_missing.contains(id);
            let cut_off: Vec<String> = books.cut_off.iter().filter(not_told).cloned().collect();
            if !cut_off.is_empty() {
                let text = format!(
                    "{} without a session with {master}: gone, cut off, or on its way",
                    named(&cut_off, "worker")
                );
                findings.trouble("cut_off", text);
            }
        }
    }
    if let Some(Pause { by, why, until_at_ms }) = &picture.pause {
        let until = until(*until_at_ms, picture.now_ms);
        let text = format!(
            "failover is paused by {by} {until}: {why}; if {master} goes, nobody takes over before; end it with: tanist ctl resume"
        );
        findings.note("paused", text);
    }
}

/// What is wrong with the store. Masters that say the same are told together, and who has said it already is not.
fn store(picture: &Picture, findings: &mut Findings) {
    let leading = picture.leading().is_some();
    let said = |member: &Member, what: &str| {
        !leading && is_standby(member) && member.doing.as_ref().is_some_and(|doing| doing.contains(what))
    };
    let mut groups: Vec<(&str, u64, Vec<String>)> = Vec::new();
    let troubles = picture.members.iter().filter_map(|member| Some((member, member.trouble.as_ref()?)));
    for (member, trouble) in troubles.filter(|(member, trouble)| !said(member, &trouble.what)) {
        match groups.iter_mut().find(|(what, ..)| *what == trouble.what) {
            Some((_, at, names)) => {
                *at = trouble.since_ms.min(*at);
                names.push(name(member));
            }
            None => groups.push((&trouble.what, trouble.since_ms, vec![name(member)])),
        }
    }
    for (what, at, names) in groups {
        let has = if names.len() == 1 { "has" } else { "have" };
        let since = since(at, picture.now_ms);
        findings.trouble("store", format!("{} {has} trouble with the store {since}: {what}", and(&names)));
    }
    let any = picture.members.iter().any(|member| member.trouble.is_some());
    if let Some(why) = picture.incomplete.as_ref().filter(|_| !any) {
        findings.note("incomplete", format!("no master can tell members and history: {why}"));
    }
    if !picture.quarantined.is_empty() {
        let records = named(&picture.quarantined, "record");
        let text =
            format!("the store holds what cannot be read: {records}, kept under quarantine/ until somebody decides");
        findings.trouble("quarantined", text);
    }
}

/// Ids and clusters that are not what they should be.
fn identities(picture: &Picture, findings: &mut Findings) {
    let answering: Vec<&Member> = picture.answering().collect();
    for (index, member) in answering.iter().enumerate() {
        let before = answering.iter().take(index).find(|other| other.id == member.id);
        if let Some(other) = before {
            let (master, here, there) = (name(member), &other.address, &member.address);
            let text = format!(
                "{master} is the id of two processes, at {here} and at {there}: give each master an --id of its own"
            );
            findings.trouble("same_id", text);
        }
    }
    let clusters = answering.iter().filter_map(|member| member.leader.as_ref()).map(|office| office.cluster.as_str());
    let clusters: BTreeSet<&str> = clusters.collect();
    if clusters.len() > 1 {
        let clusters = clusters.into_iter().collect::<Vec<_>>().join(" and ");
        let text =
            format!("the masters belong to different clusters, {clusters}: check --masters, and the store of each");
        findings.trouble("two_clusters", text);
    }
}

/// Whether all that answer name the same leader.
fn agreement(picture: &Picture, findings: &mut Findings) {
    let Some(latest) = &picture.latest else { return };
    let claims: Vec<String> = picture
        .answering()
        .filter(|member| !is_standby(member))
        .filter_map(|member| Some(format!("{} in term {}", name(member), member.leader.as_ref()?.term)))
        .collect();
    if claims.len() > 1 {
        let text = format!(
            "{} say that they lead: what is not of term {} is refused by the store and by workers, and steps down as soon as \
             it hears so",
            and(&claims),
            latest.term
        );
        findings.trouble("two_leaders", text);
    }
    let just_begun = picture
        .history
        .last()
        .is_some_and(|term| picture.now_ms < term.began_at_ms.saturating_add(GETS_ROUND_WITHIN_MS));
    for member in picture.answering().filter(|member| is_standby(member) && !just_begun) {
        let master = name(member);
        match &member.leader {
            Some(office) if office.rank() == latest.rank() && office.nonce != latest.nonce => {
                let text = format!(
                    "{master} knows another term {} than the rest: was the store restored without a new generation?",
                    latest.term
                );
                findings.trouble("same_term", text);
            }
            Some(office) if office.rank() < latest.rank() => {
                let text = format!("{master} still takes {} in term {} for the leader", office.master, office.term);
                findings.trouble("disagree", text);
            }
            None if picture.holder.is_some() => findings.trouble("disagree", format!("{master} knows of no leader")),
            Some(_) | None => {}
        }
    }
}

fn is_standby(member: &Member) -> bool {
    member.role.as_deref() == Some("STANDBY")
}

/// Copies of the records that differed from the store.
fn copies(picture: &Picture, findings: &mut Findings) {
    for (member, mirror) in picture.members.iter().filter_map(|member| Some((member, member.mirror.as_ref()?))) {
        if mirror.differences > 0 {
            let text = format!(
                "the copy of the records on {} differed from the store in {} of {} compared: a fault of etcd's watches or of \
                 this program, by which nothing was decided",
                name(member),
                mirror.differences,
                mirror.compared
            );
            findings.trouble("mirror", text);
        }
    }
}

/// Masters that should answer and do not, or answer and are not known.
fn presence(picture: &Picture, findings: &mut Findings) {
    for member in &picture.members {
        let (master, at) = (name(member), &member.address);
        if !member.answers && (picture.holder.is_some() || !member.leads) {
            let at = if member.id.is_some() { format!(" at {at}") } else { String::new() };
            findings.trouble("silent", format!("{master} does not answer{at}{}", why(member)));
        }
        if member.answers && member.member == Some(false) {
            let text =
                format!("{master} answers, but the store does not list it as a member: it may be cut off from it");
            findings.trouble("not_a_member", text);
        }
        if member.configured.is_empty() {
            let leads = if member.leads { "leads" } else { "is a member" };
            let text = format!(
                "{master} at {at} {leads}, but is not among the configured masters: who has only this list cannot find it"
            );
            if member.leads { findings.trouble("not_configured", text) } else { findings.note("not_configured", text) }
        }
    }
}

/// What is worth knowing.
fn remarks(picture: &Picture, findings: &mut Findings) {
    let versions: BTreeSet<&String> = picture.members.iter().filter_map(|member| member.version.as_ref()).collect();
    if versions.len() > 1 {
        let version = |member: &Member| Some(format!("{} {}", name(member), member.version.as_ref()?));
        let all: Vec<String> = picture.members.iter().filter_map(version).collect();
        findings.note("versions", format!("the masters are of different versions: {}", all.join(", ")));
    }
    if let Some(holder) = &picture.holder
        && picture.members.len() == 1
    {
        let master = &holder.office.master;
        findings.note("no_standby", format!("there is no other master: if {master} goes, nobody takes over"));
    }
    let recent = picture.history.iter().filter(|term| term.began_at_ms + RECENT_MS > picture.now_ms).count();
    if recent >= MANY_TERMS {
        let text = format!("{recent} terms began within the last {}: see tanist ctl history", length(RECENT_MS));
        findings.note("many_terms", text);
    }
}
