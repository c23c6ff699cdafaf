//! What Spark's own workers say, as messages, and what they are told: byte for byte what a master of Spark's says.

use std::collections::BTreeMap;

use tanist_spark::dialect::{ApplicationDescription, Dialect, DriverState, ExecutorState, Family, Scala, ToWorker};
use tanist_spark::message::{self, DriverDescription, ExecutorOnWorker, Message, Resources, WorkerRegistration};
use tanist_spark::uids::Uids;
use tanist_spark::{Address, Error, java};

use crate::captured::{Written, changed};
use crate::said::{VERSIONS, master, registration, sent};
use crate::shown::lines;
use crate::streams::utf;

/// Of the captured messages of each version: the time at which worker and application came, and the port of the worker;
/// and of those about a driver.
struct Captured {
    version: &'static str,
    worker: &'static str,
    port: u16,
    called: u16,
    ui_port: u16,
    app: &'static str,
    launch_driver: &'static str,
    driver_ended: &'static str,
}

const CAPTURED: [Captured; 2] = [
    Captured {
        version: "3.5.9",
        worker: "worker-20261120120207-127.0.0.1-40381",
        port: 40381,
        called: 24006,
        ui_port: 24010,
        app: "app-20261120120215-0000",
        launch_driver: "28-cluster-master-to-worker-OneWayMessage-LaunchDriver",
        driver_ended: "29-cluster-worker-to-master-OneWayMessage-DriverStateChanged",
    },
    Captured {
        version: "4.1.4",
        worker: "worker-20261120120402-127.0.0.1-46605",
        port: 46605,
        called: 24284,
        ui_port: 24288,
        app: "app-20261120120407-0000",
        launch_driver: "29-cluster-master-to-worker-OneWayMessage-LaunchDriver",
        driver_ended: "30-cluster-worker-to-master-OneWayMessage-DriverStateChanged",
    },
];

fn local(port: u16) -> Address {
    Address { host: "127.0.0.1".to_owned(), port }
}

fn worker(version: &str) -> Vec<u8> {
    sent(version, "10-client-worker-to-master-OneWayMessage-RegisterWorker")
}

fn gpus() -> Resources {
    BTreeMap::from([("gpu".to_owned(), vec!["0".to_owned(), "1".to_owned()])])
}

