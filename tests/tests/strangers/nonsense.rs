//! Who speaks another language, and sound messages that say what cannot be.

use tanist_testkit::captured::{ACKNOWLEDGEMENT, KILL, ONE_EXECUTOR, OPTIONS, SUBMISSION, UNREGISTRATION};
use tanist_testkit::{Node, wait_for};

use crate::driver::{Driver, Line, SILENCE, captured, cluster, framed};

/// Waits for the one line that a stranger leaves in the log: a warning with these words.
fn assert_told_once(master: &Node, before: usize, words: &str) {
    let lines = || -> Vec<String> {
        let said = master.said();
        let new = said.lines().skip(before).filter(|line| line.contains("WARN") || line.contains("ERROR"));
        new.map(str::to_owned).collect()
    };
    wait_for(&format!("the log to say {words:?}"), SILENCE, || {
        lines().iter().any(|line| line.contains(words)).then_some(())
    });
    let lines = lines();
    assert!(lines.len() == 1, "{words:?} once, not {lines:#?}");
}

/// Says bytes to a master that closes the connection, and leaves one line in its log.
fn is_closed_with(master: &Node, bytes: &[u8], words: &str) {
    let before = master.said().lines().count();
    let mut line = Line::to(&master.address);
    line.say(bytes);
    assert!(line.is_closed(), "{words}");
    assert_told_once(master, before, words);
}

#[test]
fn another_language_is_refused_with_one_line() {
    let cluster = cluster();
    let master = &cluster.masters[0];
    let mut beside = Driver::served(&master.address);
    let neither = "neither gRPC nor Spark's protocol: connection closed";
    for (bytes, words) in [
        (&b"GET /json/ HTTP/1.1\r\nHost: m1\r\n\r\n"[..], neither),
        (b"POST /v1/submissions/create HTTP/1.1\r\nHost: m1\r\nContent-Length: 2\r\n\r\n{}", neither),
        (
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
            "TLS is spoken by programs of Spark only where auth.tls_cert is set",
        ),
        (b"SSH-2.0-OpenSSH_9.9\r\n", neither),
        (&[0xFF; 64], neither),
        // More than fits into any memory, more than is taken, less than a frame has, and of no type.
        (
            &[0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 3],
            "a frame of 72057594037927935 bytes; allowed are 9 to 1048576",
        ),
        (&[0, 0, 0, 0, 0, 0x10, 0, 1, 3], "a frame of 1048577 bytes; allowed are 9 to 1048576"),
        (&[0, 0, 0, 0, 0, 0, 0, 8, 3], "a frame of 8 bytes; allowed are 9 to 1048576"),
        (&[0, 0, 0, 0, 0, 0, 0, 64, 200], "a frame of type 200"),
    ] {
        is_closed_with(master, bytes, words);
    }
    assert!(beside.is_answered());
}

#[test]
fn absurd_numbers_are_refused_with_one_line_that_names_them() {
    let cluster = cluster();
    let master = &cluster.masters[0];
    let mut beside = Driver::served(&master.address);
    let one = |cores: i32, memory: i32| [cores.to_be_bytes(), memory.to_be_bytes()].concat();
    let profile = |id: i32| [&[1][..], &id.to_be_bytes(), &[0x73]].concat();
    let amount = |amount: i64| amount.to_be_bytes().to_vec();
    let arguments = [b"t\0\x0d--executor-id", &[0x70].repeat(1_000_000)[..]].concat();
    let port = |port: i32| [&port.to_be_bytes()[..], b"t\0\x09127.0.0.1"].concat();
    for (name, from, to, words) in [
        (SUBMISSION, one(1, 500), one(-1, 500), "DriverDescription.cores is -1; allowed is 0 to 2147483647"),
        (SUBMISSION, one(1, 500), one(1, -500), "DriverDescription.mem is -500; allowed is 0 to 2147483647"),
        (
            OPTIONS,
            amount(600),
            amount(1 << 31),
            "ExecutorResourceRequest.amount is 2147483648; allowed is 0 to 2147483647",
        ),
        (OPTIONS, amount(600), amount(-1), "ExecutorResourceRequest.amount is -1; allowed is 0 to 2147483647"),
        (OPTIONS, b"t\0\x0d--executor-id".to_vec(), arguments, "the object stream has too many objects and values"),
        (OPTIONS, port(40553), port(-1), "RpcAddress.port is -1; allowed is 0 to 65535"),
        (ONE_EXECUTOR, profile(0), profile(-7), "ResourceProfile._id is -7; allowed is 0 to 2147483647"),
    ] {
        is_closed_with(master, &framed(&captured(name).replaced(&from, &to)), words);
    }
    assert!(beside.is_answered());
}

#[test]
fn nobody_speaks_for_the_application_of_another() {
    let cluster = cluster();
    let master = &cluster.masters[0];
    let (mut one, mut other) = (Driver::served(&master.address), Driver::served(&master.address));
    let before = master.said().lines().count();
    other.says_about(UNREGISTRATION, &one.app);
    other.says_about(ACKNOWLEDGEMENT, &one.app);
    for question in [ONE_EXECUTOR, KILL] {
        other.says_about(question, &one.app);
        assert!(!other.is_told_yes());
    }
    assert_told_once(master, before, "which is not of this connection");
    assert!(one.is_answered() && other.is_answered());
}
