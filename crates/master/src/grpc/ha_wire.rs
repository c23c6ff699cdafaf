//! What a master knows about the office, on the wire. The types of the store go no further than this.

use tanist_core::time::Wall;
use tanist_proto::v1;
use tanist_store::election::{Ending, HistoryEntry, Predecessor, RecoveryFigures};
use tanist_store::{Handover, MemberRecord, MirrorStatus, Pause, Trouble};

use crate::counts::Counted;
use crate::ha::HaStatus;
use crate::handle::Me;

/// All of it.
pub(super) fn reply(me: &Me, status: HaStatus) -> v1::HaReply {
    v1::HaReply {
        master_id: me.id.to_string(),
        address: me.address.clone(),
        version: me.version.clone(),
        started_at_ms: me.started_at.0,
        role: v1::MasterRole::from(status.role).into(),
        doing: status.doing,
        doing_since_ms: status.doing_since.0,
        leader: status.leader.as_ref().map(Into::into),
        trouble: status.trouble.map(trouble),
        pause: status.intent.pause.map(pause),
        handover: status.intent.handover.map(handover),
        members: status.members.into_iter().map(member).collect(),
        history: status.history.into_iter().map(term).collect(),
        incomplete: status.incomplete,
        workers_missing: status.workers_missing.iter().map(ToString::to_string).collect(),
        apps_missing: status.apps_missing.iter().map(ToString::to_string).collect(),
        recovery_until_ms: status.recovery_until.map(|until| until.0),
        quarantined: status.quarantined,
        counts: status.counts.into_iter().map(count).collect(),
        mirror: status.mirror.map(mirror),
    }
}

/// A pause as stored.
pub(super) fn pause(Pause { by, why, until }: Pause) -> v1::FailoverPause {
    v1::FailoverPause { by, why, until_ms: until }
}

fn handover(Handover { target, why, until }: Handover) -> v1::PlannedHandover {
    v1::PlannedHandover { target: target.to_string(), why, until_ms: until }
}

fn trouble(Trouble { since: Wall(since_ms), what }: Trouble) -> v1::StoreTrouble {
    v1::StoreTrouble { since_ms, what }
}

fn count(Counted { name, help, value }: Counted) -> v1::NamedCount {
    v1::NamedCount { name: name.to_owned(), help: help.to_owned(), value }
}

fn mirror(status: MirrorStatus) -> v1::Mirror {
    let MirrorStatus { records, revision, compared, differences } = status;
    v1::Mirror { records, revision: revision.0, compared, differences }
}

fn member(record: MemberRecord) -> v1::Member {
    v1::Member {
        master_id: record.master.to_string(),
        address: record.rpc,
        ui_url: record.ui.unwrap_or_default(),
        version: record.version,
        role: record.role,
        started_at_ms: record.started_at,
    }
}

fn term(entry: HistoryEntry) -> v1::TermRecord {
    v1::TermRecord {
        generation: entry.leader.generation.0,
        epoch: entry.leader.epoch.0,
        master_id: entry.leader.master.to_string(),
        address: entry.leader.rpc,
        since_ms: entry.since,
        began: began(entry.predecessor.as_ref()),
        ended_at_ms: entry.ended.as_ref().map(|ended| ended.at),
        ended: entry.ended.map(|ended| how(&ended.how)),
        recovery: entry.recovery.map(recovery),
    }
}

fn recovery(figures: RecoveryFigures) -> v1::RecoveryRecord {
    let RecoveryFigures { took_ms, workers, workers_missing, apps, apps_missing, drivers, quarantined } = figures;
    v1::RecoveryRecord { took_ms, workers, workers_missing, apps, apps_missing, drivers, quarantined }
}

fn began(predecessor: Option<&Predecessor>) -> String {
    let Some(Predecessor { epoch, master, ending }) = predecessor else {
        return "first term of the store".to_owned();
    };
    let who = master.as_ref().map_or_else(|| "a master unknown".to_owned(), ToString::to_string);
    format!("after epoch {epoch} of {who}: {}", how(ending))
}

fn how(ending: &Ending) -> String {
    match ending {
        Ending::Resigned { why } => format!("resigned: {why}"),
        Ending::HandedOver { to, why } => format!("handed over to {to}: {why}"),
        Ending::Gone => "gone without a word".to_owned(),
        Ending::Deposed { by, evidence } => format!("deposed by {by}: {evidence}"),
    }
}

#[cfg(test)]
mod tests {
    use tanist_core::ids::{Epoch, MasterId};

    use super::*;

    #[test]
    fn the_history_speaks_to_people() {
        assert_eq!(began(None), "first term of the store");
        let master = |id: &str| MasterId::new(id).unwrap();
        let ending = Ending::Deposed { by: master("m2"), evidence: "refused".to_owned() };
        let predecessor = Predecessor { epoch: Epoch(7), master: Some(master("m1")), ending };
        assert_eq!(began(Some(&predecessor)), "after epoch 7 of m1: deposed by m2: refused");
        let predecessor = Predecessor { epoch: Epoch(7), master: None, ending: Ending::Gone };
        assert_eq!(began(Some(&predecessor)), "after epoch 7 of a master unknown: gone without a word");
        let handed = Ending::HandedOver { to: master("m3"), why: "update".to_owned() };
        assert_eq!(how(&handed), "handed over to m3: update");
    }
}
