//! Benchmarks over clusters of real processes. Run them by `cargo xtask bench <which>`, which builds what they need.

mod failover;
mod fault;
mod fleet;
mod load;
mod machine;
mod meter;
mod raw;
mod recovery;
mod rest;
mod rounds;
mod spark;
mod swarm;
mod throughput;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Benchmarks over clusters of real processes.
#[derive(Debug, Parser)]
#[command(name = "tanist-bench", version)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    Failover(failover::Args),
    Recovery(recovery::Args),
    Rest(rest::Args),
    Spark(spark::Args),
    Throughput(throughput::Args),
    #[command(hide = true)]
    Swarm(swarm::Args),
}

/// A thousand workers in one process have a thousand files to write, but not the machine for a thousand threads.
const BLOCKING_THREADS: usize = 8;

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tanist_testkit::measure::say(&format!("tanist-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().max_blocking_threads(BLOCKING_THREADS);
    let runtime = runtime.build().context("starting the runtime")?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            // Everything that was started ends with the values that are dropped here.
            interrupted = interrupted() => interrupted.and_then(|()| bail!("interrupted")),
            outcome = run(cli.bench) => outcome,
        }
    });
    runtime.shutdown_background();
    outcome
}

async fn run(bench: Bench) -> Result<()> {
    machine::raise_open_files()?;
    let binary = tanist_testkit::binary();
    ensure!(
        binary.is_file() || matches!(bench, Bench::Swarm(_)),
        "{} is not there: run this by `cargo xtask bench`, or say in TANIST_BIN where tanist is",
        binary.display()
    );
    match bench {
        Bench::Failover(args) => failover::run(args).await,
        Bench::Recovery(args) => recovery::run(args).await,
        Bench::Rest(args) => rest::run(args).await,
        Bench::Spark(args) => spark::run(args).await,
        Bench::Throughput(args) => throughput::run(args).await,
        Bench::Swarm(args) => swarm::run(args).await,
    }
}

async fn interrupted() -> Result<()> {
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .map(|kind| signal(kind).context("catching signals"));
    let [interrupt, terminate, hangup] = &mut signals;
    let (Ok(interrupt), Ok(terminate), Ok(hangup)) = (interrupt, terminate, hangup) else {
        bail!("signals cannot be caught")
    };
    tokio::select! {
        biased;
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
