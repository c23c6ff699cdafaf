//! What a real worker makes of the bytes of `tanist-spark` alone: a listener that is no master at all tells it everything a
//! master can tell it.

use std::collections::BTreeMap;
use std::fs;

use tanist_spark::dialect::{ApplicationDescription, DriverState, ExecutorState, ToWorker};
use tanist_spark::message::{self, Command, DriverDescription, Message, Resources};
use tanist_spark::{Address, Dialect};
use tanist_testkit::captured::{Captured, REGISTRATION};
use tanist_testkit::{Spark, SparkWorker, SparkWorkerOptions, wait_for};

use crate::line::{Line, listen};
use crate::world::{LOGGING, SLOWLY, program, programs};

const APP: &str = "app-1";
/// The pages of nobody.
const UI_URL: &str = "http://127.0.0.1:1";

/// A program of the tests as a driver.
fn driver(spark: &Spark, class: &str) -> DriverDescription {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    DriverDescription {
        jar_url: format!("file:{}", programs(spark).display()),
        memory_mib: 512,
        cores: 1,
        supervise: false,
        command: Command {
            main_class: "org.apache.spark.deploy.worker.DriverWrapper".to_owned(),
            arguments: words(&["{{WORKER_URL}}", "{{USER_JAR}}", class, "7", "acht 9"]),
            environment: vec![("SPARK_VAR".to_owned(), "é".to_owned())],
            class_path: Vec::new(),
            library_path: Vec::new(),
            java_options: words(&["-Dspark.master=local[1]"]),
        },
        resources: Vec::new(),
    }
}

/// A worker, and who speaks to it as its master.
struct Told {
    worker: SparkWorker,
    line: Line,
    dialect: Dialect,
    id: String,
    called: Address,
}

impl Told {
    /// One with two GPUs, before anybody has answered it.
    fn start(spark: &Spark) -> Self {
        let (listener, master) = listen();
        let script = program("gpus.sh").display().to_string();
        let properties = &[
            ("spark.worker.resource.gpu.amount", "2"),
            ("spark.worker.resource.gpu.discoveryScript", script.as_str()),
        ];
        let (host, java, logging) = ("127.0.0.1", "", &program(LOGGING));
        let options = SparkWorkerOptions { host, cores: 2, memory: "1g", properties, java, logging };
        let worker = spark.worker(&master.to_string(), &options).unwrap();
        let mut line = Line::accept(&listener, &master, "Worker");
        let payload = line.heard(|message| matches!(message, Message::RegisterWorker(_)));
        let Message::RegisterWorker(registered) = message::read(&payload).unwrap() else { panic!() };
        assert_eq!((registered.cores, registered.memory_mib), (2, 1024));
        assert_eq!((registered.worker.to_string(), registered.resources), (worker.address.clone(), gpus()));
        assert_eq!(registered.master, master);
        let dialect = Dialect::of(&payload).unwrap();
        Self { worker, line, dialect, id: registered.id, called: registered.master }
    }

    fn tell(&mut self, order: &ToWorker<'_>) {
        self.line.tell(&self.dialect.order(order));
    }

    /// The next message like this.
    #[track_caller]
    fn heard(&mut self, is_it: impl Fn(&Message) -> bool) -> Message {
        message::read(&self.line.heard(is_it)).unwrap()
    }

    fn register(&mut self) {
        let (master, called) = (self.line.master.clone(), self.called.clone());
        self.tell(&ToWorker::Registered { master: &master, ui_url: UI_URL, called: &called, duplicate: false });
        let worker = self.id.clone();
        let nothing = Message::WorkerLatestState { worker: worker.clone(), executors: Vec::new(), drivers: Vec::new() };
        // One of the two comes first.
        let mut left = vec![nothing, Message::Heartbeat { worker }];
        while !left.is_empty() {
            let heard = self.heard(|message| left.contains(message));
            left.retain(|message| *message != heard);
        }
    }

    fn executor(&mut self, wanted: ExecutorState) -> Option<i32> {
        let is_it = |message: &Message| matches!(message, Message::ExecutorStateChanged { app, executor: 3, state, .. } if app == APP && *state == wanted);
        let Message::ExecutorStateChanged { exit_status, .. } = self.heard(is_it) else { panic!() };
        exit_status
    }

    fn launch_driver(&mut self, id: &str, description: &DriverDescription) {
        self.tell(&ToWorker::LaunchDriver { driver: id, description, resources: &gpus() });
    }

    fn ended(&mut self, id: &str) -> (DriverState, Option<String>) {
        let is_it = |message: &Message| matches!(message, Message::DriverStateChanged { driver, .. } if driver == id);
        let Message::DriverStateChanged { state, exception, .. } = self.heard(is_it) else { panic!() };
        (state, exception)
    }

