use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

use super::*;

fn gz(path: &Path, text: &[u8]) {
    let mut encoder = GzEncoder::new(File::create(path).unwrap(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap();
}

fn rolled_log() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    gz(&at("stdout--2026-11-20--14-08-07--0123.gz"), b"aaa");
    gz(&at("stdout--2026-11-20--14-08-07--0123--2.gz"), b"bb");
    fs::write(at("stdout--2026-11-20--14-08-07--0123--10"), "cccc").unwrap();
    fs::write(at("stdout--2026-11-20--14-08-09--0001"), "d").unwrap();
    fs::write(at("stdout"), "eeeee").unwrap();
    fs::write(at("stderr"), "not this one").unwrap();
    dir
}

#[test]
fn lg_04_parts_are_one_text_in_order_of_age() {
    let dir = rolled_log();
    let files = LogFiles::find(dir.path(), "stdout").unwrap();
    assert_eq!(files.total_len(), 15);
    assert_eq!(files.read(0, u64::MAX).unwrap(), b"aaabbccccdeeeee");
}

#[test]
fn lg_04_any_range_equals_the_same_range_of_the_whole() {
    let dir = rolled_log();
    let files = LogFiles::find(dir.path(), "stdout").unwrap();
    let whole = files.read(0, 15).unwrap();
    for from in 0..=16_usize {
        for len in 0..=16_usize {
            let expected = &whole[from.min(15)..(from + len).min(15)];
            assert_eq!(files.read(from as u64, len as u64).unwrap(), expected, "{from}+{len}");
        }
    }
}

#[test]
fn a_log_that_does_not_exist_yet_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(LogFiles::find(dir.path(), "stdout").unwrap().total_len(), 0);
    let missing = dir.path().join("gone");
    let error = LogFiles::find(&missing, "stdout").unwrap_err().to_string();
    assert!(error.contains(missing.to_str().unwrap()), "{error}");
}

#[test]
fn links_and_pipes_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    std::os::unix::fs::symlink(&secret, dir.path().join("stdout")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("stdout--2026"), rustix::fs::Mode::RWXU).unwrap();
    assert_eq!(LogFiles::find(dir.path(), "stdout").unwrap().total_len(), 0);
}

#[test]
fn intervals_are_words_or_seconds() {
    assert_eq!("daily".parse(), Ok(Interval::Daily));
    assert_eq!("30".parse(), Ok(Interval::Seconds(NonZeroU32::new(30).unwrap())));
    for bad in ["0", "-1", "weekly", "", "1.5"] {
        let error = bad.parse::<Interval>().unwrap_err().to_string();
        assert!(error.contains("daily, hourly, minutely"), "{error}");
    }
}

#[test]
fn log_01_a_follower_learns_what_was_rolled_away() {
    let dir = rolled_log();
    let find = || LogFiles::find(dir.path(), "stdout").unwrap();
    let earlier = find();
    // The current one becomes a part, of which for a moment a compressed copy is there too.
    let part = dir.path().join("stdout--2026-11-20--14-08-10--0001");
    fs::rename(dir.path().join("stdout"), &part).unwrap();
    gz(&part.with_extension("gz"), b"eeeee");
    assert_eq!((find().total_len(), find().dropped_since(&earlier)), (15, 0), "nothing is gone");
    fs::remove_file(&part).unwrap();
    fs::write(dir.path().join("stdout"), "ff").unwrap();
    fs::remove_file(dir.path().join("stdout--2026-11-20--14-08-07--0123.gz")).unwrap();
    fs::remove_file(dir.path().join("stdout--2026-11-20--14-08-07--0123--2.gz")).unwrap();
    assert_eq!((find().total_len(), find().dropped_since(&earlier)), (12, 5));
    assert!(!find().is_empty() && LogFiles::find(dir.path(), "nothing").unwrap().is_empty());
}

#[test]
fn log_01_a_follower_learns_that_the_current_file_was_rolled_away() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let find = || LogFiles::find(dir.path(), "stdout").unwrap();
    let (first, second) = (at("stdout--2026-11-20--14-08-07--0001"), at("stdout--2026-11-20--14-08-08--0001"));
    fs::write(at("stdout"), "aaa").unwrap();
    let earlier = find();
    fs::rename(at("stdout"), &first).unwrap();
    fs::write(at("stdout"), "bbbb").unwrap();
    assert_eq!(find().dropped_since(&earlier), 0, "it has another name");
    fs::rename(at("stdout"), &second).unwrap();
    fs::write(at("stdout"), "cc").unwrap();
    fs::remove_file(&first).unwrap();
    let files = find();
    assert_eq!((files.dropped_since(&earlier), files.read(0, 9).unwrap()), (3, b"bbbbcc".to_vec()), "it is gone");

    let earlier = find();
    fs::rename(at("stdout"), at("stdout--2026-11-20--14-08-09--0001")).unwrap();
    fs::remove_file(at("stdout--2026-11-20--14-08-09--0001")).unwrap();
    gz(&at("stdout--2026-11-20--14-08-09--0001.gz"), b"ccd");
    fs::write(at("stdout"), "").unwrap();
    assert_eq!(find().dropped_since(&earlier), 0, "it was compressed");
}
