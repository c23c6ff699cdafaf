//! The masters' answers put together: one row per master, and who is in office.

use tanist_proto::v1;
use tanist_proto::v1::MasterRole;

use super::view::{Handover, Member, Office, Pause, TermView};
use crate::view::word;

/// What was heard from one address.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// The address that was asked.
    pub(crate) address: String,
    /// Whether it is among the configured ones; else a master named it.
    pub(crate) configured: bool,
    /// The answer, or why there is none.
    pub(crate) answer: Result<v1::HaReply, String>,
}

/// What is known of the office at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picture {
    /// When it was taken, by this host's clock.
    pub(crate) now_ms: u64,
    /// Everybody that is configured, listed by the store, or answers; by id, those without one last.
    pub(crate) members: Vec<Member>,
    /// Who holds the office in its own words.
    pub(crate) holder: Option<Holder>,
    /// The latest term that anybody names.
    pub(crate) latest: Option<Office>,
    /// What keeps everybody from taking over.
    pub(crate) pause: Option<Pause>,
    /// Who is to lead next.
    pub(crate) handover: Option<Handover>,
    /// The terms that are remembered, oldest first.
    pub(crate) history: Vec<TermView>,
    /// Why nobody can tell members and history; none = somebody can.
    pub(crate) incomplete: Option<String>,
    /// Keys that could not be read and were put aside.
    pub(crate) quarantined: Vec<String>,
}

/// A master that says that it is in office.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    /// Its term.
    pub(crate) office: Office,
    /// ALIVE, RECOVERING or SUSPENDED.
    pub(crate) role: MasterRole,
    /// Since when it is in this role.
    pub(crate) in_role_since_ms: u64,
    /// Who has not answered since the change of leader.
    pub(crate) workers_missing: Vec<String>,
    pub(crate) apps_missing: Vec<String>,
    /// When the recovery ends whoever is missing.
    pub(crate) recovery_until_ms: Option<u64>,
}

impl Picture {
    /// From what was heard at this time.
    pub(crate) fn new(said: Vec<Said>, now_ms: u64) -> Self {
        let replies: Vec<&v1::HaReply> = said.iter().filter_map(|said| said.answer.as_ref().ok()).collect();
        let holder = replies.iter().filter_map(|reply| Holder::of(reply)).max_by_key(|holder| holder.office.rank());
        let named = replies.iter().filter_map(|reply| reply.leader.clone()).map(Office::from);
        let latest = named.max_by_key(Office::rank);
        // Of one term, its leader's own words count.
        let own = holder.as_ref().map(|holder| &holder.office);
        let latest =
            own.filter(|own| latest.as_ref().is_none_or(|latest| own.rank() >= latest.rank())).cloned().or(latest);
        let complete = replies.iter().any(|reply| reply.incomplete.is_none());
        let quarantined: std::collections::BTreeSet<&String> =
            replies.iter().flat_map(|reply| &reply.quarantined).collect();
        Self {
            now_ms,
            holder,
            pause: latest_wish(&replies, |reply| reply.pause.clone().map(|wish| (wish.until_ms, wish.into())), now_ms),
            handover: latest_wish(
                &replies,
                |reply| reply.handover.clone().map(|wish| (wish.until_ms, wish.into())),
                now_ms,
            ),
            history: history(&replies),
            incomplete: replies.iter().find_map(|reply| reply.incomplete.clone()).filter(|_| !complete),
            quarantined: quarantined.into_iter().cloned().collect(),
            members: members(&listed(&replies), latest.as_ref(), said),
            latest,
        }
    }

    /// Those that answer.
    pub(crate) fn answering(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.answers)
    }

    /// The term of whoever leads and acts.
    pub(crate) fn leading(&self) -> Option<&Office> {
        self.holder.as_ref().filter(|holder| holder.role != MasterRole::Suspended).map(|holder| &holder.office)
    }

    /// Addresses that the answers name and that were not asked: members, and the leader.
    pub(crate) fn unasked(said: &[Said]) -> Vec<String> {
        let replies: Vec<&v1::HaReply> = said.iter().filter_map(|said| said.answer.as_ref().ok()).collect();
        let heard = |id: &str| replies.iter().any(|reply| reply.master_id == id);
        let asked = |address: &str| said.iter().any(|said| said.address == address);
        let members = replies.iter().flat_map(|reply| &reply.members);
        let members = members.map(|member| (&member.master_id, &member.address));
        let leaders = replies.iter().filter_map(|reply| reply.leader.as_ref());
        let leaders = leaders.map(|leader| (&leader.master_id, &leader.address));
        let named = members.chain(leaders).filter(|(id, address)| !heard(id) && !asked(address));
        let unasked: std::collections::BTreeSet<String> = named.map(|(_, address)| address.clone()).collect();
        unasked.into_iter().collect()
    }
}

