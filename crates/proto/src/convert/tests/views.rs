//! Random published views.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tanist_core::ids::{Attempt, ExecutorId, ProfileId};
use tanist_core::master::{AppView, DriverView, ExecutorView, MasterView, Missing, WorkerView};
use tanist_core::model::WorkerState;
use tanist_core::time::Wall;
use tanist_core::units::Cores;

use super::strategies::{
    addresses, app_description, app_state, driver_description, driver_state, executor_state, id, leader, memory, num,
    role, text,
};

fn worker_state() -> impl Strategy<Value = WorkerState> {
    use WorkerState as S;
    select(vec![S::Alive, S::Dead, S::Decommissioned, S::Unknown])
}

fn worker_view() -> impl Strategy<Value = WorkerView> {
    (
        (id(), text(), any::<u16>(), text(), worker_state(), any::<(bool, bool)>(), num(Cores), num(Cores)),
        (memory(), memory(), addresses(), addresses(), num(Wall), 0usize..9, vec(id(), 0..3), any::<u64>()),
    )
        .prop_map(|(who, what)| {
            let (id, host, port, ui_url, state, (connected, accepts_work), cores, cores_used) = who;
            let (memory, memory_used, resources, resources_used, last_heartbeat, executors, drivers, refused_commands) =
                what;
            WorkerView {
                id,
                host,
                port,
                ui_url,
                state,
                connected,
                accepts_work,
                cores,
                cores_used,
                memory,
                memory_used,
                resources,
                resources_used,
                last_heartbeat,
                executors,
                drivers,
                refused_commands,
            }
        })
}

fn executor_view() -> impl Strategy<Value = ExecutorView> {
    (num(ExecutorId), id(), text(), num(Cores), memory(), num(ProfileId), executor_state()).prop_map(
        |(id, worker, worker_address, cores, memory, profile, state)| ExecutorView {
            id,
            worker,
            worker_address,
            cores,
            memory,
            profile,
            state,
        },
    )
}

fn app_view() -> impl Strategy<Value = AppView> {
    (
        (id(), app_description(), app_state(), any::<bool>(), num(Wall), option::of(num(Wall)), option::of(text())),
        (num(Cores), num(Cores), any::<Option<u32>>(), vec(executor_view(), 0..3), vec(executor_view(), 0..3)),
    )
        .prop_map(|(who, what)| {
            let (id, description, state, connected, registered_at, ended_at, message) = who;
            let (cores_granted, max_cores, executor_limit, executors, ended_executors) = what;
            AppView {
                id,
                description: Arc::new(description),
                state,
                connected,
                registered_at,
                ended_at,
                message,
                cores_granted,
                max_cores,
                executor_limit,
                executors,
                ended_executors,
            }
        })
}

fn driver_view() -> impl Strategy<Value = DriverView> {
    (
        (id(), driver_description(), driver_state(), num(Attempt), option::of(id()), option::of(text())),
        (addresses(), num(Wall), option::of(num(Wall)), any::<Option<i32>>(), option::of(text())),
    )
        .prop_map(|((id, description, state, attempt, worker, worker_address), when)| {
            let (resources, submitted_at, ended_at, exit_code, message) = when;
            DriverView {
                id,
                description: Arc::new(description),
                state,
                attempt,
                worker,
                worker_address,
                resources,
                submitted_at,
                ended_at,
                exit_code,
                message,
            }
        })
}

pub(super) fn master_view() -> impl Strategy<Value = MasterView> {
    (
        (role(), option::of(leader()), num(Wall), (0usize..9, 0usize..9), vec(worker_view(), 0..3)),
        (vec(app_view(), 0..2), vec(app_view(), 0..2), vec(driver_view(), 0..2), vec(driver_view(), 0..2)),
    )
        .prop_map(|((role, leader, taken_at, (workers_missing, apps_missing), workers), lists)| {
            let (apps, ended_apps, drivers, ended_drivers) = lists;
            MasterView {
                role,
                leader,
                taken_at,
                missing: Missing { workers: workers_missing, apps: apps_missing },
                workers,
                apps,
                ended_apps,
                drivers,
                ended_drivers,
                quarantined: vec!["state/apps/x".to_owned()],
            }
        })
}
