//! Nothing that a peer sends makes a conversion panic, and what is refused is named.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use prost::Message;
use tanist_core::model::{DriverDescription, LeaderInfo};
use tanist_core::msg::{
    AppToMaster, ClientReply, ClientRequest, MasterToApp, MasterToWorker, RegisterWorker, WorkerToMaster,
};

use super::{over_the_wire, strategies};
use crate::convert::endpoint::{Acknowledgement, Identity, LeaderAnswer, LeaderQuestion, LogRequest};
use crate::convert::status::{StatusAnswer, StatusQuestion};
use crate::convert::{DecodeError, check_submission, state};
use crate::limits::{MAX_MESSAGE_TEXT_BYTES, MAX_SUBMISSION_BYTES};
use crate::v1;
use crate::v1::worker_to_master as up;

/// Every message that is read from a peer, with the field that an empty one lacks (`-` = empty is valid).
macro_rules! messages {
    ($($wire:ident => $core:ty, $lacks:literal;)+) => {
        #[test]
        fn empty_messages_name_the_missing_field() {
            $(
                let result = <$core>::try_from(v1::$wire::default());
                let path = result.map_or_else(|error| error.path, |_| "-".to_owned());
                assert_eq!(path, $lacks, stringify!($wire));
            )+
        }

        /// Whatever the bytes are, they are read or refused.
        fn read_everything(bytes: &[u8]) {
            $(
                if let Ok(wire) = v1::$wire::decode(bytes) {
                    let _: Result<$core, DecodeError> = wire.try_into();
                }
            )+
            if let Ok(wire) = v1::ClusterState::decode(bytes) {
                let _: Result<(), DecodeError> = state::check(&wire);
            }
        }
    };
}

messages! {
    WorkerToMaster => WorkerToMaster, "body";
    MasterToWorker => MasterToWorker, "body";
    AppToMaster => AppToMaster, "body";
    MasterToApp => MasterToApp, "body";
    RegisterWorker => RegisterWorker, "worker_id";
    DriverDescription => DriverDescription, "command";
    LeaderInfo => LeaderInfo, "cluster_id";
    MasterChangedAck => Acknowledgement, "identity";
    PingReply => Identity, "identity";
    ReadLogRequest => LogRequest, "process";
    LeaderReply => LeaderAnswer, "role";
    AwaitLeaderRequest => LeaderQuestion, "asker";
    SubmitDriverRequest => ClientRequest, "description";
    KillDriverRequest => ClientRequest, "driver_id";
    KillAllDriversRequest => ClientRequest, "-";
    DriverStatusRequest => StatusQuestion, "driver_id";
    ClearCompletedRequest => ClientRequest, "-";
    ReadyRequest => ClientRequest, "-";
    KillApplicationRequest => ClientRequest, "app_id";
    DecommissionHostsRequest => ClientRequest, "-";
    SubmitDriverReply => ClientReply, "answer";
    KillDriverReply => ClientReply, "answer";
    KillAllDriversReply => ClientReply, "answer";
    DriverStatusReply => StatusAnswer, "answer";
    ClearCompletedReply => ClientReply, "answer";
    ReadyReply => ClientReply, "answer";
    KillApplicationReply => ClientReply, "answer";
    DecommissionHostsReply => ClientReply, "answer";
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_everything(&bytes);
    }

    #[test]
    fn damaged_messages_are_read_or_refused(
        worker in strategies::worker_to_master(),
        master in strategies::master_to_worker(),
        app in strategies::app_to_master(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let messages = [
            v1::WorkerToMaster::from(&worker).encode_to_vec(),
            v1::MasterToWorker::from(&master).encode_to_vec(),
            v1::AppToMaster::from(&app).encode_to_vec(),
        ];
        for mut bytes in messages {
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            read_everything(&bytes);
        }
    }
}

fn refusal<W, C: TryFrom<W, Error = DecodeError> + Debug>(wire: W) -> String {
    C::try_from(wire).unwrap_err().to_string()
}

fn worker() -> v1::RegisterWorker {
    v1::RegisterWorker {
        worker_id: "worker-1".to_owned(),
        host: "host".to_owned(),
        port: 7078,
        inventory: Some(v1::Inventory::default()),
        ..Default::default()
    }
}

