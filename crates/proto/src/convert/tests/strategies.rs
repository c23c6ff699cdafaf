//! Random values of the core's types.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tanist_core::ids::{
    Attempt, CommandId, Epoch, ExecutorId, ExecutorRef, Generation, Incarnation, ProfileId, ReportId, Term,
};
use tanist_core::model::*;
use tanist_core::msg::*;
use tanist_core::units::{Cores, Memory};

use crate::convert::endpoint::{
    Acknowledgement, Identity, LeaderAnswer, LeaderQuestion, LogOwner, LogRequest, LogStart, LogStream,
};
use crate::convert::status::{DriverReport, StatusAnswer, StatusQuestion};

/// Any text id.
pub(super) fn id<T: FromStr<Err: Debug> + Debug>() -> impl Strategy<Value = T> {
    "[a-z][a-z0-9._-]{0,19}".prop_map(|text| text.parse().unwrap())
}

/// Any number in its newtype.
pub(super) fn num<N: Arbitrary, T: Debug>(wrap: fn(N) -> T) -> impl Strategy<Value = T> {
    any::<N>().prop_map(wrap)
}

pub(super) fn text() -> impl Strategy<Value = String> + Clone {
    ".{0,12}"
}

pub(super) fn memory() -> impl Strategy<Value = Memory> {
    num(Memory::mib)
}

fn millis() -> impl Strategy<Value = Duration> {
    num(Duration::from_millis)
}

fn amounts() -> impl Strategy<Value = Amounts> {
    btree_map("[a-z]{1,5}", 0u32..9, 0..3).prop_map(Amounts::new)
}

pub(super) fn addresses() -> impl Strategy<Value = Addresses> {
    btree_map("[a-z]{1,5}", vec("[0-9]{1,2}", 0..4), 0..3).prop_map(Addresses::new)
}

pub(super) fn term() -> impl Strategy<Value = Term> {
    (num(Generation), num(Epoch), id()).prop_map(|(generation, epoch, nonce)| Term { generation, epoch, nonce })
}

pub(super) fn leader() -> impl Strategy<Value = LeaderInfo> {
    (id(), term(), id(), text(), text()).prop_map(|(cluster, term, master, address, ui_url)| LeaderInfo {
        cluster,
        term,
        master,
        address,
        ui_url,
    })
}

pub(super) fn role() -> impl Strategy<Value = MasterRole> {
    use MasterRole as R;
    select(vec![R::Standby, R::Recovering, R::Alive, R::Suspended])
}

pub(super) fn not_leading() -> impl Strategy<Value = NotLeading> {
    (role(), option::of(leader())).prop_map(|(role, leader)| NotLeading { role, leader })
}

pub(super) fn driver_state() -> impl Strategy<Value = DriverState> {
    select(DriverState::ALL.to_vec())
}

pub(super) fn executor_state() -> impl Strategy<Value = ExecutorState> {
    use ExecutorState as S;
    select(vec![S::Launching, S::Running, S::Killed, S::Failed, S::Lost, S::Exited, S::Decommissioned])
}

pub(super) fn app_state() -> impl Strategy<Value = ApplicationState> {
    use ApplicationState as S;
    select(vec![S::Waiting, S::Running, S::Finished, S::Failed, S::Killed, S::Unknown, S::Unreachable])
}

fn command() -> impl Strategy<Value = Command> {
    let texts = || vec(text(), 0..3);
    let java = (text(), texts(), texts(), texts(), option::of(text())).prop_map(
        |(main_class, class_path, library_path, java_options, spark_family)| {
            Program::Java(JavaProgram { main_class, class_path, library_path, java_options, spark_family })
        },
    );
    (prop_oneof![text().prop_map(Program::Executable), java], texts(), btree_map(text(), text(), 0..3))
        .prop_map(|(program, arguments, environment)| Command { program, arguments, environment })
}

fn profile() -> impl Strategy<Value = ResourceProfile> {
    (num(ProfileId), option::of(memory()), option::of(memory()), option::of(num(Cores)), amounts())
        .prop_map(|(id, memory, overhead, cores, resources)| ResourceProfile { id, memory, overhead, cores, resources })
}

fn targets() -> impl Strategy<Value = BTreeMap<ProfileId, u32>> {
    btree_map(num(ProfileId), any::<u32>(), 0..3)
}

