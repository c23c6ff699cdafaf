//! `tanist version`.

use std::process::ExitCode;

use serde::Serialize;
use tanist_core::msg::PROTOCOL_VERSION;

use super::Context;
use crate::config::{ClientSettings, Flags};
use crate::exit::Failure;
use crate::output::Output;

/// Print the version
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    client: Flags<ClientSettings>,
}

/// The version as JSON.
#[derive(Serialize)]
struct Version {
    version: &'static str,
    protocol: u32,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let client = context.layers.resolve(&args.client)?;
    let version = Version { version: env!("CARGO_PKG_VERSION"), protocol: PROTOCOL_VERSION };
    Output::new(client.settings.output)
        .item(&version, |version| format!("tanist {} (protocol {})", version.version, version.protocol))?;
    Ok(ExitCode::SUCCESS)
}
