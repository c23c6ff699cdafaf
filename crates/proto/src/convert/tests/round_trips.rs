//! What goes out comes in again.

use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use tanist_core::ids::Term;
use tanist_core::model::{DriverDescription, LeaderInfo};
use tanist_core::msg::{
    AppToMaster, ClientReply, ClientRequest, MasterToApp, MasterToWorker, NotLeading, WorkerToMaster,
};
use tanist_core::units::Cores;

use super::over_the_wire;
use super::{strategies as any, views};
use crate::convert::endpoint::{Acknowledgement, Identity, LeaderAnswer, LeaderQuestion, LogRequest};
use crate::convert::status::{StatusAnswer, StatusQuestion};
use crate::convert::{Call, DecodeError, WrongReply, state};
use crate::v1;

macro_rules! round_trips {
    ($($name:ident: $core:ty = $wire:ident, $strategy:expr;)+) => {
        proptest! {$(
            #[test]
            fn $name(value in $strategy) {
                let wire = over_the_wire(&v1::$wire::from(&value));
                prop_assert_eq!(<$core>::try_from(wire), Ok(value));
            }
        )+}
    };
}

round_trips! {
    term: Term = Term, any::term();
    leader: LeaderInfo = LeaderInfo, any::leader();
    not_leading: NotLeading = NotLeading, any::not_leading();
    driver_description: DriverDescription = DriverDescription, any::driver_description();
    worker_to_master: WorkerToMaster = WorkerToMaster, any::worker_to_master();
    master_to_worker: MasterToWorker = MasterToWorker, any::master_to_worker();
    app_to_master: AppToMaster = AppToMaster, any::app_to_master();
    master_to_app: MasterToApp = MasterToApp, any::master_to_app();
    identity: Identity = PingReply, any::identity();
    acknowledgement: Acknowledgement = MasterChangedAck, any::acknowledgement();
    leader_answer: LeaderAnswer = LeaderReply, any::leader_answer();
    leader_question: LeaderQuestion = AwaitLeaderRequest, any::leader_question();
    status_question: StatusQuestion = DriverStatusRequest, any::status_question();
    status_answer: StatusAnswer = DriverStatusReply, any::status_answer();
    log_request: LogRequest = ReadLogRequest, any::log_request();
}

/// A request as the master reads it.
fn received(call: &Call) -> Result<ClientRequest, DecodeError> {
    match call {
        Call::SubmitDriver(wire) => over_the_wire(wire.as_ref()).try_into(),
        Call::KillDriver(wire) => over_the_wire(wire).try_into(),
        Call::KillAllDrivers(wire) => over_the_wire(wire).try_into(),
        Call::ClearCompleted(wire) => over_the_wire(wire).try_into(),
        Call::Ready(wire) => over_the_wire(wire).try_into(),
        Call::KillApplication(wire) => over_the_wire(wire).try_into(),
        Call::DecommissionHosts(wire) => over_the_wire(wire).try_into(),
    }
}

/// A reply as the client reads it, had it made the call that `W` answers.
fn answered<W>(reply: &ClientReply) -> Result<ClientReply, WrongReply>
where
    W: for<'a> TryFrom<&'a ClientReply, Error = WrongReply> + prost::Message + Default,
    ClientReply: TryFrom<W, Error = DecodeError>,
{
    W::try_from(reply).map(|wire| over_the_wire(&wire).try_into().unwrap())
}

proptest! {
    #[test]
    fn client_requests(request in any::client_request()) {
        prop_assert_eq!(received(&Call::from(&request)), Ok(request));
    }

    /// Every reply comes through the calls it belongs to unchanged, and is refused by all others.
    #[test]
    fn client_replies(reply in any::client_reply()) {
        let through = [
            ("submit", answered::<v1::SubmitDriverReply>(&reply)),
            ("kill", answered::<v1::KillDriverReply>(&reply)),
            ("kill all", answered::<v1::KillAllDriversReply>(&reply)),
            ("clear", answered::<v1::ClearCompletedReply>(&reply)),
            ("ready", answered::<v1::ReadyReply>(&reply)),
            ("kill app", answered::<v1::KillApplicationReply>(&reply)),
            ("decommission", answered::<v1::DecommissionHostsReply>(&reply)),
        ];
        let fitting: &[&str] = match reply {
            ClientReply::Submitted { .. } | ClientReply::Invalid { .. } => &["submit"],
            ClientReply::KillRequested { .. } => &["kill", "kill app"],
            ClientReply::KillAllRequested { .. } => &["kill all"],
            ClientReply::Cleared => &["clear"],
            ClientReply::Ready(_) => &["ready"],
            ClientReply::Decommissioning { .. } => &["decommission"],
            ClientReply::NotLeading(_) => {
                &["submit", "kill", "kill all", "status", "clear", "ready", "kill app", "decommission"]
            }
        };
        for (call, result) in through {
            match result {
                Ok(same) => {
                    prop_assert!(fitting.contains(&call), "{} took {:?}", call, reply);
                    prop_assert_eq!(&same, &reply);
                }
                Err(wrong) => {
                    prop_assert!(!fitting.contains(&call), "{}", wrong);
                    prop_assert_eq!(*wrong.reply, reply.clone());
                }
            }
        }
    }

    /// The published view shows everything but descriptions, and those reduced.
    #[test]
    fn cluster_state(view in views::master_view(), degraded in option::of("[a-z ]{1,20}")) {
        let age = Duration::from_millis(250);
        let wire = over_the_wire(&state::cluster_state(&view, age, degraded.as_ref()));
        prop_assert_eq!(state::check(&wire), Ok(()));
        prop_assert_eq!(wire.leader.map(|leader| LeaderInfo::try_from(leader).unwrap()), view.leader);
        prop_assert_eq!((wire.taken_at_ms, wire.age_ms), (view.taken_at.0, 250));
        prop_assert_eq!(wire.degraded, degraded);
        prop_assert_eq!((wire.workers_missing as usize, wire.apps_missing as usize), (view.missing.workers, view.missing.apps));
        prop_assert_eq!(wire.workers.len(), view.workers.len());
        for (wire, worker) in wire.workers.iter().zip(&view.workers) {
            prop_assert_eq!(&wire.worker_id, worker.id.as_str());
            prop_assert_eq!(worker.state, wire.state().try_into().unwrap());
            prop_assert_eq!(wire.memory_used_mib, worker.memory_used.as_mib());
            prop_assert_eq!(wire.driver_ids.len(), worker.drivers.len());
        }
        for (wire, app) in wire.apps.iter().chain(&wire.completed_apps).zip(view.apps.iter().chain(&view.ended_apps)) {
            prop_assert_eq!(&wire.app_id, app.id.as_str());
            prop_assert_eq!(app.state, wire.state().try_into().unwrap());
            prop_assert_eq!(wire.max_cores.map_or(Cores::UNLIMITED, Cores), app.max_cores);
            prop_assert_eq!(wire.executors.len(), app.executors.len());
            prop_assert_eq!(wire.ended_executors.len(), app.ended_executors.len());
        }
        let drivers = wire.drivers.iter().chain(&wire.completed_drivers);
        for (wire, driver) in drivers.zip(view.drivers.iter().chain(&view.ended_drivers)) {
            prop_assert_eq!(&wire.driver_id, driver.id.as_str());
            prop_assert_eq!(driver.state, wire.state().try_into().unwrap());
            prop_assert_eq!(&wire.program, driver.description.command.program.name());
        }
    }
}
