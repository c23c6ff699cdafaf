//! `tanist worker`.

use std::error::Error as _;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use tanist_client::MasterList;
use tanist_core::tracking::TrackingConfig;
use tanist_core::units::Memory;
use tanist_core::worker::Behaviour;
use tanist_worker::homes::Homes;
use tanist_worker::options::{Naming, Offer, WorkerOptions};
use tanist_worker::runner::artifact::FetchLimits;
use tanist_worker::runner::logs::{DEFAULT_MAX_SIZE, RollWhen, Rolling};
use tanist_worker::runner::process::KeeperProgram;
use tanist_worker::runner::resources::ResourceRequest;
use tanist_worker::{Listeners, WorkerError, WorkerHandle};

use super::Context;
use super::auth;
use super::client::masters;
use super::properties::Properties;
use crate::config::{AuthSettings, ClusterSettings, Flags, Resolved, Roll, SparkSettings, WorkerSettings};
use crate::daemon::{self, Ready, Supervised};
use crate::exit::Failure;
use crate::output;

/// Run a worker
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: Flags<ClusterSettings>,
    #[command(flatten)]
    worker: Flags<WorkerSettings>,
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
    let (resolved, spark) = (layers.resolve(&args.worker)?, layers.resolve(&args.spark)?);
    let auth = layers.resolve(&args.auth)?;
    let (auth, tls) = (auth::auth(&auth)?, auth::tls(&auth)?.map(|tls| tls.accepts));
    let masters = masters(context, &args.cluster)?;
    let settings = &resolved.settings;
    let listener = daemon::listen(&resolved, (&settings.host, settings.bind.as_deref()), settings.port).await?;
    let (web, web_url) = daemon::listen_for_web(&resolved, &settings.web()).await?.unzip();
    let ui_url = web_url.clone().unwrap_or_default();
    let options = WorkerOptions { ui_url, auth, tls, ..options(settings, &spark, &masters)? };
    let listeners = Listeners { web, ..Listeners::from(listener) };
    let running: Arc<OnceLock<WorkerHandle>> = Arc::default();
    let ready = |handle: &WorkerHandle| {
        let (address, id) = (handle.address().to_owned(), handle.id().to_string());
        if let Err(failure) = args.supervised.announce(&Ready { ready: "worker".to_owned(), address, id, web: web_url })
        {
            output::note(&format!("tanist: {failure}"));
        }
        // Set once: the worker is ready once.
        let _ = running.set(handle.clone());
    };
    let handle = running.clone();
    let shutdown = async move {
        let request = end_requests.next().await;
        tracing::info!(?request, "stopping");
        // Asked again, the worker does not wait for the time-outs of what it runs.
        tokio::spawn(async move {
            end_requests.next().await;
            handle.get().inspect(|handle| handle.stop());
        });
    };
    let ended = tanist_worker::run(options, listeners, ready, shutdown).await;
    let exit = ended.map_err(|error| failure(error, &resolved))?;
    tracing::info!(code = exit.code, why = exit.why, "worker ended");
    // Why it gave up is said whatever is logged.
    if exit.code == 0 { Ok(ExitCode::SUCCESS) } else { Err(Failure::Failed(anyhow::Error::msg(exit.why))) }
}

/// What can be mended by another setting is blamed on it.
fn failure(error: WorkerError, resolved: &Resolved<WorkerSettings>) -> Failure {
    // Each error tells its own cause, but not that of the one it stands in.
    let text = |error: &WorkerError| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    match &error {
        WorkerError::WorkDir { .. } | WorkerError::WorkDirTaken { .. } => {
            let allowed = format!("a directory that this worker alone uses and can write ({})", text(&error));
            resolved.problem("work_dir", allowed).into()
        }
        WorkerError::Resources(_) => {
            let allowed = format!("resources that this host has ({})", text(&error));
            resolved.problem("resources", allowed).into()
        }
        WorkerError::Invalid { .. } | WorkerError::Name(_) => Failure::Usage(text(&error)),
        _ => Failure::Failed(error.into()),
    }
}

fn options(
    settings: &WorkerSettings,
    spark: &Resolved<SparkSettings>,
    masters: &MasterList,
) -> Result<WorkerOptions, Failure> {
    Ok(WorkerOptions {
        host: settings.host.clone(),
        advertised_port: None,
        naming: naming(settings),
        ui_url: String::new(),
        tracking: TrackingConfig {
            masters: masters.addresses().to_vec(),
            prefer_configured_master_address: settings.prefer_configured_master_address,
            max_registration_retries: settings.max_registration_retries,
        },
        work_dir: settings.work_dir.clone(),
        local_dirs: settings.local_dirs.clone(),
        offer: offer(settings),
        rolling: rolling(settings),
        homes: homes(settings, spark)?,
        any_executor_class: spark.settings.any_executor_class,
        auth: None,
        tls: None,
        fetch: FetchLimits {
            connect: settings.artifact_connect_timeout,
            idle: settings.artifact_idle_timeout,
            retry_for: settings.artifact_retry_for,
            max_bytes: bytes(settings.artifact_max_size),
            ..FetchLimits::default()
        },
        keeper: KeeperProgram::this_binary(),
        behaviour: behaviour(settings),
    })
}

