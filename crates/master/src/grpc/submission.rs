//! `SubmissionService`: cluster-mode drivers. Each call is one request to the machine; only where a driver stands is read
//! from the board.

use tonic::{Request, Response, Status};

use tanist_proto::convert::status::StatusQuestion;
use tanist_proto::v1;
use tanist_proto::v1::submission_service_server::SubmissionService;

use super::ask;
use crate::handle::MasterHandle;

/// The service, for one master.
pub(super) struct Submissions(pub(super) MasterHandle);

#[tonic::async_trait]
impl SubmissionService for Submissions {
    async fn submit_driver(
        &self,
        request: Request<v1::SubmitDriverRequest>,
    ) -> Result<Response<v1::SubmitDriverReply>, Status> {
        ask(&self.0, request).await
    }

    async fn kill_driver(
        &self,
        request: Request<v1::KillDriverRequest>,
    ) -> Result<Response<v1::KillDriverReply>, Status> {
        ask(&self.0, request).await
    }

    async fn kill_all_drivers(
        &self,
        request: Request<v1::KillAllDriversRequest>,
    ) -> Result<Response<v1::KillAllDriversReply>, Status> {
        ask(&self.0, request).await
    }

    async fn driver_status(
        &self,
        request: Request<v1::DriverStatusRequest>,
    ) -> Result<Response<v1::DriverStatusReply>, Status> {
        let StatusQuestion { driver } = request.into_inner().try_into()?;
        let answer = self.0.driver_status(&driver).await?;
        Ok(Response::new((&answer).into()))
    }

    async fn clear_completed(
        &self,
        request: Request<v1::ClearCompletedRequest>,
    ) -> Result<Response<v1::ClearCompletedReply>, Status> {
        ask(&self.0, request).await
    }

    async fn ready(&self, request: Request<v1::ReadyRequest>) -> Result<Response<v1::ReadyReply>, Status> {
        ask(&self.0, request).await
    }
}
