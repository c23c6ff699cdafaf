//! Which directories may be deleted (DIR-02). Pure: a listing goes in, names come out.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::time::Wall;

/// What a directory was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirKind {
    /// `<work>/<driver>`.
    Driver,
    /// `<work>/<app>`, with all its executors.
    App,
    /// Scratch directory of an application, in one of the local roots (WL-03).
    Scratch,
}

/// One directory that this program has made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirRef {
    /// Its path, for the one who deletes it.
    pub path: String,
    /// What it was made for.
    pub kind: DirKind,
    /// The driver or application, as its manifest names it.
    pub id: String,
}

/// One directory as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirListed {
    /// Which one.
    pub dir: DirRef,
    /// The newest change of anything in it. File times are wall time, so here alone age is judged by the wall clock;
    /// one that was set back makes directories younger and keeps them.
    pub newest: Wall,
}

/// Directories of nothing that runs, with nothing in them newer than `ttl`. `running` holds ids of drivers and
/// applications.
pub fn expired(listing: Vec<DirListed>, running: &BTreeSet<String>, ttl: Duration, now: Wall) -> Vec<DirRef> {
    let age = |newest: Wall| Duration::from_millis(now.0.saturating_sub(newest.0));
    listing
        .into_iter()
        .filter(|found| !running.contains(&found.dir.id) && age(found.newest) > ttl)
        .map(|found| found.dir)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);
    const NOW: Wall = Wall(1_000_000);

    fn dir(kind: DirKind, id: &str, age_secs: u64) -> DirListed {
        let dir = DirRef { path: format!("/work/{id}"), kind, id: id.to_owned() };
        DirListed { dir, newest: Wall(NOW.0 - age_secs * 1000) }
    }

    fn deleted(listing: Vec<DirListed>, running: &[&str]) -> Vec<String> {
        let running = running.iter().map(|&id| id.to_owned()).collect();
        expired(listing, &running, TTL, NOW).into_iter().map(|dir| dir.path).collect()
    }

    #[test]
    fn only_old_directories_of_nothing_that_runs_go() {
        let listing = vec![
            dir(DirKind::App, "app-old", 120),
            dir(DirKind::App, "app-runs", 120),
            dir(DirKind::App, "app-new", 10),
            dir(DirKind::Driver, "driver-old", 61),
            dir(DirKind::Driver, "driver-edge", 60),
            dir(DirKind::Scratch, "app-runs", 500),
            dir(DirKind::Scratch, "app-gone", 500),
        ];
        let gone = deleted(listing, &["app-runs"]);
        assert_eq!(gone, ["/work/app-old", "/work/driver-old", "/work/app-gone"], "T-WK-09, DIR-02");
    }

    #[test]
    fn a_clock_that_was_set_back_deletes_nothing() {
        let future = DirListed { newest: Wall(NOW.0 + 1_000_000_000), ..dir(DirKind::App, "a", 0) };
        assert!(deleted(vec![future], &[]).is_empty());
    }
}
