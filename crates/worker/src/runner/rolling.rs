//! Writing a log that is put aside by time or size (LOG-01). Runs in the keeper, one thread per stream.
//!
//! A full disk must not stop the program: what cannot be written is dropped and counted, and said once at the end.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;

use super::logs::{COMPRESSED, Interval, LogMode, LogSink, RollWhen, Rolling, SEPARATOR, rolled_files};

/// Bytes taken from the program at once: as many as a Linux pipe holds.
const CHUNK: usize = 64 * 1024;
/// Wall time, injected so that tests need not wait for midnight.
pub type Clock = Box<dyn Fn() -> Timestamp + Send>;

/// The writing end of one rolling log.
pub struct RollingAppender {
    path: PathBuf,
    rolling: Rolling,
    clock: Clock,
    file: File,
    /// Bytes in the current file.
    written: u64,
    /// Second since the epoch from which on the next output goes to a new file; only used by time.
    next_roll: i64,
    dropped: u64,
    first_error: Option<io::Error>,
}

impl RollingAppender {
    /// Opens the current file of the log.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(sink: &LogSink, rolling: Rolling, clock: Clock) -> io::Result<Self> {
        let file = open(&sink.path, sink.mode)?;
        let written = file.metadata()?.len();
        let mut appender = Self {
            path: sink.path.clone(),
            rolling,
            clock,
            file,
            written,
            next_roll: 0,
            dropped: 0,
            first_error: None,
        };
        appender.next_roll = appender.end_of_interval();
        Ok(appender)
    }

    /// Writes, rolling first when it is time; what cannot be written is counted as dropped. No file grows beyond the
    /// maximum size.
    pub fn append(&mut self, bytes: &[u8]) {
        let piece = match self.rolling.when {
            RollWhen::Size(max) => usize::try_from(max.get()).unwrap_or(usize::MAX),
            RollWhen::Time(_) => usize::MAX,
        };
        bytes.chunks(piece).for_each(|piece| self.append_piece(piece));
    }

    fn append_piece(&mut self, piece: &[u8]) {
        if self.is_due(piece.len() as u64) {
            self.roll();
        }
        let mut rest = piece;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return self.drop_rest(rest, io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written += count as u64;
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.drop_rest(rest, error),
            }
        }
    }

    /// Copies everything until the other side closes.
    pub fn drain(&mut self, mut from: impl Read) {
        let mut buffer = vec![0; CHUNK];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => self.append(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.drop_rest(&[], error),
            }
        }
    }

    /// Says how much was lost, if anything was and there is room for saying so.
    pub fn finish(mut self) {
        if let Some(error) = &self.first_error {
            let note = format!("\n[tanist] trouble with this log, {} bytes of it dropped: {error}\n", self.dropped);
            // Still no room: nothing more can be done here.
            let _ = self.file.write_all(note.as_bytes());
        }
    }

    fn drop_rest(&mut self, rest: &[u8], error: io::Error) {
        self.dropped += rest.len() as u64;
        self.first_error.get_or_insert(error);
    }

    fn is_due(&self, coming: u64) -> bool {
        match self.rolling.when {
            RollWhen::Size(max) => self.written > 0 && self.written + coming > max.get(),
            RollWhen::Time(_) => (self.clock)().as_second() >= self.next_roll,
        }
    }

    fn end_of_interval(&self) -> i64 {
        let length = match self.rolling.when {
            RollWhen::Size(_) => return i64::MAX,
            RollWhen::Time(Interval::Daily) => 86_400,
            RollWhen::Time(Interval::Hourly) => 3_600,
            RollWhen::Time(Interval::Minutely) => 60,
            RollWhen::Time(Interval::Seconds(seconds)) => i64::from(seconds.get()),
        };
        let now = (self.clock)().as_second();
        now - now.rem_euclid(length) + length
    }

    /// Puts the current file aside and begins a new one. When that fails, the file goes on, by whichever name it has, and
    /// the next try is one interval or one maximum size later.
    fn roll(&mut self) {
        self.next_roll = self.end_of_interval();
        if self.written == 0 {
            return;
        }
        self.written = 0;
        if let Err(error) = self.put_aside() {
            self.drop_rest(&[], error);
        }
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let target = self.free_name()?;
        let is_aside = match fs::rename(&self.path, &target) {
            Ok(()) => true,
            // Somebody has taken it away, or the last try came no further than here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        self.file = open(&self.path, LogMode::Truncate)?;
        // First: compressing needs room, too.
        let pruned = self.prune();
        if is_aside && self.rolling.compress && self.rolling.max_files != Some(0) {
            compress(&target)?;
        }
        pruned
    }

    /// The suffix tells the moment of rolling. When it is taken, a counter follows, one above the highest there: a
    /// lower one may have become free by pruning, but would sort as older.
    fn free_name(&self) -> io::Result<PathBuf> {
        let suffix = (self.clock)().strftime(suffix_format(self.rolling.when)).to_string();
        let name = with_ending(&self.path, &format!("{SEPARATOR}{suffix}"));
        let highest = rolled_files(&self.path)?.iter().filter_map(|path| counter_after(&name, path)).max();
        Ok(match highest {
            None => name,
            Some(counter) => with_ending(&name, &format!("{SEPARATOR}{}", counter + 1)),
        })
    }

    fn prune(&self) -> io::Result<()> {
        let Some(max) = self.rolling.max_files else { return Ok(()) };
        let rolled = rolled_files(&self.path)?;
        let excess = rolled.len().saturating_sub(max as usize);
        rolled.iter().take(excess).try_for_each(fs::remove_file)
    }
}