#[test]
fn every_captured_message_of_a_worker_is_read() {
    for Captured { version, worker, port, called, ui_port, app, driver_ended, .. } in CAPTURED {
        let read = |name: &str| message::read(&sent(version, name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = WorkerRegistration {
            id: worker.to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
            worker: local(port),
            cores: 2,
            memory_mib: 2048,
            ui_url: format!("http://127.0.0.1:{ui_port}"),
            master: local(called),
            resources: Resources::new(),
        };
        let register = read("10-client-worker-to-master-OneWayMessage-RegisterWorker");
        assert_eq!(register, Message::RegisterWorker(Box::new(expected)));
        let worker = worker.to_owned();
        assert_eq!(
            read("12-client-worker-to-master-OneWayMessage-WorkerLatestState"),
            Message::WorkerLatestState { worker: worker.clone(), executors: Vec::new(), drivers: Vec::new() }
        );
        let heartbeat = read("13-client-worker-to-master-OneWayMessage-Heartbeat");
        assert_eq!(heartbeat, Message::Heartbeat { worker });
        let changed = |state, message: Option<&str>, exit_status| Message::ExecutorStateChanged {
            app: app.to_owned(),
            executor: 0,
            state,
            message: message.map(str::to_owned),
            exit_status,
        };
        let running = read("15-client-worker-to-master-RpcRequest-ExecutorStateChanged");
        assert_eq!(running, changed(ExecutorState::Running, None, None));
        let interrupted = format!("Runner thread for executor {app}/0 interrupted");
        let interrupted = (version == "4.1.4").then_some(interrupted.as_str());
        let killed = read("18-client-worker-to-master-RpcRequest-ExecutorStateChanged");
        assert_eq!(killed, changed(ExecutorState::Killed, interrupted, Some(143)));
        let state = if version == "3.5.9" { DriverState::Failed } else { DriverState::Finished };
        let Message::DriverStateChanged { driver, state: found, exception } = read(driver_ended) else { panic!() };
        assert_eq!((found, exception), (state, None));
        assert!(driver.starts_with("driver-2026"), "{driver}");
    }
}

/// Serialized by the classes of both versions.
#[test]
fn what_a_worker_runs_is_read_from_both_versions() {
    let executor = |app: &str, id, profile, cores, memory_mib, state| ExecutorOnWorker {
        app: app.to_owned(),
        id,
        profile,
        cores,
        memory_mib,
        state,
    };
    let one = || executor("app-1", 7, 1, 2, 1024, ExecutorState::Running);
    let two = || executor("app-2", 0, 0, 1, 512, ExecutorState::Exited);
    let (worker, drivers) = ("worker-1".to_owned(), ["driver-1".to_owned(), "driver-2".to_owned()]);
    for version in VERSIONS {
        let written = Written::read(version, "payloads-of-workers.txt");
        let read = |name: &str| {
            message::read(written.payload(name)).unwrap_or_else(|error| panic!("{version} {name}: {error}"))
        };
        let worker = worker.clone();
        assert_eq!(
            read("WorkerLatestState"),
            Message::WorkerLatestState {
                worker: worker.clone(),
                executors: vec![one(), two()],
                drivers: drivers.to_vec()
            }
        );
        let [first, second] = drivers.clone();
        assert_eq!(
            read("WorkerSchedulerStateResponse"),
            Message::WorkerSchedulerStateResponse {
                worker: worker.clone(),
                executors: vec![(one(), gpus()), (two(), Resources::new())],
                drivers: vec![(first, Resources::new()), (second, gpus())],
            }
        );
        assert_eq!(read("WorkerDecommissioning"), Message::WorkerDecommissioning { worker });
    }
}

#[test]
fn why_a_driver_could_not_be_run_is_read_as_java_shows_it() {
    for version in VERSIONS {
        let written = Written::read(version, "payloads-of-workers.txt");
        for (name, wanted_state, wanted) in [
            ("error", DriverState::Error, "java.io.IOException: no such jar"),
            ("caused", DriverState::Failed, "java.lang.RuntimeException: java.io.IOException: no such jar"),
            ("silent", DriverState::Error, "java.lang.NullPointerException"),
        ] {
            let read = message::read(written.payload(&format!("DriverStateChanged.{name}"))).unwrap();
            let Message::DriverStateChanged { driver, state, exception } = read else { panic!() };
            assert_eq!((driver.as_str(), state, exception.as_deref()), ("driver-1", wanted_state, Some(wanted)));
        }
    }
}

#[test]
fn a_workers_family_is_known_by_the_numbers_of_two_classes() {
    let reference_of =
        |uid: u64| changed(&worker("4.1.4"), &0xabdf_2be7_8a22_e2ee_u64.to_be_bytes(), &uid.to_be_bytes());
    let shown = |payload: &[u8]| Dialect::of(payload).map(|dialect| (dialect.family(), dialect.scala()));
    assert_eq!(shown(&worker("3.5.9")), Ok((Family::Spark3, Scala::V2_12)));
    assert_eq!(shown(&worker("4.1.4")), Ok((Family::Spark4_1To4_3, Scala::V2_13)));
    assert_eq!(shown(&reference_of(0x3619_828d_141e_d26e)), Ok((Family::Spark4_0, Scala::V2_13)));
    assert!(matches!(shown(&reference_of(7)), Err(Error::UnknownBuild { .. })));
}

/// A worker of a build with other numbers: everything it is told has the numbers that were told.
#[test]
fn a_worker_of_a_build_that_is_not_known_needs_its_numbers() {
    for (version, uid) in [("3.5.9", 0x207b_f9e0_df01_427f_u64), ("4.1.4", 0x2ad2_f845_9b44_4977)] {
        let worker = worker(version);
        let known = Dialect::of(&worker).unwrap();
        let payload = changed(&worker, &uid.to_be_bytes(), &(!uid).to_be_bytes());
        let error = Dialect::of(&payload).unwrap_err().to_string();
        assert!(error.contains("RegisterWorker") && error.contains("not known"), "{error}");
        let wanted = Dialect::wanted(&payload).unwrap();
        // All but the two classes of addresses, which the worker has described.
        assert_eq!(wanted.len(), 15);
        let uids: Uids = wanted.iter().map(|class| ((*class).to_owned(), 1)).collect();
        let dialect = Dialect::with(&payload, &uids).unwrap();
        assert_eq!((dialect.family(), dialect.scala()), (Family::Unknown, known.scala()));
        let tree = java::read(&dialect.order(&ToWorker::KillDriver { driver: "driver-1" })).unwrap();
        assert_eq!(tree.class_named(tree.root().unwrap().class()).unwrap().uid, 1);
    }
}

#[test]
fn orders_are_those_of_spark() {
    for version in VERSIONS {
        let spark = Written::read(version, "payloads-by-spark.txt");
        let dialect = Dialect::of(&worker(version)).unwrap();
        let ordered = |name: &str, order: &ToWorker<'_>| spark.check(name, &dialect.order(order));
        let master = &master();
        ordered("RegisterWorkerFailed", &ToWorker::RegisterFailed { message: "Duplicate worker ID" });
        ordered("MasterInStandby", &ToWorker::MasterInStandby);
        ordered("ReconnectWorker", &ToWorker::Reconnect { master });
        ordered("MasterChanged", &ToWorker::MasterChanged { master, ui_url: "http://127.0.0.1:8080" });
        ordered("KillDriver", &ToWorker::KillDriver { driver: "driver-1" });
        let spark = Written::read(version, "payloads-of-workers.txt");
        spark.check("DecommissionWorker", &dialect.order(&ToWorker::Decommission));
    }
}

/// What a master of Spark's has said to the worker, while an application ran on it.
#[test]
fn captured_orders_are_written_byte_for_byte() {
    for Captured { version, called, ui_port, app, .. } in CAPTURED {
        let dialect = Dialect::of(&worker(version)).unwrap();
        // The worker calls its master by the port of a program in between that has recorded what was said.
        let master = &local(called - 2);
        let check = |name: &str, order: &ToWorker<'_>| {
            let (written, captured) = (dialect.order(order), sent(version, name));
            let shown = |bytes: &[u8]| lines(&java::read(bytes).unwrap()).join("\n");
            assert_eq!(shown(&written), shown(&captured), "{version} {name}");
            assert!(written == captured, "{version} {name}: other bytes of the same meaning");
        };
        let ui_url = format!("http://127.0.0.1:{}", ui_port - 1);
        check(
            "11-client-master-to-worker-OneWayMessage-RegisteredWorker",
            &ToWorker::Registered { master, ui_url: &ui_url, called: &local(called), duplicate: false },
        );
        let description = &ApplicationDescription::of(&registration(version)).unwrap();
        let (executor, profile, cores, memory_mib, resources) = (0, 0, 2, 1024, &Resources::new());
        check(
            "14-client-master-to-worker-OneWayMessage-LaunchExecutor",
            &ToWorker::LaunchExecutor { master, app, executor, profile, description, cores, memory_mib, resources },
        );
        let killed = ToWorker::KillExecutor { master, app, executor: 0 };
        check("16-client-master-to-worker-OneWayMessage-KillExecutor", &killed);
        let finished = ToWorker::ApplicationFinished { app };
        check("17-client-master-to-worker-OneWayMessage-ApplicationFinished", &finished);
    }
}

/// What it holds of the driver is what the submitting program has said; collections may be of other classes than Spark's.
#[test]
fn a_driver_to_be_launched_is_the_one_that_was_submitted() {
    for Captured { version, launch_driver, .. } in CAPTURED {
        let submitted = sent(version, "24-cluster-submitclient-to-master-RpcRequest-RequestSubmitDriver");
        let Message::RequestSubmitDriver(mut driver) = message::read(&submitted).unwrap() else { panic!() };
        let dialect = Dialect::of(&worker(version)).unwrap();
        let launched = |driver: &DriverDescription, resources: &Resources| {
            dialect.order(&ToWorker::LaunchDriver { driver: "driver-1", description: driver, resources })
        };
        assert_eq!(read_back(&launched(&driver, &Resources::new())), (*driver).clone());
        let captured = sent(version, launch_driver);
        assert_eq!(read_back(&captured).command.main_class, driver.command.main_class);
        driver.resources = vec![("gpu".to_owned(), 2)];
        driver.command.environment.clear();
        driver.command.class_path = vec!["/x/é.jar".to_owned()];
        let with_gpus = launched(&driver, &gpus());
        assert_eq!(read_back(&with_gpus), *driver);
        assert_types_are_those_of_spark(&captured, &with_gpus);
        let information = java::read(&Written::read(version, "payloads-of-workers.txt").0.pop().unwrap().1).unwrap();
        let tree = java::read(&with_gpus).unwrap();
        let class = "org.apache.spark.resource.ResourceInformation";
        assert_eq!(tree.class_named(class).unwrap().uid, information.class_named(class).unwrap().uid);
    }
}

/// The driver of a `LaunchDriver`, read as the request that it began with.
fn read_back(launch: &[u8]) -> DriverDescription {
    let renamed = |from: &str, to: &str, bytes: &[u8]| changed(bytes, &utf(from), &utf(to));
    let prefix = "org.apache.spark.deploy.DeployMessages$";
    let request = renamed(&format!("{prefix}LaunchDriver"), &format!("{prefix}RequestSubmitDriver"), launch);
    let request = renamed("driverDesc", "driverDescription", &request);
    match message::read(&request) {
        Ok(Message::RequestSubmitDriver(driver)) => *driver,
        other => panic!("{other:?}"),
    }
}

/// Every class that both hold has the same number, and fields of the same types.
fn assert_types_are_those_of_spark(captured: &[u8], written: &[u8]) {
    let (captured, written) = (java::read(captured).unwrap(), java::read(written).unwrap());
    let mut compared = 0;
    for name in ["LaunchDriver", "DriverDescription", "Command"] {
        let of = |tree: &java::Tree| {
            let prefix = ["org.apache.spark.deploy.", "org.apache.spark.deploy.DeployMessages$"];
            let class = prefix.iter().find_map(|prefix| tree.class_named(&format!("{prefix}{name}"))).unwrap();
            (class.uid, class.fields.iter().map(|field| (field.kind, field.name.clone())).collect::<Vec<_>>())
        };
        assert_eq!(of(&captured), of(&written), "{name}");
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn only_a_registration_describes_an_application() {
    for payload in [worker("4.1.4"), java::boolean(true), b"GET /".to_vec()] {
        assert!(ApplicationDescription::of(&payload).is_err());
    }
    let none = changed(&registration("4.1.4"), b"appDescription", b"AppDescription");
    let error = ApplicationDescription::of(&none).unwrap_err().to_string();
    assert_eq!(
        error,
        "RegisterApplication.appDescription is no description, or too deep a one; allowed is an ApplicationDescription"
    );
}

#[test]
fn absurd_numbers_of_a_worker_are_named_with_what_is_allowed() {
    let refusal =
        |payload: &[u8], from: &[u8], to: &[u8]| message::read(&changed(payload, from, to)).unwrap_err().to_string();
    let numbers = |cores: i32, memory: i32, port: i32| [cores, memory, port].map(i32::to_be_bytes).concat();
    for Captured { version, port, .. } in CAPTURED {
        let told = numbers(2, 2048, port.into());
        let read = |cores, memory, port| refusal(&worker(version), &told, &numbers(cores, memory, port));
        assert_eq!(read(-1, 1, 1), "RegisterWorker.cores is -1; allowed is 0 to 2147483647");
        assert_eq!(read(1, i32::MIN, 1), "RegisterWorker.memory is -2147483648; allowed is 0 to 2147483647");
        assert_eq!(read(1, 1, 65_536), "RegisterWorker.port is 65536; allowed is 0 to 65535");
    }
    let state = sent("4.1.4", "15-client-worker-to-master-RpcRequest-ExecutorStateChanged");
    let error = refusal(&state, &[0, 0, 0, 1, b'p'], &[0, 0, 0, 7, b'p']);
    assert_eq!(error, "ExecutorStateChanged.state is 7; allowed is an ExecutorState, 0 to 6");
}