    /// What one of its programs has written.
    fn said(&self, program: &str, stream: &str) -> String {
        fs::read_to_string(self.worker.work_dir().join(program).join(stream)).unwrap_or_default()
    }
}

fn gpus() -> Resources {
    BTreeMap::from([("gpu".to_owned(), vec!["4".to_owned(), "7".to_owned()])])
}

#[test]
fn a_worker_takes_every_order_about_executors_msg_02() {
    for spark in Spark::releases() {
        let mut told = Told::start(&spark);
        told.register();
        // Nobody listens any more where this driver has.
        let registration = Captured::of_release(&spark.version, REGISTRATION).unwrap();
        let description = &ApplicationDescription::of(&registration.payload).unwrap();
        let (master, resources) = (&told.line.master.clone(), &gpus());
        let (app, executor, profile, cores, memory_mib) = (APP, 3, 0, 1, 512);
        told.tell(&ToWorker::LaunchExecutor {
            master,
            app,
            executor,
            profile,
            description,
            cores,
            memory_mib,
            resources,
        });
        told.executor(ExecutorState::Running);
        // Its driver is not there.
        assert_eq!(told.executor(ExecutorState::Exited), Some(1));
        let command = told.said("app-1/3", "stderr");
        assert!(command.contains("\"--resourcesFile\""), "{command}");
        told.tell(&ToWorker::KillExecutor { master, app, executor: 4 });
        wait_for("it to look", SLOWLY, || {
            told.worker.said().contains("Asked to kill unknown executor app-1/4").then_some(())
        });
        told.tell(&ToWorker::ApplicationFinished { app });
        wait_for("the end of its files", SLOWLY, || (told.worker.scratch() == 0).then_some(()));
    }
}

#[test]
fn a_worker_takes_every_order_about_drivers_msg_02() {
    for spark in Spark::releases() {
        let mut told = Told::start(&spark);
        told.register();
        let pi = &DriverDescription { resources: vec![("gpu".to_owned(), 2)], ..driver(&spark, "SparkPi") };
        told.launch_driver("driver-1", pi);
        // On Java 17 the driver of 3.5 cannot run so: nobody tells its wrapper's Java to open its packages.
        let expected = if spark.version.starts_with('3') { DriverState::Failed } else { DriverState::Finished };
        assert_eq!(told.ended("driver-1"), (expected, None), "{}", told.said("driver-1", "stderr"));
        let missing = &DriverDescription { jar_url: "file:/no/such.jar".to_owned(), ..driver(&spark, "SparkPi") };
        told.launch_driver("driver-2", missing);
        let (state, exception) = told.ended("driver-2");
        assert_eq!(state, DriverState::Error);
        assert!(exception.as_ref().is_some_and(|why| why.contains("NoSuchFile")), "{exception:?}");

        told.launch_driver("driver-3", &driver(&spark, "Sleeper"));
        // Two lines: what it was given, and what its process was.
        let said = wait_for("the driver", SLOWLY, || {
            let said = told.said("driver-3", "stdout");
            said.contains("variables [").then_some(said)
        });
        assert!(said.contains("started with 7,acht 9"), "{said}");
        assert!(said.contains("variables [SPARK_VAR"), "{said}");
        let master = &told.line.master.clone();
        told.tell(&ToWorker::MasterChanged { master, ui_url: UI_URL });
        let (executors, drivers) = (Vec::new(), vec![("driver-3".to_owned(), gpus())]);
        let runs = Message::WorkerSchedulerStateResponse { worker: told.id.clone(), executors, drivers };
        told.heard(|message| *message == runs);
        told.tell(&ToWorker::KillDriver { driver: "driver-3" });
        assert_eq!(told.ended("driver-3"), (DriverState::Killed, None));
    }
}

#[test]
fn a_worker_takes_every_word_about_masters_msg_01() {
    for spark in Spark::releases() {
        let mut told = Told::start(&spark);
        told.tell(&ToWorker::MasterInStandby);
        told.register();
        told.tell(&ToWorker::Decommission);
        let master = &told.line.master.clone();
        told.tell(&ToWorker::Reconnect { master });
        told.heard(|message| matches!(message, Message::RegisterWorker(_)));
        told.tell(&ToWorker::RegisterFailed { message: "enough" });
        wait_for("its end", SLOWLY, || (!told.worker.runs()).then_some(()));
        let said = told.worker.said();
        for words in ["decommission", "requested this worker to reconnect", "Worker registration failed: enough"] {
            assert!(said.contains(words), "{words:?} in {said}");
        }
    }
}
