//! `tanist master`.

mod rest;
mod store;

use std::process::ExitCode;

use anyhow::Context as _;
use tanist_core::address::host_port;
use tanist_core::ids::MasterId;
use tanist_master::{Listeners, MasterOptions, MasterService, SparkOptions};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::Context;
use super::auth;
use super::properties::Properties;
use crate::config::{AuthSettings, Flags, MasterSettings, Resolved, RestSettings, SparkSettings};
use crate::daemon::{self, Ready, Supervised};
use crate::exit::Failure;

/// Run a master
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: Flags<MasterSettings>,
    #[command(flatten)]
    rest: Flags<RestSettings>,
    #[command(flatten)]
    spark: Flags<SparkSettings>,
    #[command(flatten)]
    auth: Flags<AuthSettings>,
    #[command(flatten)]
    properties: Properties,
    #[command(flatten)]
    supervised: Supervised,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    daemon::raise_open_files();
    let mut end_requests = args.supervised.end_requests()?;
    let layers = args.properties.layers_of_process(context)?;
    let (resolved, rest) = (layers.resolve(&args.master)?, layers.resolve(&args.rest)?);
    let auth = layers.resolve(&args.auth)?;
    let spark = spark(&layers.resolve(&args.spark)?, &auth)?;
    auth.keeps_the_secret(&rest, rest.settings.allow_unauthenticated)?;
    let settings = &resolved.settings;
    let grpc = daemon::listen(&resolved, (&settings.host, settings.bind.as_deref()), settings.port).await?;
    warn_of_strangers(&grpc)?;
    let (web, web_url) = daemon::listen_for_web(&resolved, &settings.web()).await?.unzip();
    let rest = rest::open(&rest, &resolved).await?;
    let mut options = options(&resolved, spark, &grpc)?;
    options.ui_url.clone_from(&web_url);
    options.rest = rest.as_ref().map(|rest| rest.address.clone());
    let listeners = Listeners { grpc, web, rest: rest.map(|rest| (rest.listener, rest.options)) };
    let backend = store::open(&resolved).await?;
    let mut service = MasterService::start(options, backend, listeners).context("starting the master")?;
    let (address, id) = (service.handle().address().to_owned(), service.handle().id().to_string());
    args.supervised.announce(&Ready { ready: "master".to_owned(), address, id, web: web_url })?;
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

/// gRPC asks nobody who he is, whatever is asked of programs of Spark on the same port.
fn warn_of_strangers(grpc: &TcpListener) -> Result<(), Failure> {
    let bound = grpc.local_addr().context("asking for the address in use")?;
    if !bound.ip().is_loopback() {
        tracing::warn!(
            %bound,
            "everybody who reaches this port can run programs on the workers and command this cluster, for gRPC asks for no \
             proof: let only hosts of the cluster and its users reach it"
        );
    }
    Ok(())
}

/// How programs of Spark are treated.
fn spark(spark: &Resolved<SparkSettings>, auth: &Resolved<AuthSettings>) -> Result<SparkOptions, Failure> {
    let allow_unauthenticated = spark.settings.allow_unauthenticated;
    auth.keeps_the_secret(spark, allow_unauthenticated)?;
    let homes = spark.settings.homes.clone();
    Ok(SparkOptions { allow_unauthenticated, auth: auth::auth(auth)?, tls: auth::tls(auth)?, homes })
}

fn options(
    resolved: &Resolved<MasterSettings>,
    spark: SparkOptions,
    listener: &TcpListener,
) -> Result<MasterOptions, Failure> {
    let settings = &resolved.settings;
    let port = listener.local_addr().context("asking for the port in use")?.port();
    let id = settings.id.clone().map_or_else(|| MasterId::new(&host_port(&settings.host, port)), Ok);
    let id =
        id.map_err(|error| resolved.problem("host", format!("a host name that can be part of an id ({error})")))?;
    Ok(MasterOptions {
        id,
        advertised_host: settings.host.clone(),
        advertised_port: None,
        ui_url: None,
        rest: None,
        spark,
        config: settings.machine().map_err(anyhow::Error::new)?,
        seed: Uuid::new_v4().as_u64_pair().0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    #[test]
    fn se_01_who_proves_nothing_is_not_let_in_where_there_is_a_secret() {
        let open = Flags::default().with("allow_unauthenticated", "true");
        let settings = Layers::default().resolve(&open).unwrap();
        let auth = |enabled| {
            let flags = Flags::default().with("enabled", enabled).with("secret", "hunter2");
            Layers::default().resolve(&flags).unwrap()
        };
        assert!(spark(&settings, &auth("false")).is_ok());
        let refused = spark(&settings, &auth("true")).unwrap_err().to_string();
        assert!(refused.contains("spark.allow_unauthenticated = \"true\""), "{refused}");

        let open = Flags::default().with("enabled", "true").with("allow_unauthenticated", "true");
        let rest: Resolved<RestSettings> = Layers::default().resolve(&open).unwrap();
        assert!(auth("false").keeps_the_secret(&rest, rest.settings.allow_unauthenticated).is_ok());
        let refused = auth("true").keeps_the_secret(&rest, rest.settings.allow_unauthenticated);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("rest.allow_unauthenticated = \"true\""), "{refused}");
        assert!(refused.contains("false, or true without auth.enabled"), "{refused}");
    }
}
