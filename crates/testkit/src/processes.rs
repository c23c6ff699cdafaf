//! The processes of this machine, as the kernel lists them.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A text that a test puts into the command lines of what it starts, to find it again.
#[derive(Debug, Clone)]
pub struct Marker(String);

impl Marker {
    /// A text that no other test uses.
    ///
    /// # Panics
    /// If the machine gives no random numbers.
    pub fn new(test: &str) -> Self {
        let mut bytes = [0u8; 8];
        // Two tests with the same name in two runs at once must not find each other's processes.
        let unique =
            fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
        assert!(unique.is_ok(), "reading /dev/urandom: {unique:?}");
        Self(format!("tanist-test-{test}-{:016x}", u64::from_le_bytes(bytes)))
    }

    /// A text that is known to be in command lines, and in no others.
    pub fn known(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Live processes that carry it, by their ids.
    pub fn processes(&self) -> Vec<i32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        ids.filter(|id| {
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&self.0) && alive(*id)
        })
        .collect()
    }
}

/// All live processes below one, its children's children included.
pub fn descendants(process: i32) -> BTreeSet<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let parents: Vec<(i32, i32)> = ids.filter(|id| alive(*id)).filter_map(|id| Some((id, parent(id)?))).collect();
    let mut found = BTreeSet::new();
    let mut left = vec![process];
    while let Some(above) = left.pop() {
        let children = parents.iter().filter(|(_, parent)| *parent == above).map(|(id, _)| *id);
        left.extend(children.filter(|child| found.insert(*child)));
    }
    found
}

fn parent(id: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// Whether a process exists and is more than a zombie.
pub fn alive(id: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// `kill -9`. A process that is gone already is fine.
pub fn kill_nine(id: i32) {
    if let Some(pid) = Pid::from_raw(id) {
        let _ = kill_process(pid, Signal::KILL);
    }
}
