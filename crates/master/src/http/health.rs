//! What load balancers and supervisors ask: is this process alive, is it ready, does it lead? Answered from the board,
//! never by the loop.

use tanist_core::model::MasterRole;
use tanist_store::clock;

use crate::doing::Doing;
use crate::handle::MasterHandle;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Its loop comes round. Otherwise only a restart helps.
    Live,
    /// It does its part: it leads, or stands by and could take over.
    Ready,
    /// It leads, and may act at this moment.
    Leader,
    /// It stands by and is ready.
    Standby,
}

/// Yes or no, and a line for people that says why, and who leads.
pub(super) fn answer(handle: &MasterHandle, question: Question) -> (bool, String) {
    let board = &handle.me().board;
    let is_live = board.pulse.is_fresh(clock::mono()) && !board.ended.is_cancelled();
    let role = board.leadership().borrow().role;
    let (yes, why_not) = match question {
        Question::Live => (is_live, "the loop does not come round"),
        Question::Ready => (is_live && is_ready(handle), "it cannot do its part"),
        Question::Leader => (board.may_act(), "it does not lead, or may not act"),
        Question::Standby => {
            (is_live && role == MasterRole::Standby && is_ready(handle), "it does not stand by, or could not take over")
        }
    };
    let verdict = if yes { "yes".to_owned() } else { format!("no: {why_not}") };
    (yes, format!("{verdict}\n{}", situation(handle)))
}

/// Nothing stands between it and the store.
fn is_ready(handle: &MasterHandle) -> bool {
    let me = handle.me();
    let (doing, _) = me.board.doing();
    let able = match doing {
        Doing::Leaves | Doing::CannotStand { .. } | Doing::WaitsForStore { .. } | Doing::Suspended { .. } => false,
        Doing::HoldsOff { .. }
        | Doing::Waits { .. }
        | Doing::WaitsForLease { .. }
        | Doing::WaitsForResumption(_)
        | Doing::WaitsForTarget(_)
        | Doing::Stands
        | Doing::Reads
        | Doing::Recovers
        | Doing::Leads => true,
    };
    able && handle.degraded().is_none() && me.election.trouble().borrow().is_none()
}

/// What this master does, what troubles it, and who leads.
fn situation(handle: &MasterHandle) -> String {
    let me = handle.me();
    let leader = match &me.board.leadership().borrow().leader {
        Some(leader) => {
            format!("leader: {} at {} in term {} {}", leader.master, leader.address, leader.term, leader.ui_url)
        }
        None => "leader: none is known".to_owned(),
    };
    let trouble =
        handle.degraded().or_else(|| me.election.trouble().borrow().as_ref().map(|trouble| trouble.what.clone()));
    let trouble = trouble.map(|what| format!("trouble: {what}\n")).unwrap_or_default();
    format!("master {}: {}\n{trouble}{}\n", me.id, handle.doing().0, leader.trim_end())
}
