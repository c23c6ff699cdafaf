//! Finding and killing every process below a keeper, whatever group or session it moved to.
//!
//! The keeper is child subreaper: an orphaned descendant becomes its child. So there are no descendants exactly when
//! there are no children, and `wait` says that with certainty (`ECHILD`); reading `/proc` only finds whom to kill.

use std::{
    collections::HashMap,
    fs,
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, wait},
};

/// Environment variable by which a worker recognises the processes of a keeper that was itself killed.
pub(super) const MARK_VARIABLE: &str = "TANIST_PROCESS";
/// How long SIGKILL may take to clear everything; only a process stuck in the kernel needs longer.
pub(super) const CLEAR_DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two rounds of killing: long enough for a killed process to be torn down.
const ROUND_PAUSE: Duration = Duration::from_millis(5);

/// Sends SIGKILL once to everything below this process.
pub(super) fn kill_descendants() -> usize {
    let found = descendants(getpid());
    for &pid in &found {
        // It may have ended since it was listed.
        let _ = kill_process(pid, Signal::KILL);
    }
    found.len()
}

/// Kills and reaps everything below this process until nothing is left or [`CLEAR_DEADLINE`] has passed; returns how
/// many are left. Call it only from the thread that does all reaping.
pub(super) fn clear_descendants() -> usize {
    let deadline = Instant::now() + CLEAR_DEADLINE;
    loop {
        if no_children_left() {
            return 0;
        }
        let found = kill_descendants();
        if Instant::now() >= deadline {
            return found;
        }
        thread::sleep(ROUND_PAUSE);
    }
}

/// Kills every process that carries `mark` in its environment, until none is left or [`CLEAR_DEADLINE`] has passed;
/// returns how many are left. The second net, for when the keeper cannot do its work any more.
pub(super) fn clear_marked(mark: &str) -> usize {
    let needle = format!("{MARK_VARIABLE}={mark}");
    let deadline = Instant::now() + CLEAR_DEADLINE;
    // Who dies carries no mark any more, and may still have its memory and its devices.
    let mut dying: HashMap<Pid, OwnedFd> = HashMap::new();
    loop {
        let found = marked(needle.as_bytes());
        for &pid in &found {
            // It may have ended since it was listed.
            if let Ok(witness) = pidfd_open(pid, PidfdFlags::empty()) {
                dying.entry(pid).or_insert(witness);
            }
            let _ = kill_process(pid, Signal::KILL);
        }
        dying.retain(|_, witness| !has_ended(witness));
        let left = found.len().max(dying.len());
        if left == 0 || Instant::now() >= deadline {
            return left;
        }
        thread::sleep(ROUND_PAUSE);
    }
}

/// Whether the process is gone, with its memory and its files.
pub(super) fn has_ended(witness: &OwnedFd) -> bool {
    let now = Timespec::default();
    poll(&mut [PollFd::new(witness, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}

fn no_children_left() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<Pid>> = HashMap::new();
    for pid in all_processes() {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut queue = vec![root];
    while let Some(pid) = queue.pop() {
        let below = children.remove(&pid.as_raw_pid()).unwrap_or_default();
        queue.extend(&below);
        found.extend(below);
    }
    found
}

fn marked(needle: &[u8]) -> Vec<Pid> {
    // A zombie's environment reads as empty, so the dead do not count.
    let carries = |pid: &Pid| {
        fs::read(format!("/proc/{}/environ", pid.as_raw_pid()))
            .is_ok_and(|environ| environ.split(|&byte| byte == 0).any(|entry| entry == needle))
    };
    all_processes().filter(carries).collect()
}

fn all_processes() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
}

fn parent(pid: Pid) -> Option<i32> {
    parse_parent(&fs::read(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?)
}

/// The fourth field of `stat`. The second is the program's name in parentheses and may itself hold blanks,
/// parentheses and bytes that are not text.
fn parse_parent(stat: &[u8]) -> Option<i32> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    std::str::from_utf8(stat.get(after_name..)?).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_is_found_behind_a_hostile_program_name() {
        assert_eq!(parse_parent(b"17 (sh) S 4 17 17 0"), Some(4));
        assert_eq!(parse_parent(b"17 (a) R 9 (\xff b) S 42 17 17 0"), Some(42));
        assert_eq!(parse_parent(b"17 (sh"), None);
    }

    #[test]
    fn own_child_is_a_descendant() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(descendants(getpid()).contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!descendants(getpid()).contains(&pid));
    }
}
