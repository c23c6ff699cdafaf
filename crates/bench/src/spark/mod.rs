//! Applications of an unmodified Spark beside Spark's own masters, in turn and in one run.
//!
//! | module | question it answers |
//! |---|---|
//! | `system` | which masters and workers are compared? |
//! | `submits` | how long does a user of `spark-submit` wait for the first task? |
//! | `registrations` | what does a master need for an application that comes and goes? |
//! | `idle` | what do applications cost that have nothing to do, and how soon do they know another master? |
//! | `scripted` | who plays drivers where a Java machine for each would be all that is measured? |

mod idle;
mod registrations;
mod scripted;
mod submits;
mod system;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use tanist_testkit::Spark;
use tanist_testkit::measure::say;

use self::registrations::Numbers;
use self::system::System;
use crate::machine;
use crate::raw::RawList;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A real `spark-submit`, one after another.
    Submit,
    /// Real `spark-submit`s at once.
    AtOnce,
    /// Scripted drivers that register and leave.
    Registrations,
    /// Scripted drivers that register and stay.
    Idle,
}

/// Measure applications of an unmodified Spark, beside Spark's own masters
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "submit,at-once,registrations,idle")]
    parts: Vec<Part>,
    /// What is compared, in turn
    #[arg(long, value_enum, value_delimiter = ',', default_value = "tanist,zookeeper,none")]
    systems: Vec<System>,
    /// Rounds of each; of `at-once` and `idle` a fifth of them
    #[arg(long, value_name = "N", default_value_t = 10)]
    rounds: usize,
    /// Applications of one round one after another, for `registrations`
    #[arg(long, value_name = "N", default_value_t = 100)]
    apps: usize,
    /// Applications at once
    #[arg(long, value_name = "N", default_value_t = 20)]
    at_once: usize,
    /// Applications that have nothing to do
    #[arg(long, value_name = "N", default_value_t = 500)]
    idle: usize,
    /// File for the single measurements; unset: target/bench/spark-DATE.csv
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let spark = Spark::current().context("a release of Spark")?;
    let mut raw = RawList::create(args.raw.as_deref(), "spark", "what,system,round,figure")?;
    say(&machine::describe());
    say(&format!("Spark {}; masters, stores, workers and drivers share this machine\n", spark.version));
    let (systems, few) = (&args.systems, args.rounds.div_ceil(5));
    for part in args.parts {
        match part {
            Part::Submit => submits::one_after_another(&spark, systems, args.rounds, &mut raw).await?,
            Part::AtOnce => submits::at_once(&spark, systems, (few, args.at_once), &mut raw).await?,
            Part::Registrations => {
                let numbers = Numbers { rounds: args.rounds, one_after_another: args.apps, at_once: args.at_once };
                registrations::run(&spark, systems, numbers, &mut raw).await?;
            }
            Part::Idle => idle::run(&spark, systems, (few, args.idle), &mut raw).await?,
        }
        say(&format!("{}\n", machine::load()));
    }
    say(&format!("each measurement: {}", raw.path().display()));
    Ok(())
}
