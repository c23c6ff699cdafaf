//! Where a program's output goes ([`LogSink`]), and reading it back page by page ([`LogFiles`], LG-04).
//!
//! A log is the file `stderr` and, with rolling, older parts beside it named `stderr--2026-11-20--14-05` and so on
//! (LOG-01), possibly compressed (`….gz`). To a reader they are one text, oldest part first.

use std::{
    cmp::Ordering,
    ffi::OsStr,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    num::{NonZeroU32, NonZeroU64},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
    time::SystemTime,
};

use flate2::read::GzDecoder;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::RunnerError;

/// Between the parts of a rolled file's name.
pub(super) const SEPARATOR: &str = "--";
/// Ending of a compressed part.
pub(super) const COMPRESSED: &str = ".gz";
/// Size at which a log rolls unless another is asked for (LOG-01): 1 MiB.
pub const DEFAULT_MAX_SIZE: NonZeroU64 = NonZeroU64::new(1024 * 1024).unwrap();
/// How often a log is looked at before it counts as rolling too fast.
const LOOKS: u32 = 10;
/// The last four bytes of a gzip file: its uncompressed length modulo 2³².
const GZIP_LENGTH_BYTES: u64 = 4;

/// One output stream's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSink {
    /// The file; its directory must exist.
    pub path: PathBuf,
    /// What happens to what is already there.
    pub mode: LogMode,
    /// `None`: the program writes to the file itself. Otherwise the keeper does.
    pub rolling: Option<Rolling>,
}

/// What happens to a log that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogMode {
    /// It goes on (drivers, DRN-05).
    Append,
    /// It starts again (executors, ERN-05).
    Truncate,
}

/// When a log is put aside and how many are kept (LOG-01).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// What makes the log roll.
    pub when: RollWhen,
    /// Rolled files kept besides the current one; `None` keeps all (the original's −1).
    pub max_files: Option<u32>,
    /// Whether rolled files are compressed with gzip.
    pub compress: bool,
}

/// What makes a log roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollWhen {
    /// The first output after the end of an interval, counted from midnight UTC.
    Time(Interval),
    /// Output that would make the file larger than this many bytes.
    Size(NonZeroU64),
}

/// Length of a rolling interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// From midnight to midnight, UTC.
    Daily,
    /// From full hour to full hour.
    Hourly,
    /// From full minute to full minute.
    Minutely,
    /// This many seconds.
    Seconds(NonZeroU32),
}

/// An interval that is none of the allowed words and not a number of seconds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rolling interval {0:?} is not allowed: use daily, hourly, minutely or a whole number of seconds above 0")]
pub struct UnknownInterval(pub String);

impl FromStr for Interval {
    type Err = UnknownInterval;

    fn from_str(text: &str) -> Result<Self, UnknownInterval> {
        match text {
            "daily" => Ok(Self::Daily),
            "hourly" => Ok(Self::Hourly),
            "minutely" => Ok(Self::Minutely),
            seconds => seconds.parse().map(Self::Seconds).map_err(|_| UnknownInterval(text.to_owned())),
        }
    }
}

/// The parts of one log at one moment, oldest first. Blocking: call it from a thread that may wait.
#[derive(Debug)]
pub struct LogFiles {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    /// Uncompressed.
    len: u64,
    /// Put aside; otherwise it is the current file.
    rolled: bool,
    file: FileId,
}

/// Tells a file from others of the same name, and is the same under another one. A number alone may be given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    inode: u64,
    /// Where the file system knows.
    born: Option<SystemTime>,
}

impl From<&Metadata> for FileId {
    fn from(found: &Metadata) -> Self {
        Self { inode: found.ino(), born: found.created().ok() }
    }
}

impl LogFiles {
    /// Finds the rolled parts of the log `name` in `dir`, and its current file, as they are at one moment.
    ///
    /// A log that does not exist (yet) has no parts. Symbolic links and anything that is not a plain file are left
    /// out: the directory belongs to the program, and a page of ours must not be led elsewhere.
    ///
    /// # Errors
    /// When the directory or one of the files cannot be read, or the log rolls faster than it can be looked at.
    pub fn find(dir: &Path, name: &str) -> Result<Self, RunnerError> {
        let current = dir.join(name);
        for _ in 0..LOOKS {
            if let Some(found) = Self::look(&current)? {
                return Ok(found);
            }
        }
        Err(RunnerError::io("read log", &current, io::Error::other("it rolls too fast")))
    }

    /// `None`: something was rolled meanwhile, so that a part may have been missed.
    fn look(current: &Path) -> Result<Option<Self>, RunnerError> {
        let list = || {
            let mut rolled =
                rolled_files(current).map_err(|source| RunnerError::io("list parts of log", current, source))?;
            // For a moment a part is there both plain and compressed.
            rolled.dedup_by(|a, b| bare(a) == bare(b));
            Ok::<_, RunnerError>(rolled)
        };
        let rolled = list()?;
        let mut parts = Vec::with_capacity(rolled.len() + 1);
        for (path, rolled) in rolled.iter().map(|path| (path.as_path(), true)).chain([(current, false)]) {
            match Part::at(path, rolled) {
                Ok(part) => parts.extend(part),
                Err(error) if error.kind() == io::ErrorKind::NotFound && rolled => return Ok(None),
                // Not written yet.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(RunnerError::io("read log", path, source)),
            }
        }
        let unchanged = list()?.iter().map(|path| bare(path)).eq(rolled.iter().map(|path| bare(path)));
        Ok(unchanged.then_some(Self { parts }))
    }

