//! `tanist kill ID` and `tanist kill --all`.

use std::process::ExitCode;

use serde::Serialize;

use super::Context;
use super::client::{ClientFlags, client};
use super::status::driver_id;
use crate::exit::Failure;

/// End a driver, waiting or running, or all of them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The driver
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<String>,
    /// Every driver
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    client: ClientFlags,
}

/// What came of it, as JSON.
#[derive(Serialize)]
struct Killed {
    /// How many drivers were asked to end.
    drivers: u32,
    /// For people.
    message: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let client = client(context, &args.client)?;
    let killed = if let Some(id) = args.id {
        let ended = client.cluster.kill(&driver_id(&id)?).await?;
        if !ended.found {
            return Err(Failure::NotFound(ended.message));
        }
        Killed { drivers: 1, message: ended.message }
    } else {
        let drivers = client.cluster.kill_all().await?;
        Killed { drivers, message: format!("{drivers} drivers were asked to end") }
    };
    client.output.item(&killed, |killed| killed.message.clone())?;
    Ok(ExitCode::SUCCESS)
}
