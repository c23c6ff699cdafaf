//! One entry for what a person repeats: `cargo xtask <task>`.

mod aside;
mod etcd;
mod fuzz;
mod schemathesis;
mod spark;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use aside::Aside;

const USAGE: &str = "\
usage: cargo xtask <task>

  test          everything that must pass: unit, property and end-to-end tests
  spark         the tests with real releases of Spark, all of them; `test` uses the current one, and leaves out the
                long ones
  openapi       requests made up from docs/openapi.yaml, against a master: no 5xx, no hang
  fuzz          bytes made up for what reads Spark's protocol, until something breaks: --seconds 60, as many as you like;
                needs a nightly toolchain and `cargo install cargo-fuzz`
  lint          formatting, clippy, documentation, dependency rules
  conform       the simulated etcd beside a real one: --operations 100000 --seed 7, as many and from where you like
  bench         the benchmarks of docs/benchmarks.md: of the core alone, or with a name and its flags those over
                clusters of real processes: failover, recovery, rest, spark, throughput
  chaos         scenarios of faults on real processes, judged by what was recorded (docs/chaos.md): run NAME, all, ci,
                random, rounds, failover, list, check, judge, clean; --debug before them takes the unoptimized build; broken =
                a build with a fault on purpose, which must be found
  model         checks the protocol in every order of events and prints what came of it (docs/model.md); --long takes
                wider bounds
  sim           the simulator (docs/simulator.md): a cluster in virtual time from a seed; `--help` shows its flags
  simulated     what `test` does with it: its own tests, and its fixed seeds
  fix           formatting and what clippy can mend by itself
";

