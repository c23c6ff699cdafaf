//! What drivers and submitting programs are told: byte for byte what Spark's own serializer makes of it, or the short
//! form of it that real drivers have taken.

use tanist_spark::dialect::{Answer, Dialect, DriverState, DriverWorker, ExecutorState, Family, Scala, ToDriver};
use tanist_spark::uids::Uids;
use tanist_spark::{Address, Error, java};

use crate::captured::{Written, changed, frame, payload};
use crate::shown::lines;

pub(crate) const VERSIONS: [&str; 2] = ["3.5.9", "4.1.4"];

pub(crate) fn master() -> Address {
    Address { host: "127.0.0.1".to_owned(), port: 7077 }
}

/// The payload of a captured message of one version.
pub(crate) fn sent(version: &str, name: &str) -> Vec<u8> {
    payload(&frame(&format!("{version}/{name}.hex"))).unwrap()
}

pub(crate) fn registration(version: &str) -> Vec<u8> {
    sent(version, "03-client-driver-to-master-OneWayMessage-RegisterApplication")
}

impl Written {
    pub(crate) fn check(&self, name: &str, written: &[u8]) {
        let expected = self.payload(name);
        let shown = |bytes: &[u8]| lines(&java::read(bytes).unwrap()).join("\n");
        assert!(written == expected, "{name}: {}\nand not {}", shown(written), shown(expected));
    }
}

/// How a master would say `update`, and what is checked of it.
fn update(state: ExecutorState) -> ToDriver<'static> {
    ToDriver::ExecutorUpdated { id: 7, state, message: None, exit_status: None, worker_host: None }
}

#[test]
fn messages_without_states_are_those_of_spark() {
    for version in VERSIONS {
        let spark = Written::read(version, "payloads-by-spark.txt");
        let dialect = Dialect::of(&registration(version)).unwrap();
        let told = |name: &str, message: &ToDriver<'_>| spark.check(name, &dialect.write(message));
        told("RegisteredApplication", &ToDriver::Registered { app: "app-20260101000000-0000", master: &master() });
        told(
            "ExecutorAdded",
            &ToDriver::ExecutorAdded {
                id: 7,
                worker: "worker-1",
                worker_address: "127.0.0.1:5000",
                cores: 2,
                memory_mib: 1024,
            },
        );
        told("WorkerRemoved", &ToDriver::WorkerRemoved { worker: "worker-1", host: "127.0.0.1", message: "lost" });
        told("MasterChanged", &ToDriver::MasterChanged { master: &master(), ui_url: "http://127.0.0.1:8080" });
        told("ApplicationRemoved", &ToDriver::ApplicationRemoved { message: "KILLED" });

        let answered = |name: &str, answer: &Answer<'_>| spark.check(name, &dialect.answer(answer));
        answered(
            "SubmitDriverResponse.ok",
            &Answer::SubmitDriver {
                master: &master(),
                driver: Some("driver-20260101000000-0000"),
                message: "Driver successfully submitted as driver-20260101000000-0000",
            },
        );
        let message = "Can only accept driver submissions in ALIVE state. Current state: STANDBY.";
        answered("SubmitDriverResponse.no", &Answer::SubmitDriver { master: &master(), driver: None, message });
        let message = "Kill request for driver-1 submitted";
        let killed = Answer::KillDriver { master: &master(), driver: "driver-1", success: true, message };
        answered("KillDriverResponse", &killed);
        let unknown = Answer::DriverStatus { state: None, worker: None, exception: None };
        answered("DriverStatusResponse.not", &unknown);
        spark.check("true", &java::boolean(true));
    }
}

#[test]
fn messages_with_states_are_the_short_form_that_drivers_take() {
    for version in VERSIONS {
        let compact = Written::read(version, "payloads-compact.txt");
        let dialect = Dialect::of(&registration(version)).unwrap();
        for (name, state) in [
            ("LAUNCHING", ExecutorState::Launching),
            ("RUNNING", ExecutorState::Running),
            ("KILLED", ExecutorState::Killed),
            ("FAILED", ExecutorState::Failed),
            ("LOST", ExecutorState::Lost),
            ("EXITED", ExecutorState::Exited),
            ("DECOMMISSIONED", ExecutorState::Decommissioned),
        ] {
            compact.check(&format!("ExecutorUpdated.{name}"), &dialect.write(&update(state)));
        }
        let full = ToDriver::ExecutorUpdated {
            id: 7,
            state: ExecutorState::Exited,
            message: Some("Command exited with code 1"),
            exit_status: Some(1),
            worker_host: Some("127.0.0.1"),
        };
        compact.check("ExecutorUpdated.full", &dialect.write(&full));
        let status =
            |state, worker| dialect.answer(&Answer::DriverStatus { state: Some(state), worker, exception: None });
        for (name, state) in [
            ("SUBMITTED", DriverState::Submitted),
            ("RUNNING", DriverState::Running),
            ("FINISHED", DriverState::Finished),
            ("RELAUNCHING", DriverState::Relaunching),
            ("UNKNOWN", DriverState::Unknown),
            ("KILLED", DriverState::Killed),
            ("FAILED", DriverState::Failed),
            ("ERROR", DriverState::Error),
        ] {
            compact.check(&format!("DriverStatusResponse.{name}"), &status(state, None));
        }
        let worker = DriverWorker { id: "worker-1", address: "127.0.0.1:5000" };
        compact.check("DriverStatusResponse.found", &status(DriverState::Running, Some(worker)));
    }
}

