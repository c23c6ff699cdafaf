//! Why there is no leader, who is waited for, and what else is not as it should be: from the picture to sentences, most
//! important first. A pure function, so that every sentence has a test.
//!
//! | file | finds |
//! |---|---|
//! | `leader` | why nobody leads, what the leader lacks, what is wrong with the store |
//! | `masters` | masters that are not as they should be: silent, unknown, of two minds |

mod leader;
mod masters;

use serde::Serialize;

use tanist_proto::v1::MasterRole;

use super::books::Books;
use super::picture::{Holder, Picture};
use super::view::{Member, Office};
use super::words::{and, count, named, since, until};

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
        None => leader::none(picture, &mut findings),
        Some(holder) => leader::lacks(picture, holder, books, &mut findings),
    }
    masters::identities(picture, &mut findings);
    leader::store(picture, &mut findings);
    masters::agreement(picture, &mut findings);
    masters::copies(picture, &mut findings);
    masters::presence(picture, &mut findings);
    masters::remarks(picture, &mut findings);
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

/// `: connection refused`, where it is known.
fn why(member: &Member) -> String {
    member.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default()
}

fn is_standby(member: &Member) -> bool {
    member.role.as_deref() == Some("STANDBY")
}
