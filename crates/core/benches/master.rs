//! What one event costs the whole machine of the master, effects included: `cargo bench -p tanist-core --bench master`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

use tanist_core::ids::{
    AppToken, ClusterId, Epoch, ExecutorRef, Generation, Incarnation, MasterId, Nonce, ReportId, SessionId, Term,
    WorkerId,
};
use tanist_core::master::{Effect, Event, Master, MasterConfig};
use tanist_core::model::{
    Addresses, ApplicationDescription, Command, ExecutorState, Inventory, LeaderInfo, Program, ResourceProfile,
    WorkerKind,
};
use tanist_core::msg::{
    AppToMaster, MasterToWorker, PROTOCOL_VERSION, RegisterApplication, RegisterWorker, WorkerCommand, WorkerToMaster,
};
use tanist_core::record::Recovered;
use tanist_core::time::{Mono, Now, Wall};
use tanist_core::units::{Cores, Memory};

const WORKERS: u64 = 10_000;
const APPS: u64 = 1_000;

fn now() -> Now {
    Now { mono: Mono(1_000_000), wall: Wall(1_795_183_200_000) }
}

fn term() -> Term {
    Term { generation: Generation(0), epoch: Epoch(1), nonce: Nonce::new("n").unwrap() }
}

fn leader() -> Master {
    let leader = LeaderInfo {
        cluster: ClusterId::new("c").unwrap(),
        term: term(),
        master: MasterId::new("m").unwrap(),
        address: "m:7077".to_owned(),
        ui_url: String::new(),
    };
    let mut master = Master::new(MasterConfig::new().unwrap(), 7);
    master.handle(now(), Event::Elected { leader, recovered: Box::new(Recovered::default()) }, &mut Vec::new());
    master
}

fn worker(n: u64) -> Event {
    let registration = RegisterWorker {
        id: WorkerId::new(&format!("worker-20261120140000-host{n:05}-7078")).unwrap(),
        incarnation: Incarnation(n),
        number: 1,
        host: format!("host{n:05}"),
        port: 7078,
        kind: WorkerKind::Own,
        ui_url: String::new(),
        cores: Cores(16),
        memory: Memory::mib(65_536),
        resources: Addresses::default(),
        master_address: "m:7077".to_owned(),
        cluster: None,
        protocol: PROTOCOL_VERSION,
        heard: Some(term()),
        decommissioned: false,
        accepts_work: true,
        refused_commands: 0,
        inventory: Inventory::default(),
    };
    Event::Worker { session: SessionId(n), message: WorkerToMaster::Register(Box::new(registration)) }
}

/// Executors of 4 cores, and more of them wanted than the cluster has.
fn app(n: u64) -> Event {
    let description = ApplicationDescription {
        name: format!("app{n}"),
        user: "user".to_owned(),
        max_cores: Some(Cores(400)),
        command: Command { program: Program::Executable("executor".to_owned()), ..Command::default() },
        default_profile: ResourceProfile {
            memory: Some(Memory::mib(4096)),
            cores: Some(Cores(4)),
            ..ResourceProfile::default()
        },
        ..ApplicationDescription::default()
    };
    let registration = RegisterApplication {
        token: AppToken::new(&format!("token{n}")).unwrap(),
        known_as: None,
        number: 1,
        description: Arc::new(description),
        profiles: Vec::new(),
        targets: std::collections::BTreeMap::new(),
        executors: Vec::new(),
        endpoint: format!("driver{n}:4040").into(),
        cluster: None,
        heard: None,
        protocol: PROTOCOL_VERSION,
    };
    Event::App { session: SessionId(WORKERS + n), message: AppToMaster::Register(Box::new(registration)) }
}

fn ended(session: SessionId, executor: ExecutorRef) -> Event {
    let message = WorkerToMaster::ExecutorStateChanged {
        report: ReportId(1),
        executor,
        state: ExecutorState::Exited,
        message: None,
        exit_status: Some(0),
    };
    Event::Worker { session, message }
}

fn launched(effects: &[Effect]) -> Vec<(SessionId, ExecutorRef)> {
    let launch = |effect: &Effect| match effect {
        Effect::ToWorker { session, message: MasterToWorker::Command(command) } => match &command.body {
            WorkerCommand::LaunchExecutor { executor, .. } => Some((*session, executor.executor.clone())),
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(launch).collect()
}

fn registrations(criterion: &mut Criterion) {
    criterion.bench_function("10,000 workers register", |bencher| {
        bencher.iter_batched(
            leader,
            |mut master| {
                let mut effects = Vec::new();
                for n in 0..WORKERS {
                    effects.clear();
                    master.handle(now(), worker(n), &mut effects);
                }
                master
            },
            BatchSize::PerIteration,
        );
    });
}

fn one_event(criterion: &mut Criterion) {
    let mut master = leader();
    let mut effects = Vec::new();
    for n in 0..WORKERS {
        master.handle(now(), worker(n), &mut Vec::new());
    }
    for n in 0..APPS {
        master.handle(now(), app(n), &mut effects);
    }
    let mut live = launched(&effects);
    criterion.bench_function("an executor ends and another one takes its place", |bencher| {
        bencher.iter(|| {
            let Some((session, executor)) = live.pop() else { return };
            effects.clear();
            master.handle(now(), ended(session, executor), &mut effects);
            live.extend(launched(black_box(&effects)));
        });
    });
    criterion.bench_function("a heartbeat", |bencher| {
        bencher.iter(|| {
            effects.clear();
            let message = WorkerToMaster::Heartbeat { accepts_work: true, refused_commands: 0 };
            master.handle(now(), Event::Worker { session: SessionId(5), message }, &mut effects);
            black_box(&effects);
        });
    });
    criterion.bench_function("the picture of 10,000 workers and 40,000 executors", |bencher| {
        bencher.iter(|| black_box(master.view(now().wall)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = registrations, one_event
}
criterion_main!(benches);