/// Time in UTC, as fine as the rolling is (LOG-01).
fn suffix_format(when: RollWhen) -> &'static str {
    match when {
        RollWhen::Time(Interval::Daily) => "%Y-%m-%d",
        RollWhen::Time(Interval::Hourly) => "%Y-%m-%d--%H",
        RollWhen::Time(Interval::Minutely) => "%Y-%m-%d--%H-%M",
        RollWhen::Time(Interval::Seconds(_)) => "%Y-%m-%d--%H-%M-%S",
        RollWhen::Size(_) => "%Y-%m-%d--%H-%M-%S--%4f",
    }
}

/// The counter of a rolled file whose name begins with `name`, without counter 0.
fn counter_after(name: &Path, path: &Path) -> Option<u64> {
    let rest = path.to_str()?.strip_prefix(name.to_str()?)?;
    match rest.strip_suffix(COMPRESSED).unwrap_or(rest) {
        "" => Some(0),
        rest => rest.strip_prefix(SEPARATOR)?.parse().ok(),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Opens a log for writing.
pub(super) fn open(path: &Path, mode: LogMode) -> io::Result<File> {
    if mode == LogMode::Truncate {
        File::create(path)?;
    }
    // Appending even after truncation: whoever else writes here, nobody overwrites anybody.
    OpenOptions::new().append(true).create(true).open(path)
}

/// A reader sees either the plain or the complete compressed file.
fn compress(path: &Path) -> io::Result<()> {
    let target = with_ending(path, COMPRESSED);
    let unfinished = path.with_file_name(format!(".{}", uuid::Uuid::new_v4()));
    let result = compress_to(path, &unfinished).and_then(|()| fs::rename(&unfinished, &target));
    if result.is_err() {
        // The plain file stays; the half compressed one is of no use.
        let _ = fs::remove_file(&unfinished);
        return result;
    }
    fs::remove_file(path)
}

fn compress_to(path: &Path, target: &Path) -> io::Result<()> {
    let mut encoder = GzEncoder::new(File::create_new(target)?, Compression::default());
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?.sync_all()
}

#[cfg(test)]
#[path = "rolling_tests.rs"]
mod tests;
