//! `tanist logs ID`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use tanist_client::logs::{LogPiece, LogStart, LogStream};

use super::Context;
use super::client::{ClientFlags, client};
use super::status::driver_id;
use crate::exit::Failure;

/// Print what a driver writes, byte for byte
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The driver
    id: String,
    /// Its standard error instead of its standard output
    #[arg(long)]
    stderr: bool,
    /// Go on until it has ended
    #[arg(long, short = 'f')]
    follow: bool,
    #[command(flatten)]
    client: ClientFlags,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let client = client(context, &args.client)?;
    let stream = if args.stderr { LogStream::Stderr } else { LogStream::Stdout };
    let id = driver_id(&args.id)?;
    if args.follow {
        let mut tail = client.cluster.follow(&id, stream, LogStart::Offset(0)).await?;
        while let Some(piece) = tail.next().await? {
            if !show(&piece)? {
                break;
            }
        }
    } else {
        let mut tail = client.cluster.log(&id, stream, LogStart::Offset(0)).await?;
        while let Some(piece) = tail.next().await? {
            if !show(&piece)? {
                break;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies a piece to our standard output; false = nobody reads that any more.
///
/// # Errors
/// If it cannot be written.
fn show(piece: &LogPiece) -> Result<bool, Failure> {
    let mut to = std::io::stdout();
    match to.write_all(&piece.data).and_then(|()| to.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("writing the output of the driver").map_err(Failure::from),
    }
}