fn main() -> ExitCode {
    let task = env::args().nth(1).unwrap_or_default();
    let outcome = match task.as_str() {
        "test" => test(),
        "spark" => spark(),
        "openapi" => openapi(),
        "fuzz" => fuzz(),
        "lint" => lint(),
        "conform" => conform(),
        "bench" => bench(),
        "chaos" if env::args().nth(2).is_some_and(|word| word == "broken") => broken(),
        "chaos" => return chaos(),
        "model" => model(),
        "sim" => sim(&arguments()),
        "simulated" => simulated(),
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

/// What the tests are built with. One list for all of it, so that nothing is built twice.
const TESTED: [&str; 4] = ["--workspace", "--locked", "--features", "tanist/failpoints"];

/// The end-to-end tests start the binary that is built here; they find it beside themselves in the target directory.
fn test() -> Result<()> {
    etcd::provide()?;
    let without_spark = spark::provide_or_leave_out(&[spark::CURRENT])?;
    // With the tests' own dependencies in view: the features of ours are the same in both steps then.
    cargo(&[&["build", "--bins", "--tests"], &TESTED[..]].concat())?;
    // Tests with real processes mostly wait, the simulator never does: it takes what they leave.
    let simulated = Aside::start("simulated")?;
    let mut tests = cargo_command(&[&["test", "--no-fail-fast"], &TESTED[..]].concat());
    let tested = run(tests.envs(without_spark.map(|why| (spark::LEFT_OUT, why))));
    simulated.finish().and(tested)
}

fn simulated() -> Result<()> {
    run(&mut simulating(&["test", "--locked", "--profile", "sim", "-p", "tanist-sim"])?)?;
    sim(&[])
}

/// The tests that use a real Spark, with every release that they know, and those among them that take minutes.
fn spark() -> Result<()> {
    etcd::provide()?;
    spark::provide(&spark::RELEASES)?;
    cargo(&["build", "--quiet", "--locked", "-p", "tanist"])?;
    cargo(&["test", "--locked", "-p", "tanist-tests", "--test", "spark", "--", "--include-ignored"])
}

/// What Schemathesis makes up from the description of the HTTP faces.
fn openapi() -> Result<()> {
    schemathesis::provide()?;
    cargo(&["build", "--quiet", "--locked", "-p", "tanist"])?;
    cargo(&["test", "--locked", "-p", "tanist-tests", "--test", "openapi", "--", "--ignored", "--nocapture"])
}

/// Everything else made up for tests is the same in every run (`crates/spark/tests/wire/mutants.rs`); this is not.
fn fuzz() -> Result<()> {
    let flags: Vec<String> = env::args().skip(2).collect();
    run(&mut fuzz::command(&target()?, &flags)?)
        .context("needs nightly and cargo-fuzz: cargo install cargo-fuzz --locked")
}

/// Runs the simulator. Its choices follow from the seed alone only where the runtime's do, too, which that offers behind
/// a flag of the compiler: so it is built beside everything else, and optimised, for it has days to live through.
fn sim(args: &[OsString]) -> Result<()> {
    let build = ["run", "--quiet", "--locked", "--profile", "sim", "-p", "tanist-sim", "--"];
    run(simulating(&build)?.args(args))
}

fn simulating(args: &[&str]) -> Result<Command> {
    let mut command = cargo_command(args);
    command.env("RUSTFLAGS", "--cfg tokio_unstable").env("CARGO_TARGET_DIR", target()?.join("sim"));
    Ok(command)
}

fn lint() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    run(cargo_command(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"])
        .context("needs cargo-deny: cargo install cargo-deny --locked --no-default-features")
}

/// What `crates/etcd-sim/tests/conformance` does with every test, for longer.
fn conform() -> Result<()> {
    etcd::provide()?;
    let mut command =
        cargo_command(&["test", "--locked", "-p", "tanist-etcd-sim", "--test", "conformance", "--", "--nocapture"]);
    let mut flags = env::args().skip(2);
    while let Some(flag) = flags.next() {
        let variable = match flag.as_str() {
            "--operations" => "TANIST_CONFORM_OPERATIONS",
            "--seed" => "TANIST_CONFORM_SEED",
            _ => bail!("{flag:?} is no flag of conform: --operations and --seed are"),
        };
        let value = flags.next().unwrap_or_default();
        value.parse::<u64>().with_context(|| format!("{flag} {value:?}: it must be a number, such as 100000"))?;
        command.env(variable, value);
    }
    run(&mut command)
}

/// Without a name: what is measured inside of one process. Else one of `tanist-bench`, which starts the binary that is
/// built here.
fn bench() -> Result<()> {
    let named = arguments();
    if named.is_empty() {
        return cargo(&["bench", "--workspace", "--locked"]);
    }
    etcd::provide()?;
    if named.first().is_some_and(|name| name == "spark") {
        spark::provide(&[spark::CURRENT])?;
    }
    cargo(&["build", "--release", "--locked", "-p", "tanist", "-p", "tanist-bench"])?;
    let release = target()?.join("release");
    run(Command::new(release.join("tanist-bench")).args(named).env("TANIST_BIN", release.join("tanist")))
}

/// Builds the harness and what it starts, and ends with the harness's own exit code.
fn chaos() -> ExitCode {
    match build_chaos().and_then(|mut command| command.status().with_context(|| format!("starting {command:?}"))) {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("xtask chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build_chaos() -> Result<Command> {
    let mut words: Vec<OsString> = env::args_os().skip(2).collect();
    let debug = words.first().is_some_and(|word| word == "--debug");
    if debug {
        words.remove(0);
    }
    etcd::provide()?;
    let profile: &[&str] = if debug { &[] } else { &["--release"] };
    let built = ["build", "--quiet", "--locked", "-p", "tanist", "-p", "tanist-chaos", "--bins"];
    cargo(&[&built[..], profile].concat())?;
    let folder = target()?.join(if debug { "debug" } else { "release" });
    let mut command = Command::new(folder.join("tanist-chaos"));
    command.args(words).env("TANIST_BIN", folder.join("tanist"));
    Ok(command)
}

/// Where the build with fail points lies, apart from all others.
const BROKEN: &str = "broken";

/// The harness sees what it is there to see: a leader that is cut off from its store and speaks before its commits is
/// caught, and for what it has done.
fn broken() -> Result<()> {
    etcd::provide()?;
    let (built, place) = (target()?, target()?.join(BROKEN));
    cargo(&["build", "--quiet", "--locked", "-p", "tanist-chaos", "--bins"])?;
    let features = ["build", "--quiet", "--locked", "-p", "tanist", "--features", "tanist/failpoints", "--target-dir"];
    run(cargo_command(&features).arg(&place))?;
    let words = ["run", "leader-cut-from-etcd", "--patience", "4", "--expect", "S2,S3"];
    let tanist = place.join("debug/tanist");
    let mut harness = Command::new(built.join("debug/tanist-chaos"));
    run(harness.args(words).env("TANIST_BIN", tanist).env("FAILPOINTS", "master.barrier=return(error)"))
}

/// The target directory, in which this program lies too.
fn target() -> Result<PathBuf> {
    let this = env::current_exe().context("the path of this program")?;
    Ok(this.ancestors().nth(2).context("the target directory")?.to_owned())
}

/// As the tests do it: the dev profile optimises what is hot there.
fn model() -> Result<()> {
    let named = env::args_os().skip(2);
    run(cargo_command(&["run", "--quiet", "--locked", "-p", "tanist-model", "--"]).args(named))
}

/// What comes after the task.
fn arguments() -> Vec<OsString> {
    env::args_os().skip(2).collect()
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
