//! A worker of Spark made of captured frames: it says what those of Spark have said, under its own port and id.

use tanist_testkit::captured::{Captured, QUESTION};

use super::spark::{CAPTURED_DRIVER, Driver, Heard, Line};

const REGISTRATION: &str = "10-client-worker-to-master-OneWayMessage-RegisterWorker";
const HEARTBEAT: &str = "13-client-worker-to-master-OneWayMessage-Heartbeat";
/// Executor 0 runs.
pub(crate) const RUNS: &str = "15-client-worker-to-master-RpcRequest-ExecutorStateChanged";
/// Executor 0 was killed, with exit status 143.
pub(crate) const KILLED: &str = "18-client-worker-to-master-RpcRequest-ExecutorStateChanged";
/// A driver is FINISHED.
const DRIVER_ENDED: &str = "30-cluster-worker-to-master-OneWayMessage-DriverStateChanged";

/// Ids and ports in those frames.
const CAPTURED_ID: &str = "worker-20261120120402-127.0.0.1-46605";
const CAPTURED_PORT: u32 = 46605;
const CAPTURED_APP: &str = "app-20261120120407-0000";
const CAPTURED_3_5: (&str, u32) = ("worker-20261120120207-127.0.0.1-40381", 40381);

/// The process of a worker: whoever holds it holds its port.
pub(crate) struct Worker {
    process: Driver,
    pub(crate) id: String,
}

impl Worker {
    /// Two cores and 2048 MiB.
    pub(crate) async fn start() -> Self {
        let process = Driver::start().await;
        let id = format!("worker-20261128220000-127.0.0.1-{}", process.port);
        Self { process, id }
    }

    /// One with the id of another one.
    pub(crate) async fn named(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::start().await }
    }

    fn port(&self) -> u32 {
        self.process.port.into()
    }

    /// Asks whether there is a master, and registers.
    pub(crate) async fn registers(&self, master: &str) -> WorkerLine {
        self.registers_on(self.process.connect(master).await, "4.1.4", (CAPTURED_ID, CAPTURED_PORT)).await
    }

    /// The same on a connection that has its master keep nearly all that is not read.
    pub(crate) async fn registers_narrowly(&self, master: &str) -> WorkerLine {
        self.registers_on(self.process.connect_narrowly(master).await, "4.1.4", (CAPTURED_ID, CAPTURED_PORT)).await
    }

    /// The same as a worker of Spark 3.5.
    pub(crate) async fn registers_as_3_5(&self, master: &str) -> WorkerLine {
        self.registers_on(self.process.connect(master).await, "3.5.9", CAPTURED_3_5).await
    }

    async fn registers_on(&self, mut line: Line, release: &str, (id, port): (&str, u32)) -> WorkerLine {
        line.send("endpoint-verifier", &Captured::read(QUESTION).unwrap()).await;
        assert!(line.hear().await.unwrap().is_yes());
        let registration = Captured::of_release(release, REGISTRATION).unwrap();
        let registration = registration.replaced(&port.to_be_bytes(), &self.port().to_be_bytes());
        line.send("Master", &registration.about(id, &self.id)).await;
        WorkerLine { line, id: self.id.clone() }
    }

    /// Takes the call of a master that makes itself known.
    pub(crate) async fn is_called(&self) -> WorkerLine {
        let (line, _) = self.process.takes_a_call().await;
        WorkerLine { line, id: self.id.clone() }
    }
}

/// One connection between a worker and a master.
pub(crate) struct WorkerLine {
    line: Line,
    id: String,
}

impl WorkerLine {
    /// Registers once more on this connection.
    pub(crate) async fn registers_again(&mut self, worker: &Worker) {
        let registration = Captured::read(REGISTRATION).unwrap();
        let registration = registration.replaced(&CAPTURED_PORT.to_be_bytes(), &worker.port().to_be_bytes());
        self.line.send("Master", &registration.about(CAPTURED_ID, &self.id)).await;
    }

    /// Is greeted, and says what it runs: this executor of two cores, and two drivers. There is a second executor, of an
    /// application `app-2`, which has ended.
    pub(crate) async fn is_greeted(&mut self, app: &str, executor: u32, drivers: [&str; 2]) {
        self.line.hears("MasterChanged").await;
        self.line.hears("RegisteredWorker").await;
        self.says_what_it_runs(app, executor, drivers).await;
    }

    pub(crate) async fn says_what_it_runs(&mut self, app: &str, executor: u32, drivers: [&str; 2]) {
        let runs = Captured::written("payloads-of-workers.txt", "WorkerSchedulerStateResponse").unwrap();
        let runs = runs.replaced(&7u32.to_be_bytes(), &executor.to_be_bytes()).about("worker-1", &self.id);
        let runs = runs.about("app-1", app).about("driver-1", drivers[0]).about("driver-2", drivers[1]);
        self.line.send("Master", &runs).await;
    }

    /// An executor 0 is in another state, and the master knows; with what it was told meanwhile.
    pub(crate) async fn reports(&mut self, name: &str, app: &str) -> Vec<Heard> {
        let asked = self.line.send("Master", &Captured::read(name).unwrap().about(CAPTURED_APP, app)).await;
        let mut told = Vec::new();
        loop {
            match self.line.hear().await.unwrap() {
                answer @ Heard::Answer(id, _) if id == asked => {
                    assert!(answer.is_yes());
                    return told;
                }
                message @ Heard::Told(_) => told.push(message),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn driver_has_finished(&mut self, driver: &str) {
        let ended = Captured::read(DRIVER_ENDED).unwrap();
        self.line.send("Master", &ended.about(CAPTURED_DRIVER, driver)).await;
    }

    pub(crate) async fn beats(&mut self) {
        let heartbeat = Captured::read(HEARTBEAT).unwrap();
        self.line.send("Master", &heartbeat.about(CAPTURED_ID, &self.id)).await;
    }

    pub(crate) async fn hears(&mut self, name: &str) -> Heard {
        self.line.hears(name).await
    }

    /// Everything up to the end of the connection, by name.
    pub(crate) async fn end(self) -> Vec<String> {
        self.line.end().await.iter().map(|heard| heard.name().to_owned()).collect()
    }
}
