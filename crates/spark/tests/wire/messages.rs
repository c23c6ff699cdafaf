//! What drivers and submitting programs have said, as messages.

use tanist_spark::message::{self, Command, Message, Profile, Registration};
use tanist_spark::{Address, Error};

use crate::captured::{all, frame, payload};

fn read(name: &str) -> Message {
    message::read(&payload(&frame(&format!("{name}.hex"))).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn registration(name: &str) -> Registration {
    match read(&format!("{name}-driver-to-master-OneWayMessage-RegisterApplication")) {
        Message::RegisterApplication(registration) => *registration,
        other => panic!("{other:?}"),
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn profile(amounts: &[(&str, u32)]) -> Profile {
    Profile { id: 0, amounts: amounts.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect() }
}

fn arguments(driver: &str) -> Vec<String> {
    texts(&[
        "--driver-url",
        driver,
        "--executor-id",
        "{{EXECUTOR_ID}}",
        "--hostname",
        "{{HOSTNAME}}",
        "--cores",
        "{{CORES}}",
        "--app-id",
        "{{APP_ID}}",
        "--worker-url",
        "{{WORKER_URL}}",
        "--resourceProfileId",
        "{{RESOURCE_PROFILE_ID}}",
    ])
}

#[test]
fn a_registration_with_everything_set_is_read_from_both_versions() {
    for (version, port, options, environment) in [
        (
            "3.5.9",
            34003,
            21,
            &[("SPARK_USER", "user"), ("OMP_NUM_THREADS", "1"), ("FOO", "bar"), ("SPARK_EXECUTOR_MEMORY", "600m")][..],
        ),
        ("4.1.4", 40553, 26, &[("SPARK_USER", "user"), ("FOO", "bar"), ("OMP_NUM_THREADS", "1")][..]),
    ] {
        let mut read = registration(&format!("{version}/19-opts"));
        let java_options = std::mem::take(&mut read.command.java_options);
        assert_eq!(java_options.len(), options, "{version}");
        assert_eq!(java_options[0], format!("-Dspark.driver.port={port}"));
        assert_eq!(java_options[options - 2..], texts(&["-Dapp={{APP_ID}}", "-Dexe={{EXECUTOR_ID}}"]));
        let expected = Registration {
            name: "wireproto Pi é".to_owned(),
            user: "root".to_owned(),
            ui_url: "http://127.0.0.1:4040".to_owned(),
            command: Command {
                main_class: "org.apache.spark.executor.CoarseGrainedExecutorBackend".to_owned(),
                arguments: arguments(&format!("spark://CoarseGrainedScheduler@127.0.0.1:{port}")),
                environment: pairs(environment),
                class_path: texts(&["/x/a.jar", "/x/b.jar"]),
                library_path: texts(&["/x/lib"]),
                java_options: Vec::new(),
            },
            profile: profile(&[("cores", 1), ("memory", 600), ("offHeap", 0)]),
            max_cores: Some(1),
            initial_executor_limit: None,
            event_log_dir: Some("file:/app".to_owned()),
            event_log_codec: if version == "3.5.9" { None } else { Some("zstd".to_owned()) },
            driver: Some(Address { host: "127.0.0.1".to_owned(), port }),
        };
        assert_eq!(read, expected, "{version}");
    }
}

#[test]
fn a_registration_says_what_it_leaves_to_the_master() {
    for version in ["3.5.9", "4.1.4"] {
        let plain = registration(&format!("{version}/03-client"));
        assert_eq!((plain.max_cores, plain.initial_executor_limit), (None, None), "{version}");
        assert_eq!((plain.event_log_dir, plain.event_log_codec), (None, None), "{version}");
        assert_eq!(plain.profile, profile(&[("memory", 1024), ("offHeap", 0)]), "{version}");
        assert_eq!(plain.profile.amount(Profile::CORES), None);
        let dynamic = registration(&format!("{version}/20-dyn"));
        assert_eq!(dynamic.initial_executor_limit, Some(0), "{version}");
    }
}

#[test]
fn every_captured_message_of_a_driver_is_read() {
    for (version, started, dynamic, taken_over, idle) in [
        ("3.5.9", "20261120120215-0000", "20261120120253-0000", "38", "0"),
        ("4.1.4", "20261120120407-0000", "20261120120537-0000", "39", "1"),
    ] {
        let said = |name: &str| read(&format!("{version}/{name}"));
        let (started, dynamic) = (format!("app-{started}"), format!("app-{dynamic}"));
        assert_eq!(
            said("01-client-driver-to-master-RpcRequest-CheckExistence"),
            Message::CheckExistence { name: "Master".to_owned() }
        );
        for (number, total) in [("21", 0), ("22", 1)] {
            assert_eq!(
                said(&format!("{number}-dyn-driver-to-master-RpcRequest-RequestExecutors")),
                Message::RequestExecutors {
                    app: dynamic.clone(),
                    targets: vec![(profile(&[("cores", 1), ("memory", 600), ("offHeap", 0)]), total)],
                }
            );
        }
        assert_eq!(
            said("23-dyn-driver-to-master-RpcRequest-KillExecutors"),
            Message::KillExecutors { app: dynamic, executors: texts(&[idle]) }
        );
        assert_eq!(
            said("07-client-driver-to-master-OneWayMessage-UnregisterApplication"),
            Message::UnregisterApplication { app: started }
        );
        let acknowledged = "failover-driver-to-master-OneWayMessage-MasterChangeAcknowledged";
        let acknowledged = said(&format!("{taken_over}-{acknowledged}"));
        assert!(matches!(acknowledged, Message::MasterChangeAcknowledged { app: Some(app) } if app.ends_with("-0001")));
    }
}

/// It was never registered, and has heard of a new master.
#[test]
fn a_driver_that_was_never_told_its_id_acknowledges_without_one() {
    for (version, number) in [("3.5.9", "38"), ("4.1.4", "39")] {
        let name = format!("{version}/{number}-failover-driver-to-master-OneWayMessage-MasterChangeAcknowledged.hex");
        let mut payload = payload(&frame(&name)).unwrap();
        let id = payload.windows(3).rposition(|bytes| bytes == [b't', 0, 23]).unwrap();
        payload.splice(id.., [b'p']);
        assert_eq!(message::read(&payload), Ok(Message::MasterChangeAcknowledged { app: None }));
    }
}

#[test]
fn a_submitted_driver_is_read_with_all_of_its_environment() {
    let Message::RequestSubmitDriver(driver) =
        read("4.1.4/24-cluster-submitclient-to-master-RpcRequest-RequestSubmitDriver")
    else {
        panic!()
    };
    assert_eq!((driver.jar_url.as_str(), driver.memory_mib, driver.cores), ("file:/app/pi.jar", 500, 1));
    assert!(!driver.supervise && driver.resources.is_empty());
    assert_eq!(driver.command.main_class, "org.apache.spark.deploy.worker.DriverWrapper");
    assert_eq!(driver.command.arguments, ["{{WORKER_URL}}", "{{USER_JAR}}", "wireproto.Pi", "2"]);
    assert_eq!(driver.command.environment.len(), 16);
    assert!(driver.command.environment.contains(&("SPARK_SCALA_VERSION".to_owned(), "2.13".to_owned())));
    assert_eq!(driver.command.java_options.len(), 10);
    let status = read("4.1.4/26-cluster-submitclient-to-master-RpcRequest-RequestDriverStatus");
    assert_eq!(status, Message::RequestDriverStatus { driver: "driver-20261120120732-0000".to_owned() });
    let old = read("3.5.9/24-cluster-submitclient-to-master-RpcRequest-RequestSubmitDriver");
    assert!(matches!(old, Message::RequestSubmitDriver(driver) if driver.memory_mib == 500));
}

/// What masters say is of no concern here, but must not be an error.
#[test]
fn every_other_captured_object_is_an_unknown_message() {
    let (mut known, mut unknown) = (0, 0);
    for (name, bytes, expected) in all() {
        let Some(payload) = payload(&bytes) else { continue };
        let message = message::read(&payload).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(expected["class"].as_str().unwrap().ends_with(message.name()), "{name}: {}", message.name());
        match message {
            Message::Unknown { class } => {
                assert_eq!(class, expected["class"], "{name}");
                unknown += 1;
            }
            _ => known += 1,
        }
    }
    assert_eq!((known, unknown), (38, 31));
}

#[test]
fn what_is_no_message_is_an_error() {
    for bytes in [&b"GET / HTTP/1.1"[..], b"", b"\xac\xed\0\x05\x70", b"\xac\xed\0\x05\x74\0\x01a"] {
        assert!(message::read(bytes).is_err());
    }
    let null = message::read(b"\xac\xed\0\x05\x70").unwrap_err();
    assert_eq!(null, Error::Unexpected { found: "nothing".to_owned(), wanted: "a message" });
}
