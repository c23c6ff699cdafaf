//! Puts the files of all hosts together.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Change, End, Line, Note, Role, Who};
use crate::clock::{Boot, Wall};
use crate::witness;

/// File of a host that records itself.
pub(crate) const HISTORY: &str = "history.jsonl";
/// File of the nemesis and the run, on the observer's host.
pub(crate) const RUN: &str = "run.jsonl";

/// Everything that was recorded, put in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histories {
    pub(crate) setting: Setting,
    /// By their starts.
    pub(crate) lives: Vec<Life>,
    /// By their request ids.
    pub(crate) requests: BTreeMap<String, Request>,
    /// By their numbers.
    pub(crate) faults: Vec<Fault>,
    /// In the order of their revisions.
    pub(crate) changes: Vec<Changed>,
    /// Revisions of which nothing is known, both ends included.
    pub(crate) missed: Vec<(i64, i64)>,
    /// Everything up to here was seen.
    pub(crate) complete: Option<i64>,
    pub(crate) began: Option<Boot>,
    pub(crate) calm: Option<Boot>,
    pub(crate) finished: Option<Boot>,
}

/// What a run was made with, as far as it matters to who judges it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Setting {
    pub(crate) lease: Duration,
    pub(crate) worker_timeout: Duration,
    /// Of each worker.
    pub(crate) cores: u32,
    pub(crate) workers: Vec<String>,
    /// How many times as long as promised everything may take: 1 on a machine that has nothing else to do.
    pub(crate) patience: u32,
}

/// A driver's process, or an executor's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) host: String,
    pub(crate) who: Who,
    pub(crate) role: Role,
    pub(crate) cores: u32,
    pub(crate) start: Boot,
    /// It lived until then at least.
    pub(crate) alive: Boot,
    /// In its own words; none where it was killed, or lives on.
    pub(crate) end: Option<End>,
}

impl Life {
    /// Whether it is one of this driver.
    pub(crate) fn is_of(&self, driver: &str) -> bool {
        matches!(&self.who, Who::Driver { driver: own, .. } if own == driver)
    }
}

/// A submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) role: Role,
    pub(crate) intended: Boot,
    pub(crate) answered: Option<(Boot, String)>,
    pub(crate) refused: Option<String>,
    /// Tries that came to nothing.
    pub(crate) failures: u32,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) text: String,
    /// Whoever was touched.
    pub(crate) hosts: Vec<String>,
    /// Who led then.
    pub(crate) leader: Option<String>,
    pub(crate) from: Boot,
    pub(crate) wall: Wall,
    /// None = it never was.
    pub(crate) to: Option<Boot>,
    /// Why it could not be inflicted or undone.
    pub(crate) botched: Option<String>,
}

impl Fault {
    /// The word that scenarios have for it.
    pub(crate) fn verb(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) revision: i64,
    /// When it was seen.
    pub(crate) at: Boot,
    pub(crate) key: String,
    pub(crate) change: Change,
}

/// Reads the directories of all hosts.
///
/// # Errors
/// Which file cannot be understood.
pub(crate) fn read(hosts: &Path, setting: Setting) -> Result<Histories> {
    let mut all = Histories { setting, lives: lives(hosts)?, ..Histories::default() };
    for entry in fs::read_dir(hosts).with_context(|| format!("reading {}", hosts.display()))? {
        let folder = entry?.path();
        for file in [HISTORY, RUN].map(|name| folder.join(name)) {
            if file.exists() {
                lines(&file)?.into_iter().for_each(|line| all.take(line));
            }
        }
    }
    all.changes.sort_by(|a, b| (a.revision, &a.key).cmp(&(b.revision, &b.key)));
    Ok(all)
}

/// Of the witnesses on all hosts.
///
/// # Errors
/// As [`read`].
pub(crate) fn lives(hosts: &Path) -> Result<Vec<Life>> {
    let mut found = Vec::new();
    for host in fs::read_dir(hosts).with_context(|| format!("reading {}", hosts.display()))? {
        let host = host?;
        let name = host.file_name().to_string_lossy().into_owned();
        for file in fs::read_dir(host.path().join(witness::FOLDER)).into_iter().flatten() {
            found.extend(life(&name, &lines(&file?.path())?));
        }
    }
    found.sort_by(|a, b| (a.start, &a.who).cmp(&(b.start, &b.who)));
    Ok(found)
}

/// The lines of a file. The last one may be under way.
pub(crate) fn lines(path: &Path) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |(at, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("{}, line {}: {line:?}", path.display(), at + 1))
    };
    whole.lines().enumerate().map(parse).collect()
}

/// What a witness says; none while it has said nothing yet.
fn life(host: &str, lines: &[Line]) -> Option<Life> {
    let (first, rest) = lines.split_first()?;
    let Note::Start { who, cores, role, .. } = &first.note else { return None };
    let end = rest.iter().find_map(|line| if let Note::End { why } = line.note { Some(why) } else { None });
    Some(Life {
        host: host.to_owned(),
        who: who.clone(),
        role: *role,
        cores: *cores,
        start: first.at,
        alive: rest.iter().map(|line| line.at).max().unwrap_or(first.at),
        end,
    })
}

impl Histories {
    /// One more line of a host, the observer or the run. Lines of one file come in order.
    pub(crate) fn take(&mut self, line: Line) {
        let at = line.at;
        match line.note {
            Note::Asked { request, intended, role } => {
                let asked = Request { role, intended, answered: None, refused: None, failures: 0 };
                self.requests.insert(request, asked);
            }
            Note::Answered { request, driver } => self.of(&request, |asked| asked.answered = Some((at, driver))),
            Note::Failed { request, .. } => self.of(&request, |asked| asked.failures += 1),
            Note::Refused { request, error } => self.of(&request, |asked| asked.refused = Some(error)),
            Note::Inflicted { text, hosts, leader, wall, .. } => {
                self.faults.push(Fault { text, hosts, leader, from: at, wall, to: None, botched: None });
            }
            Note::Healed { fault } => self.fault(fault, |fault| fault.to = Some(at)),
            Note::Botched { fault, error } => self.fault(fault, |fault| fault.botched = Some(error)),
            Note::Changed { revision, key, change } => self.changes.push(Changed { revision, at, key, change }),
            Note::Missed { from, to } => self.missed.push((from, to)),
            Note::Complete { revision } => self.complete = Some(revision),
            Note::Began => self.began = Some(at),
            Note::Calm => self.calm = Some(at),
            Note::Finished => self.finished = Some(at),
            Note::Start { .. } | Note::Beat | Note::End { .. } => {}
        }
    }

    fn of(&mut self, request: &str, change: impl FnOnce(&mut Request)) {
        if let Some(asked) = self.requests.get_mut(request) {
            change(asked);
        }
    }

    /// Faults are numbered as they begin.
    fn fault(&mut self, number: usize, change: impl FnOnce(&mut Fault)) {
        if let Some(fault) = self.faults.get_mut(number) {
            change(fault);
        }
    }
}
