//! What a real driver makes of the bytes of `tanist-spark` alone: a listener that is no master at all says everything a
//! master can say to it, and takes the numbers for that from the driver itself.

use std::thread;

use tanist_spark::Dialect;
use tanist_spark::dialect::{ExecutorState, ToDriver};
use tanist_spark::message::Message;
use tanist_testkit::Spark;

use crate::line::{Line, listen};
use crate::uids::of_another_build;
use crate::world::program;

const APP: &str = "app-1";

#[test]
fn a_driver_tells_its_numbers_and_takes_everything_it_is_told_by_them() {
    for release in Spark::releases() {
        let (listener, master) = listen();
        let url = format!("spark://{master}");
        let script = program("pi.py").display().to_string();
        let spark = release.clone();
        let submit = move || spark.submit(&program("log4j2.properties"), &["--master", &url, &script, "1"]).unwrap();
        let submitting = thread::spawn(submit);

        let mut driver = Line::accept(&listener, &master, "AppClient");
        let registration = driver.heard(|message| matches!(message, Message::RegisterApplication(_)));
        let known = Dialect::of(&registration).unwrap();
        let unknown = of_another_build(registration);
        let wanted = Dialect::wanted(&unknown).unwrap();
        assert_eq!(wanted.len(), 7, "{wanted:?}");
        let uids = wanted.into_iter().map(|class| (class.to_owned(), driver.ask(class))).collect();
        let dialect = Dialect::with(&unknown, &uids).unwrap();

        let updated = |state, exit_status| {
            let worker_host = Some("10.0.0.1");
            ToDriver::ExecutorUpdated { id: 0, state, message: Some("because"), exit_status, worker_host }
        };
        for message in [
            ToDriver::Registered { app: APP, master: &master },
            ToDriver::ExecutorAdded {
                id: 0,
                worker: "worker-1",
                worker_address: "10.0.0.1:7",
                cores: 3,
                memory_mib: 512,
            },
            updated(ExecutorState::Running, None),
            updated(ExecutorState::Exited, Some(5)),
            ToDriver::WorkerRemoved { worker: "worker-1", host: "10.0.0.1", message: "it is lost" },
            ToDriver::MasterChanged { master: &master, ui_url: "http://10.0.0.2:8080" },
        ] {
            assert!(dialect.write(&message) == known.write(&message), "{}: {message:?}", release.version);
            driver.tell(&dialect.write(&message));
        }
        driver.heard(|message| *message == Message::MasterChangeAcknowledged { app: Some(APP.to_owned()) });
        driver.tell(&dialect.write(&ToDriver::ApplicationRemoved { message: "enough" }));
        driver.heard(|message| *message == Message::UnregisterApplication { app: APP.to_owned() });

        let ended = submitting.join().unwrap();
        assert_ne!(ended.code, 0, "{}: {ended:?}", release.version);
        for said in [
            "Executor added: app-1/0 on worker-1 (10.0.0.1:7) with 3 core(s)",
            "Executor updated: app-1/0 is now RUNNING (because)",
            "Executor updated: app-1/0 is now EXITED (because)",
            "Master removed worker worker-1: it is lost",
            "Master has changed, new master is at",
            "Master removed our application: enough",
        ] {
            assert!(ended.stderr.contains(said), "{}: {said:?} in {}", release.version, ended.stderr);
        }
    }
}