pub(super) fn app_description() -> impl Strategy<Value = ApplicationDescription> {
    (
        (text(), text(), option::of(num(Cores)), command(), text()),
        (profile(), any::<Option<u32>>(), option::of(text()), option::of(text())),
    )
        .prop_map(|((name, user, max_cores, command, ui_url), (default_profile, limit, dir, codec))| {
            ApplicationDescription {
                name,
                user,
                max_cores,
                command,
                ui_url,
                default_profile,
                initial_executor_limit: limit,
                event_log_dir: dir,
                event_log_codec: codec,
            }
        })
}

pub(super) fn driver_description() -> impl Strategy<Value = DriverDescription> {
    let isolation = select(vec![OnIsolation::Continue, OnIsolation::Kill]);
    (option::of(text()), memory(), num(Cores), any::<bool>(), command(), amounts(), isolation).prop_map(
        |(artifact, memory, cores, supervise, command, resources, on_isolation)| DriverDescription {
            artifact,
            memory,
            cores,
            supervise,
            command,
            resources,
            on_isolation,
        },
    )
}

fn executor_ref() -> impl Strategy<Value = ExecutorRef> {
    (id(), num(ExecutorId)).prop_map(|(app, id)| ExecutorRef { app, id })
}

fn executor() -> impl Strategy<Value = ExecutorDescription> {
    (executor_ref(), num(ProfileId), num(Cores), memory(), addresses(), executor_state()).prop_map(
        |(executor, profile, cores, memory, resources, state)| ExecutorDescription {
            executor,
            profile,
            cores,
            memory,
            resources,
            state,
        },
    )
}

fn booking() -> impl Strategy<Value = Booking> {
    (num(Cores), memory(), addresses()).prop_map(|(cores, memory, resources)| Booking { cores, memory, resources })
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let driver = (id(), num(Attempt), driver_state(), booking())
        .prop_map(|(driver, attempt, state, booking)| DriverOnWorker { driver, attempt, state, booking });
    (vec(executor(), 0..3), vec(driver, 0..3), vec(id(), 0..3)).prop_map(|(executors, drivers, scratch_of)| Inventory {
        executors,
        drivers,
        scratch_of,
    })
}

pub(super) fn register_worker() -> impl Strategy<Value = RegisterWorker> {
    (
        (id(), num(Incarnation), any::<u64>(), text(), any::<u16>(), text(), num(Cores), memory(), addresses()),
        (text(), option::of(id()), any::<u32>(), option::of(term()), any::<bool>(), any::<(bool, u64)>(), inventory()),
    )
        .prop_map(|(offer, session)| {
            let (id, incarnation, number, host, port, ui_url, cores, memory, resources) = offer;
            let (master_address, cluster, protocol, heard, decommissioned, (accepts_work, refused_commands), inventory) = session;
            RegisterWorker {
                id,
                incarnation,
                number,
                host,
                port,
                kind: tanist_core::model::WorkerKind::Own,
                ui_url,
                cores,
                memory,
                resources,
                master_address,
                cluster,
                protocol,
                heard,
                decommissioned,
                accepts_work,
                refused_commands,
                inventory,
            }
        })
}

pub(super) fn worker_to_master() -> impl Strategy<Value = WorkerToMaster> {
    let final_state = driver_state().prop_filter("final", |state| state.is_final());
    let outcome = (final_state, any::<Option<i32>>(), option::of(text()))
        .prop_map(|(state, exit_code, message)| DriverOutcome { state, exit_code, message });
    let changed = (num(ReportId), executor_ref(), executor_state(), option::of(text()), any::<Option<i32>>());
    prop_oneof![
        register_worker().prop_map(|worker| WorkerToMaster::Register(Box::new(worker))),
        any::<(bool, u64)>()
            .prop_map(|(accepts_work, refused_commands)| WorkerToMaster::Heartbeat { accepts_work, refused_commands }),
        inventory().prop_map(WorkerToMaster::Inventory),
        changed.prop_map(|(report, executor, state, message, exit_status)| {
            WorkerToMaster::ExecutorStateChanged { report, executor, state, message, exit_status }
        }),
        (num(ReportId), executor_ref(), text()).prop_map(|(report, executor, why)| WorkerToMaster::ExecutorRefused {
            report,
            executor,
            why
        }),
        (id(), num(Attempt)).prop_map(|(driver, attempt)| WorkerToMaster::DriverStarted { driver, attempt }),
        (num(ReportId), id(), num(Attempt), outcome).prop_map(|(report, driver, attempt, outcome)| {
            WorkerToMaster::DriverEnded { report, driver, attempt, outcome }
        }),
        Just(WorkerToMaster::Decommissioning),
        (num(CommandId), term(), term()).prop_map(|(command, of, heard)| WorkerToMaster::StaleCommand {
            command,
            of,
            heard
        }),
    ]
}

