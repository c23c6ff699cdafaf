//! Everything that is done with bytes from strangers, for tests and for the fuzzer.

use std::collections::BTreeMap;

use tanist_spark::dialect::{Answer, ApplicationDescription, Dialect, ExecutorState, ToDriver, ToWorker};
use tanist_spark::uids::{Uids, asked};
use tanist_spark::{Address, Envelope, Frame, java, message, verifier};

/// Longest frame that is taken; as a master has it.
const LIMIT: usize = 16 << 20;
/// Longest message of ours, whatever it is an answer to.
const MAX_ANSWER: usize = 64 * 1024;

/// What a master does with an object stream, and whether it is a message.
pub(crate) fn take(payload: &[u8]) -> bool {
    let was_read = message::read(payload).is_ok();
    if let Ok(tree) = java::read(payload) {
        let again = java::write(&tree);
        let tree = java::read(&again).unwrap_or_else(|error| panic!("what was read and written: {error}"));
        assert_eq!(java::write(&tree), again);
    }
    let wanted = Dialect::wanted(payload).unwrap_or_default();
    let uids: Uids = wanted.into_iter().map(|class| (class.to_owned(), 7)).collect();
    if let Ok(dialect) = Dialect::with(payload, &uids) {
        let master = Address { host: "127.0.0.1".to_owned(), port: 7077 };
        let state = ExecutorState::Lost;
        let written = [
            dialect.write(&ToDriver::Registered { app: "app-1", master: &master }),
            dialect.write(&ToDriver::ExecutorUpdated {
                id: 1,
                state,
                message: None,
                exit_status: Some(1),
                worker_host: None,
            }),
            dialect.answer(&Answer::SubmitDriver { master: &master, driver: Some("driver-1"), message: "" }),
            dialect.order(&ToWorker::Registered { master: &master, ui_url: "", called: &master, duplicate: false }),
            dialect.order(&ToWorker::Decommission),
        ];
        assert!(written.iter().all(|bytes| bytes.len() < MAX_ANSWER), "as long as an answer is");
    }
    if let Ok(description) = ApplicationDescription::of(payload) {
        launch(payload, &description);
    }
    let _ = asked::answer("org.apache.spark.deploy.ExecutorState$", &String::from_utf8_lossy(payload));
    was_read
}

/// What a master does with a frame, and whether there is a message in it. `None` = it is no frame, or holds none.
pub(crate) fn take_frame(bytes: &[u8]) -> Option<bool> {
    let (frame, length) = Frame::first(bytes, LIMIT).ok()??;
    assert!((9..=bytes.len()).contains(&length));
    verifier::answer(&frame, &["Master"]);
    let (Frame::Request { body, .. } | Frame::OneWay { body }) = &frame else { return None };
    let envelope = Envelope::open(body).ok()?;
    let sealed = envelope.seal().ok()?;
    assert_eq!(Envelope::open(&sealed), Ok(envelope.clone()));
    Some(take(envelope.payload))
}

/// What a worker is told of an application can be read, whatever its driver has said of it.
fn launch(registration: &[u8], description: &ApplicationDescription) {
    let Ok(dialect) = Dialect::of(registration) else { return };
    let master = Address { host: "127.0.0.1".to_owned(), port: 7077 };
    let resources = BTreeMap::from([("gpu".to_owned(), vec!["0".to_owned()])]);
    let (profile, cores, memory_mib) = (0, 1, 1024);
    let (master, resources) = (&master, &resources);
    let launch = ToWorker::LaunchExecutor {
        master,
        app: "app-1",
        executor: 0,
        profile,
        description,
        cores,
        memory_mib,
        resources,
    };
    let launch = dialect.order(&launch);
    assert!(launch.len() < registration.len() + MAX_ANSWER, "as long as what it was made of");
    let tree = java::read(&launch).unwrap_or_else(|error| panic!("an executor to be launched: {error}"));
    assert!(tree.root().is_some_and(|root| root.field("appDesc").is_some()));
}
