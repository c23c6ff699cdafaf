//! The applications in their order and what each still wants (SC-07, SC-08).

use std::collections::BTreeMap;
use std::ops::Range;

use super::demand::{ProfileNeed, default_target};
use super::workers::{Piece, Workers};
use crate::ids::{AppId, ProfileId};
use crate::model::Amounts;
use crate::units::{Cores, Memory};

/// All applications that have not ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Apps {
    by_id: BTreeMap<AppId, App>,
    /// One per application and profile, by age of the application, then by profile: the order of a round. Kept in one
    /// piece, because after most events all of them are compared with the one worker that has news.
    pub(super) rows: Vec<Row>,
    next: u64,
    /// How many rows are open, and how many of them are fresh: often there are none, and then nothing need be compared.
    open: usize,
    fresh: usize,
}

#[derive(Debug, Clone)]
struct App {
    place: u64,
    max_cores: Cores,
    granted: Cores,
    paused: bool,
}

/// What one application wants of one profile.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub(super) struct Row {
    place: u64,
    pub(super) app: AppId,
    pub(super) profile: ProfileId,
    /// Step in which cores are given out; 0 = the profile was never described.
    pub(super) unit: u32,
    pub(super) memory: Memory,
    resources: Option<Box<Amounts>>,
    foreign: bool,
    pub(super) executors: u32,
    pub(super) target: u32,
    /// One executor per worker and round takes as many cores as it can (SC-11).
    pub(super) whole: bool,
    /// It may get executors now (SC-08).
    pub(super) open: bool,
    /// Nothing is known of it; else, if it is open, it fits on no worker without news.
    pub(super) fresh: bool,
}

impl Row {
    fn new(place: u64, app: AppId, profile: ProfileId) -> Self {
        Self {
            place,
            app,
            profile,
            unit: 0,
            memory: Memory::ZERO,
            resources: None,
            foreign: false,
            executors: 0,
            target: default_target(profile),
            whole: false,
            open: false,
            fresh: false,
        }
    }

    /// True if what it needs has changed.
    fn describe(&mut self, need: ProfileNeed) -> bool {
        let (unit, whole) = (need.unit(), need.cores.is_none());
        let resources = (!need.resources.is_empty()).then(|| Box::new(need.resources));
        let before = (self.unit, self.whole, self.memory, &self.resources, self.foreign);
        let changed = before != (unit, whole, need.memory, &resources, need.foreign);
        (self.unit, self.whole, self.memory, self.resources) = (unit, whole, need.memory, resources);
        self.foreign = need.foreign;
        changed
    }

    /// The least that must fit on a worker.
    pub(super) fn piece(&self) -> Piece<'_> {
        Piece {
            cores: Cores(self.unit),
            memory: self.memory,
            resources: self.resources.as_deref(),
            foreign: self.foreign,
        }
    }
}

impl Apps {
    pub(super) fn up(&mut self, id: &AppId, max_cores: Cores) {
        let place = self.next;
        self.next += 1;
        let new = || App { place, max_cores, granted: Cores::ZERO, paused: false };
        self.by_id.entry(id.clone()).or_insert_with(new).max_cores = max_cores;
        self.refresh(id);
    }

    pub(super) fn knows(&self, id: &AppId) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn down(&mut self, id: &AppId) {
        if let Some(app) = self.by_id.remove(id) {
            let range = self.rows_of(app.place);
            for at in range.clone() {
                self.mark(at, false, false);
            }
            self.rows.drain(range);
        }
    }

    pub(super) fn pause(&mut self, id: &AppId, paused: bool) {
        if let Some(app) = self.by_id.get_mut(id) {
            app.paused = paused;
            self.refresh(id);
        }
    }

    pub(super) fn describe(
        &mut self,
        id: &AppId,
        profiles: BTreeMap<ProfileId, ProfileNeed>,
        targets: BTreeMap<ProfileId, u32>,
    ) {
        let Some(place) = self.by_id.get(id).map(|app| app.place) else { return };
        for (profile, need) in profiles {
            let at = self.row(place, id, profile);
            if self.rows[at].describe(need) {
                // What was found out about the old need is void: a row that opens is fresh.
                self.mark(at, false, false);
            }
        }
        for (profile, target) in targets {
            let at = self.row(place, id, profile);
            self.rows[at].target = target;
        }
        self.refresh(id);
    }

    /// An executor more, or one less.
    pub(super) fn count(&mut self, id: &AppId, profile: ProfileId, cores: Cores, more: bool) {
        let Some(app) = self.by_id.get_mut(id) else { return };
        app.granted = if more { app.granted.plus(cores) } else { app.granted.minus(cores) };
        let place = app.place;
        let at = self.row(place, id, profile);
        let row = &mut self.rows[at];
        row.executors = if more { row.executors.saturating_add(1) } else { row.executors.saturating_sub(1) };
        self.refresh(id);
    }

    /// Cores that an application may still get.
    pub(super) fn cores_left(&self, id: &AppId) -> u32 {
        self.by_id.get(id).map_or(0, |app| app.max_cores.minus(app.granted).0)
    }

    /// The row `at` was looked at and got executors of these cores.
    pub(super) fn granted(&mut self, at: usize, executors: u32, cores: Cores) {
        let row = &mut self.rows[at];
        row.executors = row.executors.saturating_add(executors);
        let id = row.app.clone();
        if let Some(app) = self.by_id.get_mut(&id) {
            app.granted = app.granted.plus(cores);
        }
        self.refresh(&id);
    }

    fn rows_of(&self, place: u64) -> Range<usize> {
        let start = self.rows.partition_point(|row| row.place < place);
        let count = self.rows[start..].iter().take_while(|row| row.place == place).count();
        start..start + count
    }

    /// Where the row of a profile is; it is made if there is none.
    fn row(&mut self, place: u64, id: &AppId, profile: ProfileId) -> usize {
        let at = self.rows.partition_point(|row| (row.place, row.profile) < (place, profile));
        if self.rows.get(at).is_none_or(|row| (row.place, row.profile) != (place, profile)) {
            self.rows.insert(at, Row::new(place, id.clone(), profile));
        }
        at
    }

    /// Opens and closes the rows of an application. One that opens is fresh: while it was closed, rounds did not
    /// compare it with anything.
    fn refresh(&mut self, id: &AppId) {
        let Some(app) = self.by_id.get(id) else { return };
        let (paused, cores_left) = (app.paused, app.max_cores.minus(app.granted).0);
        for at in self.rows_of(app.place) {
            let row = &self.rows[at];
            let open = !paused && row.unit > 0 && cores_left >= row.unit && row.executors < row.target;
            let fresh = open && (row.fresh || !row.open);
            self.mark(at, open, fresh);
        }
    }

    fn mark(&mut self, at: usize, open: bool, fresh: bool) {
        let row = &mut self.rows[at];
        self.open = self.open + usize::from(open) - usize::from(row.open);
        self.fresh = self.fresh + usize::from(fresh) - usize::from(row.fresh);
        (row.open, row.fresh) = (open, fresh);
    }

    /// The row was compared with all that it must be compared with.
    pub(super) fn looked_at(&mut self, at: usize) {
        let open = self.rows[at].open;
        self.mark(at, open, false);
    }

    /// Whether a round can end before it begins: nobody may get anything, or nothing is new on either side.
    pub(super) fn has_nothing_for(&self, workers: &Workers) -> bool {
        self.open == 0 || (self.fresh == 0 && workers.news().is_empty())
    }
}