fn fenced<T: Debug>(body: impl Strategy<Value = T>) -> impl Strategy<Value = Fenced<T>> {
    (term(), num(CommandId), body).prop_map(|(term, id, body)| Fenced { term, id, body })
}

fn worker_command() -> impl Strategy<Value = WorkerCommand> {
    prop_oneof![
        (executor(), memory(), app_description()).prop_map(|(executor, heap, app)| WorkerCommand::LaunchExecutor {
            executor,
            heap,
            app: Arc::new(app),
            client: None
        }),
        executor_ref().prop_map(|executor| WorkerCommand::KillExecutor { executor }),
        (id(), num(Attempt), driver_description(), booking()).prop_map(|(driver, attempt, description, booking)| {
            WorkerCommand::LaunchDriver { driver, attempt, description: Arc::new(description), booking }
        }),
        (id(), num(Attempt)).prop_map(|(driver, attempt)| WorkerCommand::KillDriver { driver, attempt }),
        id().prop_map(|app| WorkerCommand::ApplicationFinished { app }),
        Just(WorkerCommand::Decommission),
    ]
}

pub(super) fn master_to_worker() -> impl Strategy<Value = MasterToWorker> {
    let registered = (leader(), text(), any::<bool>(), millis(), millis()).prop_map(
        |(leader, master_address, duplicate, heartbeat_every, worker_timeout)| RegisteredWorker {
            leader,
            master_address,
            duplicate,
            heartbeat_every,
            worker_timeout,
        },
    );
    prop_oneof![
        option::of(leader()).prop_map(|leader| MasterToWorker::Standby { leader }),
        text().prop_map(|reason| MasterToWorker::RegistrationRefused { reason }),
        registered.prop_map(|registered| MasterToWorker::Registered(Box::new(registered))),
        Just(MasterToWorker::HeartbeatSeen),
        num(ReportId).prop_map(|report| MasterToWorker::Acknowledged { report }),
        Just(MasterToWorker::Reconnect),
        fenced(worker_command()).prop_map(MasterToWorker::Command),
    ]
}

fn register_application() -> impl Strategy<Value = RegisterApplication> {
    (
        (id(), option::of(id()), any::<u64>(), app_description(), vec(profile(), 0..3), targets()),
        (vec(num(ExecutorId), 0..4), text(), option::of(id()), option::of(term()), any::<u32>()),
    )
        .prop_map(
            |(
                (token, known_as, number, description, profiles, targets),
                (executors, endpoint, cluster, heard, protocol),
            )| {
                RegisterApplication {
                    token,
                    known_as,
                    number,
                    description: Arc::new(description),
                    profiles,
                    targets,
                    executors,
                    endpoint: endpoint.into(),
                    cluster,
                    heard,
                    protocol,
                }
            },
        )
}

pub(super) fn app_to_master() -> impl Strategy<Value = AppToMaster> {
    prop_oneof![
        register_application().prop_map(|app| AppToMaster::Register(Box::new(app))),
        Just(AppToMaster::Heartbeat),
        Just(AppToMaster::Unregister),
        (any::<u64>(), vec(profile(), 0..3), targets())
            .prop_map(|(request, profiles, targets)| { AppToMaster::RequestExecutors { request, profiles, targets } }),
        (any::<u64>(), vec(num(ExecutorId), 0..4))
            .prop_map(|(request, executors)| AppToMaster::KillExecutors { request, executors }),
    ]
}

fn app_notice() -> impl Strategy<Value = AppNotice> {
    let status = any::<Option<i32>>();
    prop_oneof![
        (num(ExecutorId), id(), text(), num(Cores), memory(), num(ProfileId)).prop_map(
            |(executor, worker, worker_address, cores, memory, profile)| AppNotice::ExecutorAdded {
                executor,
                worker,
                worker_address,
                cores,
                memory,
                profile,
            }
        ),
        (num(ExecutorId), executor_state(), option::of(text()), status, option::of(text())).prop_map(
            |(executor, state, message, exit_status, worker_host)| AppNotice::ExecutorUpdated {
                executor,
                state,
                message,
                exit_status,
                worker_host,
            }
        ),
        (id(), text(), text()).prop_map(|(worker, host, message)| AppNotice::WorkerRemoved { worker, host, message }),
        text().prop_map(|message| AppNotice::ApplicationRemoved { message }),
        (any::<u64>(), any::<bool>()).prop_map(|(request, accepted)| AppNotice::Answer { request, accepted }),
    ]
}

