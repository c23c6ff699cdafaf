//! Drivers of the cluster, and what operators ask and order: each method is one request to the leader, tried again
//! until the deadline of its [`Masters`].

use uuid::Uuid;

use tanist_core::ids::{AppId, DriverId, InvalidId, RequestId};
use tanist_core::model::{DriverDescription, LeaderInfo};
use tanist_core::msg::{ClientReply, ClientRequest};
use tanist_proto::convert::check_submission;
use tanist_proto::convert::endpoint::{LogOwner, LogRequest, LogStart, LogStream};
use tanist_proto::convert::status::DriverReport;
use tanist_proto::v1;

use crate::call::CallName;
use crate::error::ClientError;
use crate::logs::{DriverTail, LogTail};
use crate::masters::Masters;

/// Outcome of asking for the end of a driver or application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whether there was something to end.
    pub found: bool,
    /// For people.
    pub message: String,
}

/// Submits drivers, asks after them and ends them (DR-01 … DR-06); kills applications and decommissions hosts.
#[derive(Debug, Clone)]
pub struct SubmissionClient {
    masters: Masters,
}

impl SubmissionClient {
    /// A client of these masters.
    pub fn new(masters: Masters) -> Self {
        Self { masters }
    }

    /// The masters it asks.
    pub fn masters(&self) -> &Masters {
        &self.masters
    }

    /// Runs a driver. Returns once the submission is durable. All tries carry one request id, so that an answer that
    /// was lost on its way does not make a second driver. Whoever wants to go on after
    /// [`ClientError::OutcomeUnknown`] uses [`Self::submit_as`].
    pub async fn submit(&self, description: &DriverDescription) -> Result<DriverId, ClientError> {
        self.submit_as(&new_request_id()?, description).await
    }

    /// [`Self::submit`] under a request id of the caller's, for callers that try again themselves. The same id within
    /// a day has no second effect.
    pub async fn submit_as(&self, id: &RequestId, description: &DriverDescription) -> Result<DriverId, ClientError> {
        check_submission(description)
            .map_err(|source| ClientError::InvalidRequest { call: CallName::SubmitDriver, source })?;
        let request =
            ClientRequest::SubmitDriver { request: Some(id.clone()), description: Box::new(description.clone()) };
        match self.masters.call(&request).await? {
            ClientReply::Submitted { driver } => Ok(driver),
            ClientReply::Invalid { reason } => Err(ClientError::Refused { reason }),
            other => Err(misplaced(CallName::SubmitDriver, &other)),
        }
    }

    /// Ends a driver, waiting or running.
    pub async fn kill(&self, driver: &DriverId) -> Result<Ended, ClientError> {
        match self.masters.call(&ClientRequest::KillDriver { driver: driver.clone() }).await? {
            ClientReply::KillRequested { found, message } => Ok(Ended { found, message }),
            other => Err(misplaced(CallName::KillDriver, &other)),
        }
    }

    /// Ends every driver; says how many there were.
    pub async fn kill_all(&self) -> Result<u32, ClientError> {
        match self.masters.call(&ClientRequest::KillAllDrivers).await? {
            ClientReply::KillAllRequested { drivers } => Ok(drivers),
            other => Err(misplaced(CallName::KillAllDrivers, &other)),
        }
    }

    /// Where a driver stands. A leader that can store changes shows everything that was answered before; one that cannot
    /// shows what it last could, and says how old that is.
    pub async fn status(&self, driver: &DriverId) -> Result<DriverReport, ClientError> {
        self.masters.driver_status(driver).await
    }

    /// Forgets ended drivers and applications.
    pub async fn clear(&self) -> Result<(), ClientError> {
        match self.masters.call(&ClientRequest::ClearCompleted).await? {
            ClientReply::Cleared => Ok(()),
            other => Err(misplaced(CallName::ClearCompleted, &other)),
        }
    }

    /// Whether the leader takes submissions.
    pub async fn ready(&self) -> Result<bool, ClientError> {
        match self.masters.call(&ClientRequest::Ready).await? {
            ClientReply::Ready(ready) => Ok(ready),
            other => Err(misplaced(CallName::Ready, &other)),
        }
    }

    /// Ends an application (AP-11).
    pub async fn kill_application(&self, app: &AppId) -> Result<Ended, ClientError> {
        match self.masters.call(&ClientRequest::KillApplication { app: app.clone() }).await? {
            ClientReply::KillRequested { found, message } => Ok(Ended { found, message }),
            other => Err(misplaced(CallName::KillApplication, &other)),
        }
    }

    /// Decommissions all workers on these hosts, compared without regard to case (DC-05); says how many matched.
    pub async fn decommission(&self, hosts: &[String]) -> Result<u32, ClientError> {
        match self.masters.call(&ClientRequest::DecommissionHosts { hosts: hosts.to_vec() }).await? {
            ClientReply::Decommissioning { workers } => Ok(workers),
            other => Err(misplaced(CallName::DecommissionHosts, &other)),
        }
    }

    /// What there is in the cluster, as the leader sees it; where nobody leads, as any master does.
    pub async fn state(&self) -> Result<v1::ClusterState, ClientError> {
        self.masters.state().await
    }

    /// Who leads.
    pub async fn leader(&self) -> Result<LeaderInfo, ClientError> {
        self.masters.leader().await
    }

    /// What is there of one output of a driver, read from the worker on which it runs or ran last.
    pub async fn log(&self, driver: &DriverId, stream: LogStream, start: LogStart) -> Result<LogTail, ClientError> {
        let worker = self.place(driver).await?;
        let process = LogOwner::Driver(driver.clone());
        Ok(LogTail::new(worker, LogRequest { process, stream, start, follow: false }))
    }

    /// One output of a driver until its end, on whichever worker it runs.
    pub async fn follow(
        &self,
        driver: &DriverId,
        stream: LogStream,
        start: LogStart,
    ) -> Result<DriverTail, ClientError> {
        let place = (driver.clone(), self.place(driver).await?);
        Ok(DriverTail::new(self.clone(), place, stream, start))
    }

    /// `host:port` of the worker on which a driver runs or ran last.
    async fn place(&self, driver: &DriverId) -> Result<String, ClientError> {
        let DriverReport { status, .. } = self.status(driver).await?;
        let status = status.ok_or_else(|| ClientError::UnknownDriver { driver: driver.clone() })?;
        status.worker_address.ok_or_else(|| ClientError::NeverLaunched { driver: driver.clone() })
    }
}

/// A request id that nobody else has: ordered by time, so that a store keeps neighbours together.
pub fn new_request_id() -> Result<RequestId, ClientError> {
    RequestId::new(&Uuid::now_v7().to_string())
        .map_err(|InvalidId { value, why, .. }| ClientError::Refused { reason: format!("request id {value:?}: {why}") })
}

/// A reply of a kind that the call cannot have. The conversions from the wire rule it out; said rather than assumed.
fn misplaced(call: CallName, reply: &ClientReply) -> ClientError {
    ClientError::BadAnswer { call, address: "the leader".to_owned(), reason: format!("{reply:?}") }
}
