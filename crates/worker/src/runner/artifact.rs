//! Fetching a driver's file into its directory (DRN-02): from a path, a `file:` URL, or over http(s).

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;
use tokio::{runtime::Handle, task::spawn_blocking};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{RunnerError, blocking, download, host::free_disk, workdir::check_name};

/// Everybody may read and run a fetched file (DRN-02).
const MODE: u32 = 0o755;

/// How much is written before it is looked again how much room is left.
pub(super) const STEP_BYTES: u64 = 16 * 1024 * 1024;

/// How long and how much a fetch may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchLimits {
    /// For making a connection.
    pub connect: Duration,
    /// For the next sign of life on a connection.
    pub idle: Duration,
    /// For all attempts together; after it no new one is begun.
    pub retry_for: Duration,
    /// Size of the file, in bytes.
    pub max_bytes: u64,
    /// Bytes that must stay free where it is written.
    pub keep_free: u64,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            retry_for: Duration::from_mins(1),
            max_bytes: 4 * 1024 * 1024 * 1024,
            keep_free: 0,
        }
    }
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Location {
    Path(PathBuf),
    Url(String),
}

/// Fetches the file into `dir` under the last segment of its location, executable, and returns its path. A file that
/// is there already is left alone (DRN-01). It appears complete or not at all.
///
/// Transient failures (no connection, time-out, HTTP 408, 429 and 5xx) are tried again with growing pauses.
///
/// # Errors
/// Names the location, without credentials, and what is wrong.
pub async fn fetch(location: &str, dir: &Path, limits: &FetchLimits) -> Result<PathBuf, RunnerError> {
    let (source, name) = parse(location)?;
    let target = dir.join(name);
    let known = target.clone();
    if blocking("look for", &target, move || Ok(fs::symlink_metadata(known).is_ok())).await? {
        return Ok(target);
    }
    let unfinished = Unfinished::new(dir);
    let placed = async {
        unfinished.fill(source, limits).await?;
        unfinished.put_in_place(&target).await
    };
    let placed = placed.await;
    unfinished.remove().await;
    placed.map(|()| target)
}

/// Gives a complete file its name.
fn put_in_place(unfinished: &Path, target: &Path) -> io::Result<()> {
    let file = File::open(unfinished)?;
    file.set_permissions(fs::Permissions::from_mode(MODE))?;
    // After a power failure the name may be there without what was written before it, and such a file would never be
    // fetched again.
    file.sync_all()?;
    fs::rename(unfinished, target)?;
    File::open(target.parent().unwrap_or(target))?.sync_all()
}

/// The name a location's file gets: its last segment, without query and escapes.
///
/// # Errors
/// When the location cannot be fetched at all, or its last segment is no file name.
pub fn file_name(location: &str) -> Result<String, RunnerError> {
    parse(location).map(|(_, name)| name)
}

/// A file on its way. What goes on for it is broken off with the value, and the file removed.
struct Unfinished {
    path: PathBuf,
    given_up: CancellationToken,
}

impl Unfinished {
    fn new(dir: &Path) -> Self {
        Self { path: dir.join(format!(".fetch-{}", Uuid::new_v4())), given_up: CancellationToken::new() }
    }

    async fn fill(&self, source: Location, limits: &FetchLimits) -> Result<(), RunnerError> {
        match source {
            Location::Path(from) => {
                let (to, limits, given_up) = (self.path.clone(), limits.clone(), self.given_up.clone());
                blocking("copy", &from.clone(), move || copy_unless(&given_up, &from, &to, &limits)).await
            }
            Location::Url(url) => download::download(&url, &self.path, limits).await,
        }
    }

    async fn put_in_place(&self, target: &Path) -> Result<(), RunnerError> {
        let (from, to) = (self.path.clone(), target.to_owned());
        blocking("put in place", target, move || {
            put_in_place(&from, &to).map_err(|source| RunnerError::io("put in place", &to, source))
        })
        .await
    }

    /// Returns once nothing is left of it under its first name.
    async fn remove(&self) {
        let path = self.path.clone();
        // It was put in place, or it was never made.
        let _ = spawn_blocking(move || fs::remove_file(path)).await;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.given_up.cancel();
        // Mostly done already. If not, nobody waits any more, and least of all whatever drops this.
        if let Ok(runtime) = Handle::try_current() {
            let path = std::mem::take(&mut self.path);
            runtime.spawn_blocking(move || fs::remove_file(path));
        }
    }
}