fn driver() -> v1::DriverDescription {
    let program = Some(v1::command::Program::Executable("/bin/true".to_owned()));
    v1::DriverDescription {
        command: Some(v1::Command { program, ..Default::default() }),
        on_isolation: v1::OnIsolation::Continue.into(),
        ..Default::default()
    }
}

fn executor(state: i32) -> v1::ExecutorDescription {
    let executor = Some(v1::ExecutorRef { app_id: "app-1".to_owned(), executor_id: 0 });
    v1::ExecutorDescription { executor, state, ..Default::default() }
}

fn register(change: impl FnOnce(&mut v1::RegisterWorker)) -> String {
    let mut wire = worker();
    change(&mut wire);
    let body = Some(up::Body::Register(wire));
    refusal::<_, WorkerToMaster>(v1::WorkerToMaster { body })
}

#[test]
fn registrations_that_cannot_be_read() {
    RegisterWorker::try_from(worker()).expect("the base of this table is valid");
    let long = "x".repeat(9_000);
    let gpus = |name: &str, addresses: Vec<String>| BTreeMap::from([(name.to_owned(), v1::AddressList { addresses })]);
    let table = [
        (register(|w| w.worker_id.clear()), r#"register.worker_id: worker id "" is not valid: it must not be blank"#),
        (
            register(|w| w.worker_id = "a b".to_owned()),
            "register.worker_id: worker id \"a b\" is not valid: Whitespace",
        ),
        (register(|w| w.worker_id = "..".to_owned()), "register.worker_id: worker id \"..\" is not valid"),
        (register(|w| w.worker_id.clone_from(&long)), "register.worker_id: 9000 bytes are too long; at most 200 bytes"),
        (register(|w| w.host.clone_from(&long)), "register.host: 9000 bytes are too long; at most 8192 bytes"),
        (register(|w| w.port = 65_536), "register.port: 65536 is too large; at most 65535 is allowed"),
        (register(|w| w.cluster_id = Some(String::new())), "register.cluster_id: cluster id \"\" is not valid"),
        (register(|w| w.heard = Some(v1::Term::default())), "register.heard.nonce: term nonce \"\" is not valid"),
        (register(|w| w.inventory = None), "register.inventory: is missing, but required"),
        (
            register(|w| w.inventory.as_mut().unwrap().executors = vec![executor(1), executor(0)]),
            "register.inventory.executors[1].state: value 0 is not allowed, but only LAUNCHING, RUNNING, KILLED, FAILED, \
             LOST, EXITED, DECOMMISSIONED",
        ),
        (
            register(|w| w.inventory.as_mut().unwrap().executors = vec![executor(99)]),
            "register.inventory.executors[0].state: value 99 is not allowed",
        ),
        (
            register(|w| w.inventory.as_mut().unwrap().drivers = vec![v1::DriverOnWorker::default(); 10_001]),
            "register.inventory.drivers: 10001 entries are too many; at most 10000 are allowed",
        ),
        (
            register(|w| w.inventory.as_mut().unwrap().scratch_of = vec!["app-1".to_owned(), "a b".to_owned()]),
            "register.inventory.scratch_of: application id \"a b\" is not valid: Whitespace",
        ),
        (
            register(|w| w.inventory.as_mut().unwrap().scratch_of = vec!["app-1".to_owned(); 10_001]),
            "register.inventory.scratch_of: 10001 entries are too many; at most 10000 are allowed",
        ),
        (
            register(|w| w.resources = gpus("gpu", vec!["0".to_owned(); 1_001])),
            "register.resources[\"gpu\"].addresses: 1001 entries are too many; at most 1000",
        ),
        (register(|w| w.resources = gpus(&long, vec![])), "register.resources: 9000 bytes are too long; at most 256"),
    ];
    for (error, expected) in table {
        assert!(error.starts_with(expected), "{error}\nshould begin with\n{expected}");
    }
}

#[test]
fn other_messages_that_cannot_be_read() {
    let ended = up::DriverEnded {
        driver_id: "driver-1".to_owned(),
        state: v1::DriverState::Running.into(),
        ..Default::default()
    };
    let launch = v1::worker_command::LaunchDriver {
        driver_id: "driver-1".to_owned(),
        description: Some(v1::DriverDescription { on_isolation: 7, ..driver() }),
        ..Default::default()
    };
    let command =
        v1::WorkerCommand { body: Some(v1::worker_command::Body::LaunchDriver(launch)), ..Default::default() };
    let unfenced = v1::WorkerCommand {
        body: Some(v1::worker_command::Body::Decommission(v1::worker_command::Decommission {})),
        ..Default::default()
    };
    let to_worker = |command| v1::MasterToWorker { body: Some(v1::master_to_worker::Body::Command(command)) };
    let kill = v1::app_to_master::KillExecutors { request: 1, executor_ids: vec![0; 100_001] };
    let log = v1::ReadLogRequest {
        process: Some(v1::read_log_request::Process::DriverId("../../etc".to_owned())),
        ..Default::default()
    };
    let table = [
        (
            refusal::<_, WorkerToMaster>(v1::WorkerToMaster { body: Some(up::Body::DriverEnded(ended)) }),
            "driver_ended.state: value 2 is not allowed, but only FINISHED, KILLED, FAILED, ERROR",
        ),
        (
            refusal::<_, MasterToWorker>(to_worker(command)),
            "command.launch_driver.description.on_isolation: value 7 is not allowed, but only CONTINUE, KILL",
        ),
        (refusal::<_, MasterToWorker>(to_worker(unfenced)), "command.term: is missing, but required"),
        (
            refusal::<_, AppToMaster>(v1::AppToMaster { body: Some(v1::app_to_master::Body::KillExecutors(kill)) }),
            "kill_executors.executor_ids: 100001 entries are too many; at most 100000",
        ),
        (refusal::<_, LogRequest>(log), "driver_id: driver id \"../../etc\" is not valid: '/' is not allowed"),
        (
            refusal::<_, ClientRequest>(v1::DecommissionHostsRequest { hosts: vec!["h".repeat(9_000)] }),
            "hosts[0]: 9000 bytes are too long",
        ),
        (
            state::check(&v1::ClusterState {
                role: v1::MasterRole::Alive.into(),
                apps: vec![v1::AppView {
                    state: v1::ApplicationState::Running.into(),
                    executors: vec![v1::ExecutorView::default()],
                    ..Default::default()
                }],
                ..Default::default()
            })
            .unwrap_err()
            .to_string(),
            "apps[0].executors[0].state: value 0 is not allowed",
        ),
    ];
    for (error, expected) in table {
        assert!(error.starts_with(expected), "{error}\nshould begin with\n{expected}");
    }
}

/// A submission of exactly 1 MiB is taken; one byte more is refused, with the same words on both sides.
#[test]
fn oversized_submissions_are_refused() {
    let mut description = driver();
    let mut pad = |bytes: usize| {
        let arguments = &mut description.command.as_mut().unwrap().arguments;
        *arguments = vec!["x".repeat(bytes)];
        description.clone()
    };
    let room = MAX_SUBMISSION_BYTES - pad(MAX_SUBMISSION_BYTES / 2).encoded_len() + MAX_SUBMISSION_BYTES / 2;
    let (fitting, too_long) = (pad(room), pad(room + 1));
    assert_eq!(fitting.encoded_len(), MAX_SUBMISSION_BYTES);

    let submit = |description| v1::SubmitDriverRequest { request_id: None, description: Some(description) };
    ClientRequest::try_from(submit(fitting)).expect("exactly at the limit");
    let expected = "description: 1048577 bytes are too long; at most 1048576 bytes are allowed";
    assert_eq!(refusal::<_, ClientRequest>(submit(too_long.clone())), expected);
    let core = DriverDescription::try_from(too_long).unwrap();
    assert_eq!(check_submission(&core).unwrap_err().to_string(), expected);
}

#[test]
fn refused_messages_become_invalid_argument() {
    let status: tonic::Status = ClientRequest::try_from(v1::KillDriverRequest::default()).unwrap_err().into();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().starts_with("driver_id: "), "{status}");
}

/// A text for people that is too long is cut where it is sent, at a character, so that a report always gets through.
#[test]
fn long_messages_are_cut_by_the_sender() {
    let reason = "ü".repeat(MAX_MESSAGE_TEXT_BYTES);
    let reply = ClientReply::Invalid { reason: format!("x{reason}") };
    let wire = over_the_wire(&v1::SubmitDriverReply::try_from(&reply).unwrap());
    let ClientReply::Invalid { reason } = ClientReply::try_from(wire).unwrap() else { panic!("another reply") };
    assert_eq!(reason.len(), MAX_MESSAGE_TEXT_BYTES - 1);
    assert!(reason.ends_with('ü'));
}
