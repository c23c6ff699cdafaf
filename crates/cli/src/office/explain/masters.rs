//! Masters that are not as they should be: silent, unknown, of two minds.

use std::collections::BTreeSet;

use super::{Findings, is_standby, name, why};
use crate::office::picture::Picture;
use crate::office::view::{Member, Office};
use crate::office::words::{and, length};

/// Terms that began within this time are counted as recent.
const RECENT_MS: u64 = 10 * 60 * 1_000;

/// So many recent terms are worth a word: a switchover there and back are two.
const MANY_TERMS: usize = 3;

/// So long after a change of leader a standby may not have heard of it.
const GETS_ROUND_WITHIN_MS: u64 = 2_000;

/// Ids and clusters that are not what they should be.
pub(super) fn identities(picture: &Picture, findings: &mut Findings) {
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

/// Whether all that answer name the same leader. Those of another cluster have another one, and are told of elsewhere.
pub(super) fn agreement(picture: &Picture, findings: &mut Findings) {
    let Some(latest) = &picture.latest else { return };
    let ours = |member: &&Member| member.leader.as_ref().is_none_or(|office| office.cluster == latest.cluster);
    let claims: Vec<String> = picture
        .answering()
        .filter(|member| ours(member) && !is_standby(member))
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
    let last = picture.history.last();
    if last.is_some_and(|term| picture.now_ms < term.began_at_ms.saturating_add(GETS_ROUND_WITHIN_MS)) {
        return;
    }
    for member in picture.answering().filter(|member| ours(member) && is_standby(member)) {
        disagreement(member, latest, picture.holder.is_some(), findings);
    }
}

/// Whether a standby takes somebody else for the leader.
fn disagreement(member: &Member, latest: &Office, somebody_leads: bool, findings: &mut Findings) {
    let master = name(member);
    match &member.leader {
        Some(office) if office.rank() == latest.rank() && office.nonce != latest.nonce => {
            let term = &latest.term;
            let text = format!(
                "{master} knows another term {term} than the rest: was the store restored without a new generation?"
            );
            findings.trouble("same_term", text);
        }
        Some(office) if office.rank() < latest.rank() => {
            let text = format!("{master} still takes {} in term {} for the leader", office.master, office.term);
            findings.trouble("disagree", text);
        }
        None if somebody_leads => findings.trouble("disagree", format!("{master} knows of no leader")),
        Some(_) | None => {}
    }
}

/// Copies of the records that differed from the store.
pub(super) fn copies(picture: &Picture, findings: &mut Findings) {
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
pub(super) fn presence(picture: &Picture, findings: &mut Findings) {
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
pub(super) fn remarks(picture: &Picture, findings: &mut Findings) {
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