pub(super) fn master_to_app() -> impl Strategy<Value = MasterToApp> {
    let registered = (id(), leader(), millis()).prop_map(|(app, leader, heartbeat_every)| RegisteredApplication {
        app,
        leader,
        heartbeat_every,
    });
    prop_oneof![
        option::of(leader()).prop_map(|leader| MasterToApp::Standby { leader }),
        text().prop_map(|reason| MasterToApp::RegistrationRefused { reason }),
        registered.prop_map(|registered| MasterToApp::Registered(Box::new(registered))),
        Just(MasterToApp::HeartbeatSeen),
        Just(MasterToApp::Reconnect),
        fenced(app_notice()).prop_map(MasterToApp::Notice),
    ]
}

pub(super) fn client_request() -> impl Strategy<Value = ClientRequest> {
    prop_oneof![
        (option::of(id()), driver_description()).prop_map(|(request, description)| {
            ClientRequest::SubmitDriver { request, description: Box::new(description) }
        }),
        id().prop_map(|driver| ClientRequest::KillDriver { driver }),
        Just(ClientRequest::KillAllDrivers),
        Just(ClientRequest::ClearCompleted),
        Just(ClientRequest::Ready),
        id().prop_map(|app| ClientRequest::KillApplication { app }),
        vec(text(), 0..3).prop_map(|hosts| ClientRequest::DecommissionHosts { hosts }),
    ]
}

pub(super) fn client_reply() -> impl Strategy<Value = ClientReply> {
    prop_oneof![
        id().prop_map(|driver| ClientReply::Submitted { driver }),
        text().prop_map(|reason| ClientReply::Invalid { reason }),
        (any::<bool>(), text()).prop_map(|(found, message)| ClientReply::KillRequested { found, message }),
        any::<u32>().prop_map(|drivers| ClientReply::KillAllRequested { drivers }),
        Just(ClientReply::Cleared),
        any::<bool>().prop_map(ClientReply::Ready),
        any::<u32>().prop_map(|workers| ClientReply::Decommissioning { workers }),
        not_leading().prop_map(ClientReply::NotLeading),
    ]
}

pub(super) fn status_question() -> impl Strategy<Value = StatusQuestion> {
    id().prop_map(|driver| StatusQuestion { driver })
}

pub(super) fn status_answer() -> impl Strategy<Value = StatusAnswer> {
    let worker = (option::of(id()), option::of(text()));
    let status = (id(), driver_state(), num(Attempt), worker, any::<Option<i32>>(), option::of(text())).prop_map(
        |(driver, state, attempt, (worker, worker_address), exit_code, message)| DriverStatus {
            driver,
            state,
            attempt,
            worker,
            worker_address,
            exit_code,
            message,
        },
    );
    let report = (option::of(status), any::<u64>().prop_map(Duration::from_millis), option::of(text()));
    prop_oneof![
        report.prop_map(|(status, age, degraded)| StatusAnswer::Report(DriverReport { status, age, degraded })),
        not_leading().prop_map(StatusAnswer::NotLeading),
    ]
}

pub(super) fn identity() -> impl Strategy<Value = Identity> {
    prop_oneof![
        (id(), num(Incarnation)).prop_map(|(id, incarnation)| Identity::Worker { id, incarnation }),
        option::of(id()).prop_map(Identity::App),
    ]
}

pub(super) fn acknowledgement() -> impl Strategy<Value = Acknowledgement> {
    (identity(), term()).prop_map(|(identity, heard)| Acknowledgement { identity, heard })
}

pub(super) fn leader_question() -> impl Strategy<Value = LeaderQuestion> {
    (option::of(term()), identity()).prop_map(|(above, asker)| LeaderQuestion { above, asker })
}

pub(super) fn leader_answer() -> impl Strategy<Value = LeaderAnswer> {
    (role(), option::of(leader()), id(), text()).prop_map(|(role, leader, master, address)| LeaderAnswer {
        role,
        leader,
        master,
        address,
    })
}

pub(super) fn log_request() -> impl Strategy<Value = LogRequest> {
    let process = prop_oneof![id().prop_map(LogOwner::Driver), executor_ref().prop_map(LogOwner::Executor)];
    let start = prop_oneof![num(LogStart::Offset), num(LogStart::LastBytes)];
    (process, select(vec![LogStream::Stdout, LogStream::Stderr]), start, any::<bool>())
        .prop_map(|(process, stream, start, follow)| LogRequest { process, stream, start, follow })
}
