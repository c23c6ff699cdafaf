//! Why nobody leads, what the leader lacks, and what is wrong with the store.

use tanist_proto::v1::MasterRole;

use super::{Findings, is_standby, missing, name, why};
use crate::office::books::Books;
use crate::office::picture::{Holder, Picture};
use crate::office::view::{Handover, Member, Pause};
use crate::office::words::{and, named, since, until};

/// What keeps everybody from leading, as far as the masters say.
pub(super) fn none(picture: &Picture, findings: &mut Findings) {
    let now = picture.now_ms;
    if let Some(Pause { by, why, until_at_ms }) = &picture.pause {
        let until = until(*until_at_ms, now);
        let text = format!("failover is paused by {by} {until}: {why}; end it with: tanist ctl resume");
        findings.reason("paused", text);
    }
    if let Some(Handover { target, why, until_at_ms }) = &picture.handover {
        findings.reason("handover", format!("the lead is kept for {target} {}: {why}", until(*until_at_ms, now)));
    }
    for member in picture.members.iter().filter(|member| member.leads && !member.answers) {
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

/// What the leader lacks.
pub(super) fn lacks(
    picture: &Picture,
    holder: &Holder,
    books: Option<&Result<Books, String>>,
    findings: &mut Findings,
) {
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
            let kinds = [
                (&books.workers_cut_off, &holder.workers_missing, "worker"),
                (&books.apps_cut_off, &holder.apps_missing, "application"),
            ];
            let not_told = kinds.map(|(all, told, one)| {
                let rest: Vec<String> = all.iter().filter(|id| !told.contains(id)).cloned().collect();
                (!rest.is_empty()).then(|| named(&rest, one))
            });
            let cut_off: Vec<String> = not_told.into_iter().flatten().collect();
            if !cut_off.is_empty() {
                let text = format!("{} without a session with {master}: gone, cut off, or on the way", and(&cut_off));
                findings.trouble("cut_off", text);
            }
            if books.workers == 0 && books.workers_cut_off.is_empty() && holder.workers_missing.is_empty() {
                findings.note("no_worker", "no worker is registered: nothing can run".to_owned());
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
pub(super) fn store(picture: &Picture, findings: &mut Findings) {
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
