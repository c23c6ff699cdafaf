//! One entry for what a person repeats: `cargo xtask <task>`.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
usage: cargo xtask <task>

  test          everything that must pass: unit, property and end-to-end tests
  lint          formatting, clippy, documentation, dependency rules
  bench         the benchmarks of docs/benchmarks.md
  fix           formatting and what clippy can mend by itself
";

fn main() -> ExitCode {
    let task = env::args().nth(1).unwrap_or_default();
    let outcome = match task.as_str() {
        "test" => test(),
        "lint" => lint(),
        "bench" => bench(),
        "fix" => fix(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {task}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The end-to-end tests start the binary that is built here; they find it beside themselves in the target directory.
fn test() -> Result<()> {
    cargo(&["build", "--workspace", "--locked"])?;
    cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])
}

fn lint() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    run(cargo_command(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"])
        .context("needs cargo-deny: cargo install cargo-deny --locked --no-default-features")
}

fn bench() -> Result<()> {
    cargo(&["bench", "--workspace", "--locked"])
}

fn fix() -> Result<()> {
    cargo(&["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"])?;
    cargo(&["fmt", "--all"])
}

fn cargo(args: &[&str]) -> Result<()> {
    run(&mut cargo_command(args))
}

fn cargo_command(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

fn run(command: &mut Command) -> Result<()> {
    eprintln!("+ {command:?}");
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