    /// Bytes of all parts together, uncompressed.
    pub fn total_len(&self) -> u64 {
        self.parts.iter().map(|part| part.len).sum()
    }

    /// Whether there is nothing at all, not even an empty file.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes that an earlier look has seen and that are gone since: where the log now begins, counted from where it began
    /// then. What was written after that look to a part that is gone is not among them: nobody knows of it.
    pub fn dropped_since(&self, earlier: &Self) -> u64 {
        earlier.parts.iter().filter(|part| !self.has(part, earlier)).map(|part| part.len).sum()
    }

    /// Whether a part of an earlier look is here, perhaps under another name.
    fn has(&self, part: &Part, earlier: &Self) -> bool {
        let by_name = |here: &Part| bare(&here.path) == bare(&part.path);
        if part.rolled {
            return self.parts.iter().any(by_name);
        }
        // Compressed, it is another file: the oldest one of those that were put aside since.
        let is_new =
            |here: &&Part| here.rolled && !earlier.parts.iter().any(|known| bare(&known.path) == bare(&here.path));
        let next = self.parts.iter().find(is_new);
        self.parts.iter().any(|here| here.file == part.file)
            || next.is_some_and(|next| is_compressed(&next.path) && next.len >= part.len)
    }

    /// Up to `len` bytes from `offset` of the whole log; fewer at its end, none behind it. What was written after
    /// [`LogFiles::find`] is not included.
    ///
    /// # Errors
    /// When a part cannot be read, also because it was rolled away since: find again and repeat.
    pub fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>, RunnerError> {
        let mut text = Vec::new();
        let mut skip = offset;
        let mut wanted = len;
        for part in &self.parts {
            if wanted == 0 {
                break;
            }
            if skip >= part.len {
                skip -= part.len;
                continue;
            }
            let take = wanted.min(part.len - skip);
            let chunk = part.read(skip, take).map_err(|source| RunnerError::io("read log", &part.path, source))?;
            text.extend(chunk);
            wanted -= take;
            skip = 0;
        }
        Ok(text)
    }
}

/// The rolled parts of the log at `current`, oldest first.
pub(super) fn rolled_files(current: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(dir), Some(name)) = (current.parent(), current.file_name().and_then(OsStr::to_str)) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{name}{SEPARATOR}");
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if let Some(suffix) = entry.file_name().to_str().and_then(|file| file.strip_prefix(&prefix)) {
            found.push((suffix.to_owned(), entry.path()));
        }
    }
    found.sort_by(|(a, _), (b, _)| by_age(a, b));
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Parts of a suffix are dates and times of fixed width, and perhaps a counter without leading zeros: the shorter
/// number is the smaller one.
fn by_age(a: &str, b: &str) -> Ordering {
    fn key(suffix: &str) -> impl Iterator<Item = (usize, &str)> {
        let bare = suffix.strip_suffix(COMPRESSED).unwrap_or(suffix);
        bare.split(SEPARATOR).map(|part| (part.len(), part))
    }
    key(a).cmp(key(b))
}

/// Follows no link and waits for no FIFO.
fn open_plain(path: &Path) -> io::Result<Option<File>> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
}

/// The same before and after compression.
fn bare(path: &Path) -> &[u8] {
    let name = path.as_os_str().as_encoded_bytes();
    name.strip_suffix(COMPRESSED.as_bytes()).unwrap_or(name)
}

fn is_compressed(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(COMPRESSED.as_bytes())
}

impl Part {
    /// `None`: not a plain file, or no complete compressed one.
    fn at(path: &Path, rolled: bool) -> io::Result<Option<Self>> {
        let Some(mut file) = open_plain(path)? else { return Ok(None) };
        let found = file.metadata()?;
        let part = |len| Self { path: path.to_owned(), len, rolled, file: (&found).into() };
        if !is_compressed(path) {
            return Ok(Some(part(found.len())));
        }
        if found.len() < GZIP_LENGTH_BYTES {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(found.len() - GZIP_LENGTH_BYTES))?;
        let mut trailer = [0; 4];
        file.read_exact(&mut trailer)?;
        Ok(Some(part(u64::from(u32::from_le_bytes(trailer)))))
    }

    fn read(&self, skip: u64, take: u64) -> io::Result<Vec<u8>> {
        let file =
            open_plain(&self.path)?.filter(|file| file.metadata().is_ok_and(|found| FileId::from(&found) == self.file));
        let mut file = file.ok_or_else(|| io::Error::other("not the same file any more"))?;
        let mut text = Vec::new();
        if is_compressed(&self.path) {
            let mut decoder = GzDecoder::new(file);
            io::copy(&mut decoder.by_ref().take(skip), &mut io::sink())?;
            decoder.take(take).read_to_end(&mut text)?;
        } else {
            file.seek(SeekFrom::Start(skip))?;
            file.take(take).read_to_end(&mut text)?;
        }
        Ok(text)
    }
}

#[cfg(test)]
#[path = "logs_tests.rs"]
mod tests;