fn parse(location: &str) -> Result<(Location, String), RunnerError> {
    let bad = |problem: &str| RunnerError::BadLocation {
        location: download::without_secrets(location),
        problem: problem.to_owned(),
    };
    let scheme = scheme(location);
    let (source, segment) = match scheme.as_ref().map(|(scheme, rest)| (scheme.as_str(), *rest)) {
        None => (Location::Path(PathBuf::from(location)), last_segment(location).to_owned()),
        Some(("file", rest)) => {
            let path = rest.strip_prefix("//localhost/").map(|path| format!("/{path}"));
            let path = path.as_deref().or_else(|| rest.strip_prefix("//")).unwrap_or(rest);
            let path = decode(path).ok_or_else(|| bad("an escape in it is not UTF-8"))?;
            if !path.starts_with('/') {
                return Err(bad("a file: URL of another host, or a relative one"));
            }
            (Location::Path(PathBuf::from(&path)), last_segment(&path).to_owned())
        }
        Some(("http" | "https", rest)) => {
            let path = rest.split(['?', '#']).next().unwrap_or_default();
            let path = path.strip_prefix("//").and_then(|path| path.split_once('/')).map(|(_, path)| path);
            let path = path.ok_or_else(|| bad("it names no file on the server"))?;
            let name = decode(last_segment(path)).ok_or_else(|| bad("an escape in it is not UTF-8"))?;
            (Location::Url(location.to_owned()), name)
        }
        Some((scheme, _)) => return Err(bad(&format!("unknown scheme {scheme:?}"))),
    };
    check_name("name of the file to fetch", &segment)?;
    Ok((source, segment))
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Scheme in lower case and the rest; `None` for a plain path. What stands before a colon is a scheme if it looks like
/// one (RFC 3986): a file may well have a colon in its name, but not in the first segment of a path given here.
pub(super) fn scheme(location: &str) -> Option<(String, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    let looks_like_one = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    looks_like_one.then(|| (scheme.to_ascii_lowercase(), rest))
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl FetchLimits {
    /// Whether a file of so many bytes is allowed at all.
    pub(super) fn check_size(&self, location: &str, bytes: u64) -> Result<(), RunnerError> {
        let too_large = RunnerError::TooLarge { location: location.to_owned(), limit: self.max_bytes };
        if bytes > self.max_bytes { Err(too_large) } else { Ok(()) }
    }

    /// Whether there is room for so many bytes more in `dir`. Blocks.
    pub(super) fn check_room(&self, location: &str, dir: &Path, bytes: u64) -> Result<(), RunnerError> {
        if self.keep_free == 0 {
            return Ok(());
        }
        let free = free_disk(dir)?;
        if free.saturating_sub(bytes) >= self.keep_free {
            return Ok(());
        }
        let (location, dir, keep_free) = (location.to_owned(), dir.to_owned(), self.keep_free);
        Err(RunnerError::NoRoom { location, dir, bytes, free, keep_free })
    }
}

/// Copies until nobody waits for it any more; then nothing is left.
fn copy_unless(given_up: &CancellationToken, from: &Path, to: &Path, limits: &FetchLimits) -> Result<(), RunnerError> {
    let copied = copy(given_up, from, to, limits);
    if given_up.is_cancelled() {
        // It may have been made after whoever gave it up has removed it.
        let _ = fs::remove_file(to);
    }
    copied
}

fn copy(given_up: &CancellationToken, from: &Path, to: &Path, limits: &FetchLimits) -> Result<(), RunnerError> {
    let read_error = |source| RunnerError::io("read file to fetch", from, source);
    // Whoever opens a pipe would wait for its other end.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let source = File::options().read(true).custom_flags(nonblocking).open(from).map_err(read_error)?;
    let metadata = source.metadata().map_err(read_error)?;
    if !metadata.is_file() {
        return Err(read_error(io::Error::other("it is not a plain file")));
    }
    let (location, dir) = (from.display().to_string(), to.parent().unwrap_or(to));
    limits.check_size(&location, metadata.len())?;
    limits.check_room(&location, dir, metadata.len())?;
    let write_error = |source| RunnerError::io("write fetched file", to, source);
    let mut target = File::create_new(to).map_err(write_error)?;
    let mut copied = 0;
    loop {
        if given_up.is_cancelled() {
            return Err(write_error(io::Error::other("nobody waits for it any more")));
        }
        let step = io::copy(&mut (&source).take(STEP_BYTES), &mut target).map_err(write_error)?;
        if step == 0 {
            return Ok(());
        }
        // It may grow while it is read, and others write to the same disk.
        copied += step;
        limits.check_size(&location, copied)?;
        limits.check_room(&location, dir, 0)?;
    }
}

#[cfg(test)]
#[path = "artifact_tests.rs"]
mod tests;
