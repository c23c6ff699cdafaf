//! `OperatorService`: who leads, what there is, and what to end. Questions are answered from the board and never enter
//! the loop.

use tonic::{Request, Response, Status};

use tanist_proto::convert::endpoint::LeaderAnswer;
use tanist_proto::convert::state;
use tanist_proto::v1;
use tanist_proto::v1::operator_service_server::OperatorService;

use super::ask;
use crate::handle::MasterHandle;

/// The service, for one master.
pub(super) struct Operators(pub(super) MasterHandle);

#[tonic::async_trait]
impl OperatorService for Operators {
    async fn get_leader(&self, _: Request<v1::GetLeaderRequest>) -> Result<Response<v1::LeaderReply>, Status> {
        let leadership = self.0.leadership().borrow().clone();
        let answer = LeaderAnswer {
            role: leadership.role,
            leader: leadership.leader,
            master: self.0.id().clone(),
            address: self.0.address().to_owned(),
        };
        Ok(Response::new((&answer).into()))
    }

    async fn await_leader(&self, request: Request<v1::AwaitLeaderRequest>) -> Result<Response<v1::LeaderInfo>, Status> {
        let question = request.into_inner().try_into()?;
        let leader = self.0.await_leader(&question).await?;
        Ok(Response::new((&leader).into()))
    }

    async fn get_state(&self, _: Request<v1::GetStateRequest>) -> Result<Response<v1::ClusterState>, Status> {
        let published = self.0.view().await;
        let degraded = self.0.degraded();
        Ok(Response::new(state::cluster_state(&published.view, published.age(), degraded.as_ref())))
    }

    async fn kill_application(
        &self,
        request: Request<v1::KillApplicationRequest>,
    ) -> Result<Response<v1::KillApplicationReply>, Status> {
        ask(&self.0, request).await
    }

    async fn decommission_hosts(
        &self,
        request: Request<v1::DecommissionHostsRequest>,
    ) -> Result<Response<v1::DecommissionHostsReply>, Status> {
        ask(&self.0, request).await
    }
}
