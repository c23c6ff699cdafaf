//! What a member is asked, and what it answers.

use crate::api::{
    AlarmRequest, AlarmResponse, CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse,
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest,
    LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
    MemberListRequest, MemberListResponse, PutRequest, PutResponse, RangeRequest, RangeResponse, ResponseHeader,
    StatusRequest, StatusResponse, TxnRequest, TxnResponse,
};

/// Makes [`Request`] and [`Response`], one variant for each call, and gets at the header of every response.
macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident($request:ident) -> $response:ident;)*) => {
        /// One call that has one answer.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $($(#[$doc])* $call($request),)*
        }

        /// The answer to the [`Request`] of the same name.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Response {
            $($(#[$doc])* $call($response),)*
        }

        impl Response {
            pub(crate) fn header_mut(&mut self) -> &mut ResponseHeader {
                match self {
                    $(Self::$call(response) => response.header.get_or_insert_default(),)*
                }
            }
        }

        $(
            impl From<$request> for Request {
                fn from(request: $request) -> Self {
                    Self::$call(request)
                }
            }

            impl From<$response> for Response {
                fn from(response: $response) -> Self {
                    Self::$call(response)
                }
            }

            impl TryFrom<Response> for $response {
                type Error = Response;

                fn try_from(response: Response) -> Result<Self, Response> {
                    match response {
                        Response::$call(response) => Ok(response),
                        other => Err(other),
                    }
                }
            }
        )*
    };
}

calls! {
    /// Reads keys.
    Range(RangeRequest) -> RangeResponse;
    /// Writes a key.
    Put(PutRequest) -> PutResponse;
    /// Deletes keys.
    DeleteRange(DeleteRangeRequest) -> DeleteRangeResponse;
    /// Compares, then does one of two things.
    Txn(TxnRequest) -> TxnResponse;
    /// Forgets old revisions.
    Compact(CompactionRequest) -> CompactionResponse;
    /// Begins a lease.
    Grant(LeaseGrantRequest) -> LeaseGrantResponse;
    /// Ends a lease, and what is bound to it.
    Revoke(LeaseRevokeRequest) -> LeaseRevokeResponse;
    /// Renews a lease. One message of the stream that etcd makes of this.
    KeepAlive(LeaseKeepAliveRequest) -> LeaseKeepAliveResponse;
    /// Asks how long a lease has left.
    TimeToLive(LeaseTimeToLiveRequest) -> LeaseTimeToLiveResponse;
    /// Lists leases.
    Leases(LeaseLeasesRequest) -> LeaseLeasesResponse;
    /// Raises, ends or lists alarms.
    Alarm(AlarmRequest) -> AlarmResponse;
    /// Asks a member for itself.
    Status(StatusRequest) -> StatusResponse;
    /// Lists the members.
    Members(MemberListRequest) -> MemberListResponse;
}
