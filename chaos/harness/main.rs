//! `tanist-chaos`: scenarios of faults on clusters of real processes, and a checker that judges what was recorded. Run it by
//! `cargo xtask chaos`, which builds what it needs.

mod check;
mod client;
mod clock;
mod cluster;
mod command;
mod history;
mod nemesis;
mod net;
mod observer;
mod report;
mod run;
mod scenario;
mod stop;
mod story;
mod witness;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match command::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "tanist-chaos: {error:#}");
            ExitCode::from(command::NOT_CARRIED_OUT)
        }
    }
}
