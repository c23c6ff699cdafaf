//! Bytes made up by libFuzzer for what reads Spark's protocol (`crates/spark/fuzz`), from captured frames on.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

const FUZZ: &str = "crates/spark/fuzz";
const FIXTURES: &str = "crates/spark/tests/fixtures";
/// How long it goes on, unless told.
const SECONDS: u64 = 60;
/// What it may take, in MiB: a message never makes more of itself than its limits, whatever its bytes.
const MEMORY_MIB: u64 = 1024;

/// The command that goes on for so many seconds, and ends badly when something was found. What it learns stays in the
/// target directory, for the next time.
pub(crate) fn command(target: &Path, flags: &[String]) -> Result<Command> {
    let seconds = match flags {
        [] => SECONDS,
        [flag, value] if flag == "--seconds" => {
            value.parse().with_context(|| format!("--seconds {value:?}: it must be a number, such as 600"))?
        }
        other => bail!("{other:?}: fuzz takes --seconds and a number"),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the root of the workspace")?;
    let place = target.join("fuzz");
    let corpus = place.join("corpus");
    fs::create_dir_all(&corpus).with_context(|| format!("creating {}", corpus.display()))?;
    for version in ["3.5.9", "4.1.4"] {
        seed(&root.join(FIXTURES).join(version), version, &corpus)?;
    }
    let mut command = Command::new("cargo");
    command.args(["fuzz", "run", "--fuzz-dir"]).arg(root.join(FUZZ)).arg("--target-dir").arg(place.join("build"));
    command.arg("messages").arg(&corpus).arg("--");
    command.args([format!("-max_total_time={seconds}"), format!("-rss_limit_mb={MEMORY_MIB}")]);
    command.arg("-timeout=10").env("RUSTUP_TOOLCHAIN", "nightly");
    Ok(command)
}

/// Captured frames as bytes; they lie there as digits.
fn seed(from: &Path, version: &str, corpus: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|extension| extension == "hex"))
        else {
            continue;
        };
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
        let digits: Vec<u8> = digits.chars().filter_map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
        let bytes: Vec<u8> = digits.as_chunks().0.iter().map(|[high, low]| high << 4 | low).collect();
        let to = corpus.join(format!("{version}-{}", name.to_string_lossy()));
        fs::write(&to, bytes).with_context(|| format!("writing {}", to.display()))?;
    }
    Ok(())
}