/// The request shows nothing to copy a reference from: the answer has one without the class it extends.
#[test]
fn a_submitting_program_is_answered_in_the_dialect_of_its_request() {
    for (version, family, scala) in [("3.5.9", Family::Spark3, Scala::V2_12), ("4.1.4", Family::Spark4, Scala::V2_13)] {
        for request in [
            "24-cluster-submitclient-to-master-RpcRequest-RequestSubmitDriver",
            "26-cluster-submitclient-to-master-RpcRequest-RequestDriverStatus",
        ] {
            let dialect = Dialect::of(&sent(version, request)).unwrap();
            assert_eq!((dialect.family(), dialect.scala()), (family, scala), "{version} {request}");
            let submitted = Answer::SubmitDriver { master: &master(), driver: Some("driver-1"), message: "submitted" };
            let tree = java::read(&dialect.answer(&submitted)).unwrap();
            let full = Dialect::of(&registration(version)).unwrap().answer(&submitted);
            let full = lines(&java::read(&full).unwrap());
            let without_parent: Vec<String> =
                [&full[..7], &full[full.iter().position(|line| line.contains("endpointAddress")).unwrap()..]].concat();
            assert_eq!(lines(&tree), without_parent, "{version}");
        }
    }
}

#[test]
fn an_exception_is_a_throwable_with_a_message() {
    for version in VERSIONS {
        let dialect = Dialect::of(&registration(version)).unwrap();
        let message = "Current state is not alive: STANDBY";
        let answer = dialect.answer(&Answer::DriverStatus { state: None, worker: None, exception: Some(message) });
        let tree = java::read(&answer).unwrap();
        let some = tree.object(tree.root().unwrap().field("exception").unwrap()).unwrap();
        let exception = tree.object(some.field("value").unwrap()).unwrap();
        assert_eq!((some.class(), exception.class()), ("scala.Some", "java.lang.Exception"));
        assert_eq!(tree.text(exception.field("detailMessage").unwrap()), Some(message));
    }
}

#[test]
fn a_family_is_known_by_the_numbers_of_two_classes() {
    let profile_of =
        |uid: u64| changed(&registration("4.1.4"), &0xdd0e_5369_1f01_92fc_u64.to_be_bytes(), &uid.to_be_bytes());
    let family = |payload: &[u8]| Dialect::of(payload).map(|dialect| dialect.family());
    assert_eq!(family(&registration("3.5.9")), Ok(Family::Spark3));
    assert_eq!(family(&registration("4.1.4")), Ok(Family::Spark4_1));
    assert_eq!(family(&profile_of(0xa79a_a8c0_4cf2_8dd3)), Ok(Family::Spark4_0));
    assert_eq!(family(&profile_of(0xe602_aa26_b378_b78b)), Ok(Family::Spark4_3));
    assert!(matches!(family(&profile_of(7)), Err(Error::UnknownBuild { .. })));
}

/// A registration of a build with other numbers, and everything it is told, but for the numbers.
#[test]
fn a_build_that_is_not_known_is_told_the_same_once_its_numbers_are() {
    for (version, uid) in [("3.5.9", 0xb3bd_8dd3_0609_1fef_u64), ("4.1.4", 0x123d_8ca9_6b2c_1b0c)] {
        let registration = registration(version);
        let known = Dialect::of(&registration).unwrap();
        let payload = changed(&registration, &uid.to_be_bytes(), &(!uid).to_be_bytes());
        let error = Dialect::of(&payload).unwrap_err().to_string();
        assert!(error.contains("RegisterApplication") && error.contains("not known"), "{error}");

        let wanted = Dialect::wanted(&payload).unwrap();
        assert_eq!(wanted.len(), 7);
        let some: Uids = wanted[1..].iter().map(|class| ((*class).to_owned(), 1)).collect();
        assert!(matches!(Dialect::with(&payload, &some), Err(Error::UnknownBuild { .. })));
        let uids: Uids = wanted.iter().map(|class| ((*class).to_owned(), 1)).collect();
        let dialect = Dialect::with(&payload, &uids).unwrap();
        assert_eq!((dialect.family(), dialect.scala()), (Family::Unknown, known.scala()));
        for message in [
            update(ExecutorState::Lost),
            ToDriver::Registered { app: "app-1", master: &master() },
            ToDriver::MasterChanged { master: &master(), ui_url: "" },
        ] {
            let shown = |dialect: &Dialect| {
                let lines = lines(&java::read(&dialect.write(&message)).unwrap());
                lines.iter().map(|line| line.split(" [").next().unwrap().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(shown(&dialect), shown(&known));
            let root = java::read(&dialect.write(&message)).unwrap();
            assert_eq!(root.class_named(root.root().unwrap().class()).unwrap().uid, 1);
        }
    }
}

#[test]
fn a_known_build_wants_no_numbers_and_others_are_no_dialect() {
    for version in VERSIONS {
        assert_eq!(Dialect::wanted(&registration(version)).unwrap(), [""; 0]);
        let other = sent(version, "07-client-driver-to-master-OneWayMessage-UnregisterApplication");
        assert!(Dialect::of(&other).unwrap_err().to_string().contains("a registration of an application or a worker"));
        assert!(Dialect::of(&java::boolean(true)).is_err());
        assert!(Dialect::of(b"GET /").is_err());
    }
}

#[test]
fn a_registration_must_hold_a_reference_like_sparks() {
    let refusal =
        |from: &[u8], to: &[u8]| Dialect::of(&changed(&registration("4.1.4"), from, to)).unwrap_err().to_string();
    let told = "RegisterApplication.driver is no reference to an endpoint, or too long a one; allowed is an RpcEndpointRef of at most 8 KiB";
    assert_eq!(refusal(b"endpointAddress", b"endpointAnother"), told);
    // What is behind the reference was 20 bytes long.
    let long = [&b"t\x27\x10"[..], &b"x".repeat(10_000)].concat();
    assert_eq!(refusal(b"t\0\x14spark.rpc.askTimeout", &long), told);
}
