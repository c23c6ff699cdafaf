//! What etcd answers with, and what stands in front of each answer.

use etcd_client::{
    DeleteResponse, GetResponse, LeaseGrantResponse, LeaseKeepAliveResponse, LeaseKeepAliveStream, LeaseKeeper,
    LeaseRevokeResponse, LeaseTimeToLiveResponse, PutResponse, ResponseHeader, StatusResponse, TxnResponse,
    WatchResponse, WatchStream,
};

use crate::engine::Revision;
use crate::etcd::fault::Fault;

use super::keys::revision;

/// What the client library gives.
pub(in crate::etcd) type Reply<T> = Result<T, etcd_client::Error>;

/// What etcd answers with: all but freshly opened streams say who they are from.
pub(in crate::etcd) trait Answer {
    /// The header of the answer.
    fn header(&self) -> Option<&ResponseHeader>;
}

macro_rules! answers {
    ($($response:ty),* $(,)?) => {
        $(impl Answer for $response {
            fn header(&self) -> Option<&ResponseHeader> {
                <$response>::header(self)
            }
        })*
    };
}

answers!(
    DeleteResponse,
    GetResponse,
    LeaseGrantResponse,
    LeaseKeepAliveResponse,
    LeaseRevokeResponse,
    LeaseTimeToLiveResponse,
    PutResponse,
    StatusResponse,
    TxnResponse,
    WatchResponse,
);

/// The revision of the store when it gave this answer.
///
/// # Errors
/// If it does not say.
pub(in crate::etcd) fn revision_of(answer: &impl Answer) -> Result<Revision, Fault> {
    answer.header().map(|header| revision(header.revision())).ok_or_else(Fault::without_header)
}

/// The next message of a stream, or its end.
impl<T: Answer> Answer for Option<T> {
    fn header(&self) -> Option<&ResponseHeader> {
        self.as_ref()?.header()
    }
}

impl Answer for WatchStream {
    fn header(&self) -> Option<&ResponseHeader> {
        None
    }
}

impl Answer for (LeaseKeeper, LeaseKeepAliveStream) {
    fn header(&self) -> Option<&ResponseHeader> {
        None
    }
}
