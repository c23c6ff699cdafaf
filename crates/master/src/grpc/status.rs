//! How the absence of an answer is said in gRPC: the one place where errors of this crate become a status.

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use tanist_store::ElectionError;

use crate::error::{IntentError, RequestError, with_causes};
use crate::limits::TooLargeToStore;

/// When to try again after a refusal for being busy, in milliseconds; gRPC's own name for such a hint.
const RETRY_PUSHBACK: (&str, i64) = ("grpc-retry-pushback-ms", 200);

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        let code = match error {
            RequestError::Busy { .. } | RequestError::TooManyWaiting { .. } => Code::ResourceExhausted,
            RequestError::TermEnded
            | RequestError::Stopped
            | RequestError::NoAnswer { .. }
            | RequestError::NotShown { .. }
            | RequestError::BatchRefused { .. }
            | RequestError::ShuttingDown => Code::Unavailable,
            RequestError::NeverStorable { .. } => Code::InvalidArgument,
        };
        let mut status = Status::new(code, error.to_string());
        if code == Code::ResourceExhausted {
            let (name, milliseconds) = RETRY_PUSHBACK;
            status.metadata_mut().insert(name, MetadataValue::from(milliseconds));
        }
        status
    }
}

impl From<IntentError> for Status {
    fn from(error: IntentError) -> Self {
        let code = match error {
            IntentError::NoAnswer { .. } => Code::DeadlineExceeded,
            IntentError::Election(ElectionError::Unsupported { .. }) => Code::FailedPrecondition,
            IntentError::Election(_) => Code::Unavailable,
        };
        Self::new(code, with_causes(&error))
    }
}

impl From<TooLargeToStore> for Status {
    fn from(error: TooLargeToStore) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_reason_has_its_code_and_says_why() {
        let never = RequestError::NeverStorable { why: "state/drivers/d: 2 MiB, 1 MiB is allowed".to_owned() };
        let silent =
            RequestError::NoAnswer { after: Duration::from_secs(15), degraded: Some("no room left".to_owned()) };
        for (error, code, words) in [
            (RequestError::Busy { capacity: 8 }, Code::ResourceExhausted, "8 messages wait"),
            (RequestError::TooManyWaiting { capacity: 9 }, Code::ResourceExhausted, "9 requests wait"),
            (RequestError::TermEnded, Code::Unavailable, "lost the lead"),
            (RequestError::Stopped, Code::Unavailable, "this master stopped"),
            (silent, Code::Unavailable, "within 15s: the store takes no changes at present (no room left)"),
            (RequestError::NotShown { age: Duration::from_secs(9), degraded: None }, Code::Unavailable, "view, 9s old"),
            (RequestError::ShuttingDown, Code::Unavailable, "shutting down"),
            (never, Code::InvalidArgument, "1 MiB is allowed"),
        ] {
            let is_in_doubt = error.is_in_doubt();
            let status = Status::from(error);
            assert_eq!(status.code(), code, "{status}");
            assert!(status.message().contains(words), "{status}");
            assert_eq!(status.message().contains("may have taken effect"), is_in_doubt, "{status}");
            let hinted = status.metadata().get(RETRY_PUSHBACK.0).is_some();
            assert_eq!(hinted, code == Code::ResourceExhausted, "{status}");
        }
    }
}
