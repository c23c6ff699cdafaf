use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A work directory with the output of one executor and one driver, and something beside it that nobody may read.
struct Host {
    dir: TempDir,
    place: Place,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::open(&dir.path().join("work"), vec![dir.path().join("local")]).unwrap();
        let executor = place.work.executor_dir("app-1", "0").unwrap();
        fs::write(executor.join("stderr"), "0123456789").unwrap();
        fs::write(executor.join("stdout"), "").unwrap();
        fs::write(place.work.driver_dir("driver-1").unwrap().join("stdout"), "from a driver <b>").unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("stderr"), "secret").unwrap();
        fs::write(dir.path().join("stderr"), "secret").unwrap();
        Self { dir, place }
    }

    fn root(&self) -> String {
        self.place.work.root().display().to_string()
    }

    fn text(&self, query: &str) -> String {
        self.piece(query).to_text()
    }

    fn piece(&self, query: &str) -> Piece {
        parse(query).unwrap().piece(&self.place)
    }
}

/// `a=1&b` as parameters; nothing is encoded.
fn parse(query: &str) -> Result<Query, BadQuery> {
    let pairs = query.split('&').map(|text| text.split_once('=').unwrap_or((text, "")));
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Query::read(&pairs.collect::<Vec<_>>())
}

#[test]
fn output_is_returned_as_it_was_written_t_ui_19_lg_01() {
    let host = Host::new();
    let file = format!("{}/app-1/0/stderr", host.root());
    let of = "appId=app-1&executorId=0&logType=stderr";
    for (range, first, text) in [
        ("", "0-10 of 10", "0123456789"),
        ("&offset=0&byteLength=4", "0-4 of 10", "0123"),
        ("&offset=7&byteLength=4", "7-10 of 10", "789"),
        ("&byteLength=3", "7-10 of 10", "789"),
        ("&offset=-5&byteLength=2", "0-2 of 10", "01"),
        ("&offset=10", "10-10 of 10", ""),
        ("&offset=99999999999&byteLength=5", "10-10 of 10", ""),
        ("&byteLength=0", "10-10 of 10", ""),
        ("&byteLength=18446744073709551615", "0-10 of 10", "0123456789"),
        ("&offset=9223372036854775807&byteLength=18446744073709551615", "10-10 of 10", ""),
        ("&offset=-9223372036854775808&byteLength=1", "0-1 of 10", "0"),
    ] {
        let expected = format!("==== Bytes {first} of {file} ====\n{text}");
        assert_eq!(host.text(&format!("{of}{range}")), expected, "{range}");
    }
    let driver = host.piece("driverId=driver-1&logType=stdout");
    assert_eq!((driver.text.as_str(), driver.owner.as_str()), ("from a driver <b>", "driver-1"));
    assert_eq!(host.piece("appId=app-1&executorId=0&logType=stdout").range, (0, 0, 0));
}

#[test]
fn other_kinds_of_logs_do_not_exist_t_ui_19_lg_02() {
    let host = Host::new();
    for kind in ["random", "does-not-exist.txt", "../stderr", "", "stderr/"] {
        let expected = format!(
            "==== Bytes 0-0 of 0 of {}/app-1/0/{kind} ====\nError: Log type must be one of stderr, stdout, out",
            host.root()
        );
        assert_eq!(host.text(&format!("appId=app-1&executorId=0&logType={kind}")), expected);
    }
    assert!(host.text("self&logType=out").contains("standard error"));
}

#[test]
fn nothing_outside_of_the_work_directory_is_read_t_ui_19_lg_03() {
    let host = Host::new();
    let outside = host.dir.path().join("outside");
    symlink(&outside, host.place.work.root().join("driver-2")).unwrap();
    symlink(&outside, host.place.work.root().join("app-1/7")).unwrap();
    let looped = host.place.work.driver_dir("driver-3").unwrap();
    symlink(outside.join("stderr"), looped.join("stderr")).unwrap();
    for of in [
        "appId=../..&executorId=0",
        "appId=..&executorId=0",
        "appId=app-1&executorId=..",
        "appId=app-1&executorId=00",
        "appId=app-1&executorId=+0",
        "appId=app-1&executorId=7",
        "appId=app-1&executorId=0/../../..",
        "appId=/etc&executorId=0",
        "driverId=..",
        "driverId=.",
        "driverId=",
        "driverId=driver-2",
        "driverId=nope",
        "driverId=../outside",
        "driverId=app-1/0",
        "driverId=a\u{0}b",
    ] {
        let text = host.text(&format!("{of}&logType=stderr"));
        assert!(text.starts_with("==== Bytes 0-0 of 0 of "), "{of}: {text}");
        assert!(text.contains("\nError: invalid log directory "), "{of}: {text}");
        assert_eq!(text.lines().count(), 2, "{of}: {text}");
        assert!(!text.contains("secret"), "{of}");
    }
    let linked = host.text("driverId=driver-3&logType=stderr");
    assert!(linked.starts_with("==== Bytes 0-0 of 0 of ") && !linked.contains("secret"), "{linked}");
}

#[test]
fn rolled_files_are_one_log_lg_04() {
    let host = Host::new();
    let dir = host.place.work.driver_dir("driver-4").unwrap();
    fs::write(dir.join("stderr--2026-11-20--14-05"), "one ").unwrap();
    fs::write(dir.join("stderr--2026-11-20--14-06"), "two ").unwrap();
    fs::write(dir.join("stderr"), "three").unwrap();
    let piece = host.piece("driverId=driver-4&logType=stderr&offset=2&byteLength=8");
    assert_eq!((piece.text.as_str(), piece.range), ("e two th", (2, 10, 13)));
}

#[test]
fn queries_that_say_nothing_are_refused_lg_01() {
    for query in ["", "logType=stderr", "appId=a&logType=stderr", "appId=a&executorId=0&driverId=d", "self&driverId=d"]
    {
        assert_eq!(parse(query), Err(BadQuery::NoOwner), "{query}");
    }
    for (query, field) in [
        ("driverId=d&offset=x", "offset"),
        ("driverId=d&offset=9223372036854775808", "offset"),
        ("driverId=d&offset=", "offset"),
        ("driverId=d&byteLength=-1", "byteLength"),
        ("driverId=d&byteLength=1e3", "byteLength"),
        ("driverId=d&byteLength=18446744073709551616", "byteLength"),
    ] {
        let why = parse(query).unwrap_err().to_string();
        assert!(why.starts_with(field) && why.contains("allowed"), "{why}");
    }
    assert_eq!(parse("driverId=d&byteLength=99999999").unwrap().bytes, MOST_BYTES);
}
