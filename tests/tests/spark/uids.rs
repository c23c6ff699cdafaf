//! A build of Spark that nobody has described, spoken to by the numbers in its jars. Every release is one, if it is not
//! recognized.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::PathBuf;

use tanist_spark::dialect::{Answer, DriverState, ExecutorState, ToDriver};
use tanist_spark::uids::jar;
use tanist_spark::{Address, Dialect};
use tanist_testkit::Spark;
use tanist_testkit::captured::{Captured, REGISTRATION, SUBMISSION};

/// A message that a program of this or a neighbouring release has sent; these have the same numbers.
fn sent(release: &Spark, message: &str) -> Vec<u8> {
    let version = if release.version.starts_with('3') { "3.5.9" } else { "4.1.4" };
    Captured::of_release(version, message).unwrap().payload
}

/// The same message, had its class another number: the one behind its name.
pub(crate) fn of_another_build(mut payload: Vec<u8>) -> Vec<u8> {
    let name = usize::from(u16::from_be_bytes([payload[6], payload[7]]));
    payload[8 + name] ^= 0xFF;
    payload
}

pub(crate) fn core_jar(release: &Spark) -> PathBuf {
    let jars = fs::read_dir(release.home.join("jars")).unwrap().map(|entry| entry.unwrap());
    jars.map(|jar| jar.path()).find(|jar| jar.to_string_lossy().contains("/spark-core_")).unwrap()
}

#[test]
fn a_release_is_told_the_same_by_the_numbers_in_its_jars() {
    let master = Address { host: "127.0.0.1".to_owned(), port: 7077 };
    for release in Spark::releases() {
        let version = &release.version;
        let from_jar = |payload: &[u8]| {
            let unknown = of_another_build(payload.to_vec());
            let wanted = Dialect::wanted(&unknown).unwrap();
            assert!(wanted.len() >= 7, "{version}: {wanted:?}");
            let uids = jar::read(BufReader::new(File::open(core_jar(&release)).unwrap()), wanted).unwrap();
            Dialect::with(&unknown, &uids).unwrap()
        };
        let registration = sent(&release, REGISTRATION);
        let (known, found) = (Dialect::of(&registration).unwrap(), from_jar(&registration));
        let state = ExecutorState::Exited;
        for message in [
            ToDriver::Registered { app: "app-1", master: &master },
            ToDriver::ExecutorAdded { id: 1, worker: "worker-1", worker_address: "a:1", cores: 1, memory_mib: 512 },
            ToDriver::ExecutorUpdated { id: 1, state, message: None, exit_status: Some(1), worker_host: None },
            ToDriver::WorkerRemoved { worker: "worker-1", host: "a", message: "lost" },
            ToDriver::MasterChanged { master: &master, ui_url: "http://a:8080" },
            ToDriver::ApplicationRemoved { message: "KILLED" },
        ] {
            assert!(known.write(&message) == found.write(&message), "{version}: {message:?}");
        }

        let request = sent(&release, SUBMISSION);
        let (known, found) = (Dialect::of(&request).unwrap(), from_jar(&request));
        let state = Some(DriverState::Running);
        for answer in [
            Answer::SubmitDriver { master: &master, driver: Some("driver-1"), message: "submitted" },
            Answer::KillDriver { master: &master, driver: "driver-1", success: false, message: "not found" },
            Answer::DriverStatus { state, worker: None, exception: None },
        ] {
            assert!(known.answer(&answer) == found.answer(&answer), "{version}: {answer:?}");
        }
    }
}
