use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use tempfile::TempDir;

use super::{super::logs::LogFiles, *};

/// 2026-11-20 14:08:07 UTC.
const NOW: i64 = 1_795_183_687;

struct Log {
    dir: TempDir,
    now: Arc<AtomicI64>,
    appender: Option<RollingAppender>,
}

impl Log {
    fn new(when: RollWhen, max_files: Option<u32>, compress: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Self { dir, now: Arc::new(AtomicI64::new(NOW)), appender: None };
        log.reopen(LogMode::Truncate, Rolling { when, max_files, compress });
        log
    }

    fn reopen(&mut self, mode: LogMode, rolling: Rolling) {
        let sink = LogSink { path: self.dir.path().join("stderr"), mode, rolling: None };
        let now = Arc::clone(&self.now);
        let clock = Box::new(move || Timestamp::from_second(now.load(Ordering::Relaxed)).unwrap());
        self.appender = Some(RollingAppender::open(&sink, rolling, clock).unwrap());
    }

    fn append(&mut self, text: &str) {
        self.appender.as_mut().unwrap().append(text.as_bytes());
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn text(&self) -> String {
        String::from_utf8(LogFiles::find(self.dir.path(), "stderr").unwrap().read(0, u64::MAX).unwrap()).unwrap()
    }
}

fn size(bytes: u64) -> RollWhen {
    RollWhen::Size(NonZeroU64::new(bytes).unwrap())
}

#[test]
fn log_01_time_rolls_at_the_first_output_of_the_next_interval() {
    for (interval, seconds_left, suffix) in [
        (Interval::Daily, 35_513, "2026-11-21"),
        (Interval::Hourly, 3_113, "2026-11-20--15"),
        (Interval::Minutely, 53, "2026-11-20--14-09"),
        (Interval::Seconds(NonZeroU32::new(10).unwrap()), 3, "2026-11-20--14-08-10"),
    ] {
        let mut log = Log::new(RollWhen::Time(interval), None, false);
        log.append("a");
        log.now.store(NOW + seconds_left - 1, Ordering::Relaxed);
        log.append("b");
        assert_eq!(log.names(), ["stderr"], "{interval:?}");
        log.now.store(NOW + seconds_left, Ordering::Relaxed);
        log.append("c");
        assert_eq!(log.names(), ["stderr".to_owned(), format!("stderr--{suffix}")]);
        assert_eq!(fs::read_to_string(log.dir.path().join("stderr")).unwrap(), "c");
        assert_eq!(log.text(), "abc");
    }
}

#[test]
fn log_01_size_rolls_before_the_limit_is_passed_and_takes_free_names() {
    let mut log = Log::new(size(4), None, false);
    for text in ["abc", "d", "efg", "hi", "jklmnopqr"] {
        log.append(text);
    }
    // All within one moment of the clock, so all but the first need a counter.
    let base = "stderr--2026-11-20--14-08-07--0000";
    let expected =
        ["stderr", base, &format!("{base}--1"), &format!("{base}--2"), &format!("{base}--3"), &format!("{base}--4")];
    assert_eq!(log.names(), expected);
    assert_eq!(log.text(), "abcdefghijklmnopqr");
    for name in log.names() {
        assert!(fs::metadata(log.dir.path().join(name)).unwrap().len() <= 4);
    }
}

#[test]
fn log_01_only_the_newest_are_kept_beyond_counter_ten() {
    let mut log = Log::new(size(1), Some(2), false);
    for letter in "abcdefghijklmnop".chars() {
        log.append(&letter.to_string());
    }
    assert_eq!(log.text(), "nop");
    let mut none_kept = Log::new(size(1), Some(0), false);
    none_kept.append("ab");
    assert_eq!(none_kept.names(), ["stderr"]);
}

#[test]
fn log_01_compressed_parts_read_back_and_are_kept_by_number_too() {
    let mut log = Log::new(size(100), Some(3), true);
    for letter in "abcde".chars() {
        log.append(&letter.to_string().repeat(100));
    }
    let names = log.names();
    assert_eq!(names.iter().filter(|name| name.ends_with(COMPRESSED)).count(), 3, "{names:?}");
    assert_eq!(names.len(), 4);
    assert_eq!(log.text(), ["b", "c", "d", "e"].map(|letter| letter.repeat(100)).concat());
}

#[test]
fn appending_counts_what_is_there() {
    let mut log = Log::new(size(4), None, false);
    log.append("abc");
    log.reopen(LogMode::Append, Rolling { when: size(4), max_files: None, compress: false });
    log.append("de");
    assert_eq!(log.names().len(), 2);
    assert_eq!(log.text(), "abcde");
}

#[test]
fn a_full_disk_loses_text_but_not_the_writer() {
    let sink = LogSink { path: PathBuf::from("/dev/full"), mode: LogMode::Append, rolling: None };
    let rolling = Rolling { when: RollWhen::Time(Interval::Daily), max_files: None, compress: false };
    let mut appender = RollingAppender::open(&sink, rolling, Box::new(Timestamp::now)).unwrap();
    appender.drain(&b"0123456789"[..]);
    appender.append(b"01234");
    assert_eq!(appender.dropped, 15);
    assert_eq!(appender.first_error.as_ref().unwrap().kind(), io::ErrorKind::StorageFull);
    appender.finish();
}

#[test]
fn what_was_lost_is_said_once_when_there_is_room_again() {
    let mut log = Log::new(RollWhen::Time(Interval::Daily), None, false);
    let appender = log.appender.as_mut().unwrap();
    let room = std::mem::replace(&mut appender.file, OpenOptions::new().write(true).open("/dev/full").unwrap());
    appender.append(b"lost");
    appender.append(b"too");
    appender.file = room;
    appender.append(b"kept");
    log.appender.take().unwrap().finish();
    let text = log.text();
    assert!(text.starts_with("kept\n[tanist]") && text.contains("7 bytes of it dropped"), "{text}");
    assert_eq!(text.matches("[tanist]").count(), 1);
}

#[test]
fn a_log_that_cannot_be_put_aside_goes_on_and_rolls_again_when_it_can() {
    let mut log = Log::new(size(4), None, false);
    let dir = log.dir.path().to_owned();
    log.append("abcd");
    fs::remove_dir_all(&dir).unwrap();
    log.append("efgh");
    let error = log.appender.as_ref().unwrap().first_error.as_ref().map(io::Error::kind);
    assert_eq!(error, Some(io::ErrorKind::NotFound));
    fs::create_dir(&dir).unwrap();
    log.append("ijkl");
    assert_eq!(log.text(), "ijkl");
    log.append("mnop");
    assert_eq!((log.text().as_str(), log.names().len()), ("ijklmnop", 2));
}

#[test]
fn a_current_file_that_was_taken_away_is_begun_anew() {
    let mut log = Log::new(size(4), None, true);
    log.append("abcd");
    fs::remove_file(log.dir.path().join("stderr")).unwrap();
    log.append("efgh");
    assert_eq!((log.text().as_str(), log.names().len()), ("efgh", 1));
    assert!(log.appender.as_ref().unwrap().first_error.is_none(), "nothing of what was written since is lost");
}

#[test]
fn log_01_only_the_newest_are_kept_also_if_they_cannot_be_compressed() {
    let dir = tempfile::tempdir().unwrap();
    // With the moment behind it this is a file name, and with the ending of a compressed file it is none any more.
    let sink = LogSink { path: dir.path().join("x".repeat(226)), mode: LogMode::Append, rolling: None };
    let rolling = Rolling { when: size(1), max_files: Some(1), compress: true };
    let now = AtomicI64::new(NOW);
    let clock = Box::new(move || Timestamp::from_second(now.fetch_add(1, Ordering::Relaxed)).unwrap());
    let mut appender = RollingAppender::open(&sink, rolling, clock).unwrap();
    appender.append(b"abcdef");
    let error = appender.first_error.as_ref().map(io::Error::kind);
    assert_eq!(error, Some(io::ErrorKind::InvalidFilename));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the current one, and one that was put aside");
}
