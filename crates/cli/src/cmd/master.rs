//! `tanist master`.

mod store;

use std::process::ExitCode;

use anyhow::Context as _;
use tanist_core::ids::MasterId;
use tanist_master::{MasterOptions, MasterService};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::Context;
use crate::config::{Flags, MasterSettings, Resolved};
use crate::daemon::{self, Ready, Supervised};
use crate::exit::Failure;

/// Run a master
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: Flags<MasterSettings>,
    #[command(flatten)]
    supervised: Supervised,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let mut end_requests = args.supervised.end_requests()?;
    let resolved = context.layers.resolve(&args.master)?;
    context.warn_of_unknown_variables();
    let settings = &resolved.settings;
    let listener = daemon::listen(&resolved, (&settings.host, settings.bind.as_deref()), settings.port).await?;
    let options = options(&resolved, &listener)?;
    let backend = store::open(&resolved).await?;
    let mut service = MasterService::start(options, backend, listener).context("starting the master")?;
    let (address, id) = (service.handle().address().to_owned(), service.handle().id().to_string());
    args.supervised.announce(&Ready { ready: "master".to_owned(), address, id })?;
    let request = tokio::select! {
        biased;
        // A failure is reported even if somebody asks for the end at the same time.
        ended = service.ended() => {
            ended.context("running the master")?;
            return Ok(ExitCode::SUCCESS);
        }
        request = end_requests.next() => request,
    };
    tracing::info!(?request, "stepping down");
    service.stop().await.context("stopping the master")?;
    Ok(ExitCode::SUCCESS)
}

fn options(resolved: &Resolved<MasterSettings>, listener: &TcpListener) -> Result<MasterOptions, Failure> {
    let settings = &resolved.settings;
    let port = listener.local_addr().context("asking for the port in use")?.port();
    let id = settings.id.clone().map_or_else(|| MasterId::new(&daemon::host_port(&settings.host, port)), Ok);
    let id =
        id.map_err(|error| resolved.problem("host", format!("a host name that can be part of an id ({error})")))?;
    Ok(MasterOptions {
        id,
        advertised_host: settings.host.clone(),
        advertised_port: None,
        ui_url: None,
        rest: None,
        config: settings.machine().map_err(anyhow::Error::new)?,
        seed: Uuid::new_v4().as_u64_pair().0,
    })
}