impl Holder {
    fn of(reply: &v1::HaReply) -> Option<Self> {
        let role = reply.role();
        if !matches!(role, MasterRole::Alive | MasterRole::Recovering | MasterRole::Suspended) {
            return None;
        }
        Some(Self {
            office: reply.leader.clone().map(Office::from)?,
            role,
            in_role_since_ms: reply.doing_since_ms,
            workers_missing: reply.workers_missing.clone(),
            apps_missing: reply.apps_missing.clone(),
            recovery_until_ms: reply.recovery_until_ms,
        })
    }
}

/// What operators want, as the master says that saw it last. What has expired is not wanted any more.
fn latest_wish<T>(replies: &[&v1::HaReply], wish: impl Fn(&v1::HaReply) -> Option<(u64, T)>, now_ms: u64) -> Option<T> {
    let wishes = replies.iter().filter_map(|reply| wish(reply)).filter(|(until, _)| *until > now_ms);
    wishes.max_by_key(|(until, _)| *until).map(|(_, wish)| wish)
}

/// The history of whoever knows the latest term, and most of them.
fn history(replies: &[&v1::HaReply]) -> Vec<TermView> {
    let known = |reply: &&&v1::HaReply| {
        let last = reply.history.last().map(|term| (term.generation, term.epoch));
        (last, reply.history.len())
    };
    let best = replies.iter().max_by_key(known);
    best.map(|reply| reply.history.iter().cloned().map(TermView::from).collect()).unwrap_or_default()
}

/// The store's list of members, as told by a master that can read it, if any can.
fn listed(replies: &[&v1::HaReply]) -> Vec<v1::Member> {
    let best = replies.iter().max_by_key(|reply| (reply.incomplete.is_none(), reply.members.len()));
    best.map(|reply| reply.members.clone()).unwrap_or_default()
}

/// One row per process that answers, per member that does not, and per configured address of which nothing is known.
fn members(listed: &[v1::Member], latest: Option<&Office>, said: Vec<Said>) -> Vec<Member> {
    let mut rows: Vec<Member> = Vec::new();
    let mut silent = Vec::new();
    for Said { address, configured, answer } in said {
        match answer {
            Ok(reply) => heard(&mut rows, reply, configured.then_some(address)),
            Err(why) => silent.push((address, configured, why)),
        }
    }
    for (address, configured, why) in silent {
        let configured = if configured { vec![address.clone()] } else { Vec::new() };
        rows.push(Member { address, configured, error: Some(why), ..Member::default() });
    }
    let known = !listed.is_empty();
    for row in &mut rows {
        row.member = (known && row.answers).then_some(false);
    }
    for member in listed {
        list(&mut rows, member);
    }
    if let Some(latest) = latest {
        for row in &mut rows {
            let is_it = row.id.as_ref() == Some(&latest.master) && row.address == latest.address;
            let in_office = row.role.as_deref().is_some_and(|role| role != "STANDBY");
            row.leads = is_it && (in_office || !row.answers);
        }
    }
    rows.sort_by(|a, b| (a.id.is_none(), &a.id, &a.address).cmp(&(b.id.is_none(), &b.id, &b.address)));
    rows
}

/// A process that was reached under two addresses is one row.
fn heard(rows: &mut Vec<Member>, reply: v1::HaReply, configured: Option<String>) {
    let same = |row: &&mut Member| {
        row.id.as_ref() == Some(&reply.master_id)
            && row.address == reply.address
            && row.started_at_ms == Some(reply.started_at_ms)
    };
    if let Some(row) = rows.iter_mut().find(same) {
        row.configured.extend(configured);
        return;
    }
    rows.push(Member {
        role: Some(word(reply.role().as_str_name(), "MASTER_ROLE_")),
        id: Some(reply.master_id),
        address: reply.address,
        configured: configured.into_iter().collect(),
        version: Some(reply.version),
        started_at_ms: Some(reply.started_at_ms),
        answers: true,
        doing: Some(reply.doing),
        doing_since_ms: Some(reply.doing_since_ms),
        leader: reply.leader.map(Office::from),
        trouble: reply.trouble.map(Into::into),
        incomplete: reply.incomplete,
        mirror: reply.mirror.map(Into::into),
        counts: reply.counts.into_iter().map(Into::into).collect(),
        ..Member::default()
    });
}

/// A member goes to the row that answered as it, else to the address that is its own and is silent, else to a new row.
fn list(rows: &mut Vec<Member>, member: &v1::Member) {
    let answered = |row: &&mut Member| row.id.as_ref() == Some(&member.master_id) && row.address == member.address;
    if let Some(row) = rows.iter_mut().find(answered) {
        row.member = Some(true);
        return;
    }
    let fill = |row: &mut Member| {
        row.id = Some(member.master_id.clone());
        row.address.clone_from(&member.address);
        row.member = Some(true);
        row.role = Some(member.role.clone());
        row.version = Some(member.version.clone());
        row.started_at_ms = Some(member.started_at_ms);
    };
    if let Some(row) = rows.iter_mut().find(|row| row.id.is_none() && row.address == member.address) {
        return fill(row);
    }
    let mut row = Member::default();
    fill(&mut row);
    rows.push(row);
}
