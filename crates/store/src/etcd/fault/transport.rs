//! What happened on the way to etcd, dug out of the chain of errors.

use std::error::Error;
use std::io;

use super::Kind;

/// Sorts an error of the connection. `otherwise` describes it where nothing better is found.
pub(super) fn explain(error: &(dyn Error + 'static), otherwise: String) -> (Kind, String) {
    let connecting = chain(error).any(|error| error.is::<tonic::ConnectError>());
    let kind = if connecting { Kind::NotSent } else { Kind::Ambiguous };
    (kind, otherwise)
}

/// The error and everything below it. An `io::Error` that wraps another one names only what lies below that.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}
