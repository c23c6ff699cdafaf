//! A whole application in one: registered with the cluster, driver of its executors.

use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use tanist_core::ids::{AppId, ExecutorId, ProfileId};
use tanist_core::model::ApplicationDescription;

use crate::app::{AppClient, AppOptions, Listener, Requests, Standing};
use crate::error::ClientError;
use crate::masters::MasterList;
use crate::scheduler::{Counts, ExecutorInfo, RunError, Scheduler, SchedulerOptions, Task};

/// Where an application finds its cluster, and where its cluster and its executors find it.
#[derive(Debug, Clone)]
pub struct ApplicationOptions {
    /// The masters.
    pub masters: MasterList,
    /// Host or address to listen on, for masters and for executors, each on any free port.
    pub bind_host: String,
    /// Host under which they reach it; none = `bind_host`.
    pub advertised_host: Option<String>,
    /// How tasks are given out. Its addresses are replaced by the ones above.
    pub scheduler: SchedulerOptions,
}

/// A scheduler with its application client. Dropping it ends both without a word; [`Application::stop`] is the orderly
/// end.
#[derive(Debug)]
pub struct Application {
    scheduler: Scheduler,
    client: AppClient,
    reaper: JoinHandle<()>,
}

impl Application {
    /// Listens for executors, then begins to register what `describe` makes of the address for their `--driver-url`.
    /// `listener` hears all that happens, after the scheduler.
    pub async fn start(
        options: ApplicationOptions,
        describe: impl FnOnce(&str) -> ApplicationDescription,
        listener: impl Listener,
    ) -> Result<Self, ClientError> {
        let bind = format!("{}:0", options.bind_host);
        let advertised_host = options.advertised_host;
        let scheduler =
            SchedulerOptions { bind: bind.clone(), advertised_host: advertised_host.clone(), ..options.scheduler };
        let mut scheduler = Scheduler::start(scheduler).await?;
        let app = AppOptions {
            masters: options.masters,
            description: describe(scheduler.address()),
            bind,
            advertised_host,
            prefer_configured_master_address: false,
            max_registration_retries: None,
        };
        let client = AppClient::start(app, (scheduler.notices(), listener)).await?;
        let condemned = scheduler.take_condemned();
        let requests = client.requests();
        let reaper = tokio::spawn(async move {
            let Some(mut condemned) = condemned else { return };
            while let Some(executor) = condemned.recv().await {
                if !requests.kill_executors(vec![executor]).await {
                    tracing::warn!(%executor, "the master would not end a lost executor");
                }
            }
        });
        Ok(Self { scheduler, client, reaper })
    }

    /// Waits until the application is registered, or is known never to be (AC-03).
    pub async fn registered(&self) -> Result<AppId, ClientError> {
        self.client.registered().await
    }

    /// Where it stands with the cluster.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.client.standing()
    }

    /// See [`Scheduler::run_tasks`].
    pub fn run_tasks(&self, tasks: Vec<Task>) -> impl Future<Output = Result<Vec<Vec<u8>>, RunError>> + Send + use<> {
        self.scheduler.run_tasks(tasks)
    }

    /// Executors and tasks in numbers.
    pub fn counts(&self) -> watch::Receiver<Counts> {
        self.scheduler.counts()
    }

    /// The executors that are registered and connected.
    pub async fn executors(&self) -> Vec<ExecutorInfo> {
        self.scheduler.executors().await
    }

    /// For other requests to the master.
    pub fn requests(&self) -> Requests {
        self.client.requests()
    }

    /// Asks for so many executors of the default profile in all. A lower number than there are ends none; see
    /// [`Self::end_executors`]. Whether the master took it.
    pub async fn scale_to(&self, executors: u32) -> bool {
        let targets = BTreeMap::from([(ProfileId::default(), executors)]);
        self.client.requests().total_executors(Vec::new(), targets).await
    }

    /// Gives these executors nothing more and has the master end them; tasks that they run are tried elsewhere. They
    /// are replaced unless the total was lowered before. Whether the master took it.
    pub async fn end_executors(&self, executors: Vec<ExecutorId>) -> bool {
        self.scheduler.dismiss(executors.clone()).await;
        self.client.requests().kill_executors(executors).await
    }

    /// Ends the application at the master, then its executors.
    pub async fn stop(self) {
        self.reaper.abort();
        self.client.stop().await;
        self.scheduler.stop().await;
    }
}