/// The installations of Spark: what is set for a family must be of that family.
fn homes(settings: &WorkerSettings, spark: &Resolved<SparkSettings>) -> Result<Homes, Failure> {
    let homes = Homes { usual: settings.spark_home.clone(), by_family: spark.settings.by_family() };
    match homes.check() {
        Ok(()) => Ok(homes),
        Err((family, error)) => {
            let allowed = format!("directories of the releases they are set for (for {family}: {error})");
            Err(spark.problem("homes", allowed).into())
        }
    }
}

fn bytes(memory: Memory) -> u64 {
    memory.as_mib().saturating_mul(1024 * 1024)
}

/// The pattern was checked with the settings; one that is none all the same gives the original's names.
fn naming(settings: &WorkerSettings) -> Naming {
    match &settings.id {
        Some(id) => Naming::Fixed(id.clone()),
        None => Naming::pattern(&settings.id_pattern).unwrap_or_default(),
    }
}

fn offer(settings: &WorkerSettings) -> Offer {
    let request = |(name, amount): (&String, &u32)| ResourceRequest {
        name: name.clone(),
        amount: usize::try_from(*amount).unwrap_or(usize::MAX),
        discovery_script: settings.discovery_scripts.get(name).cloned(),
    };
    Offer {
        cores: Some(settings.cores),
        memory: Some(settings.memory),
        resources: settings.resources.iter().map(request).collect(),
        resources_file: settings.resources_file.clone(),
    }
}

fn rolling(settings: &WorkerSettings) -> Option<Rolling> {
    let when = match settings.roll_logs? {
        Roll::Every(interval) => RollWhen::Time(interval),
        Roll::At(size) => RollWhen::Size(bytes(size).try_into().unwrap_or(DEFAULT_MAX_SIZE)),
    };
    Some(Rolling { when, max_files: settings.rolled_logs_kept, compress: settings.compress_rolled_logs })
}

fn behaviour(settings: &WorkerSettings) -> Behaviour {
    Behaviour {
        retained_executors: settings.retained_executors,
        retained_drivers: settings.retained_drivers,
        driver_terminate_timeout: settings.driver_terminate_timeout,
        executor_terminate_timeout: settings.executor_terminate_timeout,
        supervise_backoff_cap: settings.supervise_backoff_cap,
        supervise_reset_after: settings.supervise_reset_after,
        cleanup_enabled: settings.cleanup_enabled,
        cleanup_interval: settings.cleanup_interval,
        cleanup_ttl: settings.cleanup_ttl,
        disk_floor: settings.disk_floor.unwrap_or(Memory::ZERO),
        decommission_enabled: settings.decommission_enabled,
        ssl_settings: settings.ssl_settings.clone(),
        reverse_proxy_url: settings.reverse_proxy_url.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Section as _};

    #[test]
    fn the_defaults_are_the_library_s() {
        let settings = WorkerSettings::defaults();
        let masters = MasterList::parse("masters", "m1:7077").unwrap();
        let spark = Layers::default().resolve(&Flags::default()).unwrap();
        let ours = options(&settings, &spark, &masters).unwrap();
        let theirs = WorkerOptions {
            naming: Naming::pattern(&settings.id_pattern).unwrap(),
            offer: Offer { cores: Some(settings.cores), memory: Some(settings.memory), ..Offer::default() },
            ..WorkerOptions::new(&settings.host, vec!["m1:7077".to_owned()], settings.work_dir.clone())
        };
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }

    #[test]
    fn a_home_of_spark_has_the_release_it_is_set_for() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("jars")).unwrap();
        std::fs::write(root.path().join("jars/spark-core_2.13-4.1.4.jar"), "").unwrap();
        let dir = root.path().display().to_string();
        let set = |text: String| {
            let spark = Layers::default().resolve(&Flags::default().with("homes", &text)).unwrap();
            homes(&WorkerSettings::defaults(), &spark)
        };
        assert_eq!(set(format!("4.1={dir}")).unwrap().by_family.len(), 1);
        let refused = set(format!("3.5={dir}")).unwrap_err().to_string();
        assert!(refused.contains(&format!("for 3.5: {dir} is Spark 4.1")), "{refused}");
        let refused = set("3.5=/no/such".to_owned()).unwrap_err().to_string();
        assert!(refused.contains("spark.homes = \"3.5=/no/such\"") && refused.contains("/no/such/jars"), "{refused}");
    }
}
