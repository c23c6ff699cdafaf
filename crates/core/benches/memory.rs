//! Memory of the scheduler per worker and per application, measured as growth of this process. Figures:
//! `docs/benchmarks.md`.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up is to stop")]

use std::collections::BTreeMap;

use tanist_core::ids::{AppId, DriverId, ProfileId, WorkerId};
use tanist_core::master::schedule::{AppDemand, DriverNeed, ProfileNeed, Scheduler, SchedulerOptions};
use tanist_core::model::Addresses;
use tanist_core::units::{Cores, Memory};

/// Enough that pages and buffers grown ahead do not matter.
const COUNT: u32 = 200_000;

fn main() -> std::io::Result<()> {
    // `cargo bench` runs this with `--bench`; `cargo test --benches` without, where there is nothing to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let mut scheduler = Scheduler::new(SchedulerOptions::default());
    let workers = grown(|| {
        for number in 0..COUNT {
            let id = WorkerId::new(&format!("worker-20260102030405-host-{number:06}-7078")).expect("a valid id");
            scheduler.worker_up(&id, Cores(16), Memory::mib(65_536), &Addresses::default());
        }
    })?;
    let apps = grown(|| {
        for number in 0..COUNT {
            let id = AppId::new(&format!("app-20260102030405-{number:06}")).expect("a valid id");
            let need = ProfileNeed { cores: Some(Cores(2)), memory: Memory::mib(2048), ..ProfileNeed::default() };
            let profiles = BTreeMap::from([(ProfileId(0), need)]);
            scheduler.app_up(&id, AppDemand { max_cores: Cores(64), profiles, targets: BTreeMap::default() });
        }
    })?;
    let drivers = grown(|| {
        for number in 0..COUNT {
            let id = DriverId::new(&format!("driver-20260102030405-{number:06}")).expect("a valid id");
            let need = DriverNeed { cores: Cores(1), memory: Memory::mib(1024), ..DriverNeed::default() };
            scheduler.queue_driver(&id, need);
        }
    })?;
    report("worker", workers);
    report("waiting application of one profile", apps);
    report("waiting driver", drivers);
    drop(scheduler);
    Ok(())
}

fn grown(build: impl FnOnce()) -> std::io::Result<u64> {
    let before = resident_bytes()?;
    build();
    Ok(resident_bytes()?.saturating_sub(before))
}

fn resident_bytes() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    kib.map(|kib: u64| kib * 1024).ok_or_else(|| std::io::Error::other("no VmRSS in /proc/self/status"))
}

#[allow(clippy::print_stdout, reason = "the figures are what this program is for")]
fn report(what: &str, bytes: u64) {
    println!("{} bytes per {what} ({COUNT} of them)", bytes / u64::from(COUNT));
}
