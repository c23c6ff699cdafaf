//! One member's services: each call is handed to the cluster as it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::StreamId;
use crate::api::cluster_server::Cluster;
use crate::api::kv_server::Kv;
use crate::api::lease_server::Lease;
use crate::api::maintenance_server::Maintenance;
use crate::api::watch_server::Watch;
use crate::api::{
    AlarmRequest, AlarmResponse, CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse,
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest,
    LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
    MemberListRequest, MemberListResponse, PutRequest, PutResponse, RangeRequest, RangeResponse, StatusRequest,
    StatusResponse, TxnRequest, TxnResponse, WatchRequest, WatchResponse,
};
use crate::check::MAX_MESSAGE;
use crate::failure::Failure;
use crate::message::{Request, Response};

use super::{Said, Shared};

/// One member, as its callers find it.
#[derive(Debug, Clone)]
pub(super) struct Door {
    shared: Arc<Shared>,
    member: usize,
}

impl Door {
    pub(super) fn new(shared: Arc<Shared>, member: usize) -> Self {
        Self { shared, member }
    }

    async fn unary<A, B>(&self, request: tonic::Request<A>) -> Result<tonic::Response<B>, Status>
    where
        A: Into<Request> + Message,
        B: TryFrom<Response>,
    {
        let size = request.get_ref().encoded_len();
        if size > MAX_MESSAGE {
            let message = format!("grpc: received message larger than max ({size} vs. {MAX_MESSAGE})");
            return Err(Status::resource_exhausted(message));
        }
        let require_leader = require_leader(&request);
        let response = self.shared.call(self.member, request.into_inner().into(), require_leader).await;
        answer(response.map_err(status)?).map(tonic::Response::new)
    }

    /// Opens a stream, to be closed when what comes back is dropped.
    fn open(&self, require_leader: bool) -> (StreamId, UnboundedReceiverStream<Said>, Close) {
        let (sender, said) = mpsc::unbounded_channel();
        let id = self.shared.with(|state, now| {
            let id = StreamId(state.next_id());
            state.streams.insert(id, (self.member, sender));
            state.etcd.open_stream(now, self.member, id, require_leader);
            id
        });
        let close = Close { shared: Arc::clone(&self.shared), member: self.member, id };
        (id, UnboundedReceiverStream::new(said), close)
    }
}

/// Ends a stream with its reader.
struct Close {
    shared: Arc<Shared>,
    member: usize,
    id: StreamId,
}

impl Drop for Close {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.streams.remove(&self.id).is_some() {
            state.etcd.close_stream(self.member, self.id);
        }
    }
}

/// What a client reads from a stream of watches.
pub(super) struct Messages {
    said: UnboundedReceiverStream<Said>,
    _close: Close,
}

impl Stream for Messages {
    type Item = Result<WatchResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.said).poll_next(cx).map(|said| said.map(|said| said.map_err(status)))
    }
}

#[tonic::async_trait]
impl Watch for Door {
    type WatchStream = Messages;

    async fn watch(
        &self,
        request: tonic::Request<Streaming<WatchRequest>>,
    ) -> Result<tonic::Response<Messages>, Status> {
        let (id, said, close) = self.open(require_leader(&request));
        let (shared, member) = (Arc::clone(&self.shared), self.member);
        let mut requests = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                shared.with(|state, now| state.etcd.watch(now, member, id, request));
            }
        });
        Ok(tonic::Response::new(Messages { said, _close: close }))
    }
}

#[tonic::async_trait]
impl Lease for Door {
    type LeaseKeepAliveStream = UnboundedReceiverStream<Result<LeaseKeepAliveResponse, Status>>;

