//! What is asked for on the command line.

use anyhow::{Context as _, Result, bail};

use crate::broken::{self, Broken};
use crate::plan::VERSION;

/// What `--help` says.
pub const USAGE: &str = "\
usage: cargo xtask sim [flags]

  without flags     the fixed seeds, and some fresh ones: what must pass on every change
  --hours H         so many simulated hours instead of the usual ones, by seeds after the fixed ones
  --seeds N         so many seeds instead
  --from S          the first of them, such as v3-1
  --seed S          this seed alone, such as v3-42; what fails is made small and told in full
  --faults A,B,C    only these faults of its plan
  --trace           tell everything that happens, with --seed
  --minutes M       how long faults come in one run; it belongs to the seed
  --broken NAME     a deliberately wrong build: no-guard, effects-first, requests-forgotten
";

/// How long faults come in one run, unless somebody says otherwise.
pub const MINUTES: u64 = 10;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// One seed alone.
    pub seed: Option<u64>,
    /// Only these faults.
    pub faults: Option<Vec<usize>>,
    /// Tell everything.
    pub trace: bool,
    /// So many hours.
    pub hours: Option<u64>,
    /// So many seeds.
    pub seeds: Option<u64>,
    /// The first of them.
    pub from: u64,
    /// How long faults come.
    pub minutes: u64,
    /// What is wrong.
    pub broken: Option<Broken>,
    /// Only the usage.
    pub help: bool,
}

/// A seed as it is shown: with the version of what it means.
pub fn shown(seed: u64) -> String {
    format!("v{VERSION}-{seed}")
}

/// Reads a seed.
///
/// # Errors
/// If it is none, or one of another version.
pub fn seed(text: &str) -> Result<u64> {
    let of = || format!("seed {text:?}: v{VERSION}-NUMBER is allowed, such as v{VERSION}-42");
    let (version, number) = text.strip_prefix('v').and_then(|rest| rest.split_once('-')).with_context(of)?;
    let version: u32 = version.parse().with_context(of)?;
    if version != VERSION {
        bail!(
            "seed {text:?} is of version {version}, and this simulator is of version {VERSION}: the same number means \
             another run here; check out the commit that it comes from"
        );
    }
    number.parse().with_context(of)
}

/// Reads the command line.
///
/// # Errors
/// The flag that is not understood, its value, and what is allowed.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Asked> {
    let mut asked = Asked {
        seed: None,
        faults: None,
        trace: false,
        hours: None,
        seeds: None,
        from: 1,
        minutes: MINUTES,
        broken: None,
        help: false,
    };
    let mut args = args.into_iter();
    while let Some(flag) = args.next() {
        let mut value = || args.next().with_context(|| format!("{flag}: a value is needed"));
        match flag.as_str() {
            "--help" | "-h" => asked.help = true,
            "--trace" => asked.trace = true,
            "--seed" => asked.seed = Some(seed(&value()?)?),
            "--from" => asked.from = seed(&value()?)?,
            "--seeds" => asked.seeds = Some(number(&flag, &value()?)?),
            "--hours" => asked.hours = Some(number(&flag, &value()?)?),
            "--minutes" => asked.minutes = number(&flag, &value()?)?,
            "--faults" => asked.faults = Some(faults(&value()?)?),
            "--broken" => asked.broken = Some(wrong_build(&value()?)?),
            _ => bail!("{flag} is not known here; see --help"),
        }
    }
    if asked.seed.is_none() && (asked.faults.is_some() || asked.trace) {
        bail!("--faults and --trace go with --seed");
    }
    Ok(asked)
}

fn number(flag: &str, text: &str) -> Result<u64> {
    let number = text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
    number.with_context(|| format!("{flag} {text:?}: 1 to 1000000 is allowed"))
}

fn faults(text: &str) -> Result<Vec<usize>> {
    let number = |part: &str| part.trim().parse().with_context(|| format!("--faults {text:?}: {part:?} is no number"));
    text.split(',').map(number).collect()
}

fn wrong_build(name: &str) -> Result<Broken> {
    let names: Vec<&str> = broken::ALL.iter().map(|broken| broken.name()).collect();
    let found = broken::ALL.into_iter().find(|broken| broken.name() == name);
    found.with_context(|| format!("--broken {name:?}: {} are known", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(args: &[&str]) -> String {
        parse(args.iter().map(ToString::to_string)).unwrap_err().to_string()
    }

    #[test]
    fn a_seed_of_another_version_is_refused() {
        assert_eq!(seed(&shown(42)).unwrap(), 42);
        let text = format!("v{}-42", VERSION + 1);
        let problem = seed(&text).unwrap_err().to_string();
        assert!(problem.contains(&format!("is of version {}", VERSION + 1)), "{problem}");
        assert!(seed("42").unwrap_err().to_string().contains("-NUMBER is allowed"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(problem(&["--sead", "1"]), "--sead is not known here; see --help");
        assert_eq!(problem(&["--seeds", "none"]), "--seeds \"none\": 1 to 1000000 is allowed");
        assert_eq!(problem(&["--seed"]), "--seed: a value is needed");
        assert_eq!(problem(&["--trace"]), "--faults and --trace go with --seed");
        assert!(problem(&["--broken", "all"]).contains("no-guard, effects-first, requests-forgotten are known"));
    }
}
