//! Which workers give an application its executors (SC-09 … SC-16).

use super::apps::{Apps, Row};
use super::demand::Placement;
use super::options::SchedulerOptions;
use super::workers::{FEW, Slot, Workers};
use crate::model::Amounts;
use crate::units::Cores;

/// Places executors for all applications in order.
pub(super) fn place(apps: &mut Apps, workers: &mut Workers, options: &SchedulerOptions, out: &mut Vec<Placement>) {
    if apps.has_nothing_for(workers) {
        return;
    }
    let (mut most_cores, mut most_memory) = workers.most_with_news();
    for at in 0..apps.rows.len() {
        let row = &apps.rows[at];
        let hopeless = row.unit > most_cores.0 || row.memory > most_memory;
        if !row.open || (hopeless && !row.fresh) {
            continue;
        }
        let placed = place_row(apps, at, workers, options, out);
        if placed && workers.news().len() <= FEW {
            (most_cores, most_memory) = workers.most_with_news();
        }
    }
}

/// How much a row may get.
#[derive(Debug, Clone, Copy)]
struct Ration {
    /// Units that may be given out in all.
    units: u32,
    /// Workers that can possibly get one.
    workers: u32,
}

impl Ration {
    /// With executors of a fixed size every unit is an executor. Without, a unit is a core and an executor is a worker.
    fn of(row: &Row, cores_left: u32) -> Self {
        let units = cores_left / row.unit.max(1);
        let executors = row.target.saturating_sub(row.executors);
        let both = units.min(executors);
        Self { units: if row.whole { units } else { both }, workers: both }
    }
}

fn place_row(
    apps: &mut Apps,
    at: usize,
    workers: &mut Workers,
    options: &SchedulerOptions,
    out: &mut Vec<Placement>,
) -> bool {
    let row = &apps.rows[at];
    let ration = Ration::of(row, apps.cores_left(&row.app));
    let most = ration.workers as usize;
    let offering = if row.fresh || workers.news().len() > FEW {
        workers.first_fitting(Some(&row.app), row.piece(), most)
    } else {
        workers.first_fitting_with_news(Some(&row.app), row.piece(), most)
    };
    let rooms: Vec<u32> = offering.iter().map(|&slot| room(workers, slot, row)).collect();
    let shares = share_out(ration.units, &rooms, options.spread_out_apps);

    let (mut executors, mut cores) = (0, Cores::ZERO);
    for (slot, share) in offering.into_iter().zip(shares) {
        let (count, each) = if row.whole { (u32::from(share > 0), share) } else { (share, row.unit) };
        launch(workers, slot, row, (count, Cores(each)), out);
        executors += count;
        cores = cores.plus(Cores(count.saturating_mul(each)));
    }
    apps.looked_at(at);
    if executors > 0 {
        apps.granted(at, executors, cores);
    }
    executors > 0
}

/// How many units a worker has room for.
fn room(workers: &Workers, slot: Slot, row: &Row) -> u32 {
    let Some(worker) = workers.get(slot) else { return 0 };
    let cores = worker.books.free_cores().0 / row.unit.max(1);
    if row.whole {
        return cores;
    }
    let memory = worker.books.free_memory().as_mib().checked_div(row.memory.as_mib());
    let memory = memory.map_or(u32::MAX, |times| u32::try_from(times).unwrap_or(u32::MAX));
    let resources = row.piece().resources.map_or(u32::MAX, |wanted| worker.books.room_for(wanted));
    cores.min(memory).min(resources)
}

/// Gives out units: one to each in turn while it has room, or all that fit to one after the other (SC-13).
fn share_out(mut units: u32, rooms: &[u32], spread: bool) -> Vec<u32> {
    let all: u64 = rooms.iter().map(|&room| u64::from(room)).sum();
    if u64::from(units) >= all {
        return rooms.to_vec();
    }
    let mut shares = vec![0; rooms.len()];
    while units > 0 {
        for (share, room) in shares.iter_mut().zip(rooms) {
            let more = (room - *share).min(units).min(if spread { 1 } else { u32::MAX });
            *share += more;
            units -= more;
        }
    }
    shares
}

fn launch(workers: &mut Workers, slot: Slot, row: &Row, (count, each): (u32, Cores), out: &mut Vec<Placement>) {
    if count == 0 {
        return;
    }
    let none = Amounts::default();
    let resources = row.piece().resources.unwrap_or(&none);
    workers.change(slot, |worker| {
        for _ in 0..count {
            let booking = worker.books.take(each, row.memory, resources);
            let (app, worker) = (row.app.clone(), worker.id.clone());
            out.push(Placement::Executor { app, profile: row.profile, worker, booking });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_go_round_or_fill_up() {
        assert_eq!(share_out(8, &[10, 10, 10], true), [3, 3, 2]);
        assert_eq!(share_out(8, &[1, 10, 2], true), [1, 5, 2]);
        assert_eq!(share_out(16, &[10, 10, 10], false), [10, 6, 0]);
        assert_eq!(share_out(99, &[1, 0, 2], true), [1, 0, 2]);
        assert_eq!(share_out(0, &[1, 2], true), [0, 0]);
        assert!(share_out(3, &[], false).is_empty());
    }
}
