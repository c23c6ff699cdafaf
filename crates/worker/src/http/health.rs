//! What supervisors and load balancers ask of a worker.

use tanist_core::tracking::Following;
use tanist_core::worker::WorkerStatus;

use crate::board::Board;

/// Whether only a restart helps. It would end everything that runs here, so the answer is no only of a loop that hangs.
pub(super) fn live(board: &Board) -> (bool, String) {
    let live = board.is_live();
    (live, verdict(live, "the loop does not come round"))
}

/// Whether it takes work: it is registered with a leader, has room on its disk, and is to stay.
pub(super) fn ready(board: &Board, status: Option<&WorkerStatus>) -> (bool, String) {
    let Some(status) = status else { return (false, verdict(false, "the loop has not come round yet")) };
    let why_not = if board.is_saving() {
        Some("a term cannot be made durable in the work directory")
    } else if !board.is_live() {
        Some("the loop does not come round")
    } else if !status.following.is_connected() {
        Some("no leader takes it at the moment")
    } else if status.decommissioned {
        Some("it is being decommissioned")
    } else if !status.accepts_work {
        Some("it takes no new work: there is too little disk space, or it stops")
    } else {
        None
    };
    let leader = match &status.following {
        Following::Nobody => "leader: none has been heard of".to_owned(),
        Following::Connected(leader) => {
            format!("leader: {} at {} in term {}", leader.master, leader.address, leader.term)
        }
        Following::Lost(leader) => {
            format!("leader: lost; the last one was {} at {} in term {}", leader.master, leader.address, leader.term)
        }
    };
    (
        why_not.is_none(),
        format!("{}\nworker {}\n{leader}\n", verdict(why_not.is_none(), why_not.unwrap_or("")), status.id),
    )
}

fn verdict(yes: bool, why_not: &str) -> String {
    if yes { "yes".to_owned() } else { format!("no: {why_not}") }
}