    /// Renewals are answered one after the other.
    async fn lease_keep_alive(
        &self,
        request: tonic::Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<tonic::Response<Self::LeaseKeepAliveStream>, Status> {
        let (_, mut said, close) = self.open(require_leader(&request));
        let (door, mut renewals) = (self.clone(), request.into_inner());
        let (answers, reader) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let _close = close;
            let renewed = async {
                while let Some(renewal) = renewals.message().await? {
                    let response = door.shared.call(door.member, renewal.into(), false).await.map_err(status)?;
                    if answers.send(answer(response)).is_err() {
                        break;
                    }
                }
                Ok::<(), Status>(())
            };
            let ended = tokio::select! {
                biased;
                said = tokio_stream::StreamExt::next(&mut said) => said.and_then(Result::err).map(status),
                () = answers.closed() => None,
                renewed = renewed => renewed.err(),
            };
            if let Some(ended) = ended {
                drop(answers.send(Err(ended)));
            }
        });
        Ok(tonic::Response::new(UnboundedReceiverStream::new(reader)))
    }

    async fn lease_grant(
        &self,
        request: tonic::Request<LeaseGrantRequest>,
    ) -> Result<tonic::Response<LeaseGrantResponse>, Status> {
        self.unary(request).await
    }

    /// A lease that is not there is refused.
    async fn lease_revoke(
        &self,
        request: tonic::Request<LeaseRevokeRequest>,
    ) -> Result<tonic::Response<LeaseRevokeResponse>, Status> {
        self.unary(request).await
    }

    async fn lease_time_to_live(
        &self,
        request: tonic::Request<LeaseTimeToLiveRequest>,
    ) -> Result<tonic::Response<LeaseTimeToLiveResponse>, Status> {
        self.unary(request).await
    }

    async fn lease_leases(
        &self,
        request: tonic::Request<LeaseLeasesRequest>,
    ) -> Result<tonic::Response<LeaseLeasesResponse>, Status> {
        self.unary(request).await
    }
}

#[tonic::async_trait]
impl Kv for Door {
    async fn range(&self, request: tonic::Request<RangeRequest>) -> Result<tonic::Response<RangeResponse>, Status> {
        self.unary(request).await
    }

    async fn put(&self, request: tonic::Request<PutRequest>) -> Result<tonic::Response<PutResponse>, Status> {
        self.unary(request).await
    }

    async fn delete_range(
        &self,
        request: tonic::Request<DeleteRangeRequest>,
    ) -> Result<tonic::Response<DeleteRangeResponse>, Status> {
        self.unary(request).await
    }

    async fn txn(&self, request: tonic::Request<TxnRequest>) -> Result<tonic::Response<TxnResponse>, Status> {
        self.unary(request).await
    }

    async fn compact(
        &self,
        request: tonic::Request<CompactionRequest>,
    ) -> Result<tonic::Response<CompactionResponse>, Status> {
        self.unary(request).await
    }
}

#[tonic::async_trait]
impl Maintenance for Door {
    async fn alarm(&self, request: tonic::Request<AlarmRequest>) -> Result<tonic::Response<AlarmResponse>, Status> {
        self.unary(request).await
    }

    async fn status(&self, request: tonic::Request<StatusRequest>) -> Result<tonic::Response<StatusResponse>, Status> {
        self.unary(request).await
    }
}

#[tonic::async_trait]
impl Cluster for Door {
    async fn member_list(
        &self,
        request: tonic::Request<MemberListRequest>,
    ) -> Result<tonic::Response<MemberListResponse>, Status> {
        self.unary(request).await
    }
}

/// Clients that would rather hear of a lost leader than wait say so.
fn require_leader<T>(request: &tonic::Request<T>) -> bool {
    request.metadata().get("hasleader").is_some_and(|value| value == "true")
}

fn status(failure: Failure) -> Status {
    let (code, message) = failure.status();
    Status::new(Code::from_i32(code as i32), message)
}

fn answer<B: TryFrom<Response>>(response: Response) -> Result<B, Status> {
    B::try_from(response).map_err(|_| Status::internal("the answer to another call"))
}
