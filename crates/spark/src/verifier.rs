//! The question whether an endpoint exists, which every program of Spark asks before it says anything else. A driver or
//! an executor asks its worker so, says nothing more, and ends when the connection does (DW-05).

use crate::Error;
use crate::envelope::Envelope;
use crate::frame::Frame;
use crate::java::boolean;
use crate::message::{self, Message};

/// The endpoint that answers; it is everywhere.
const ENDPOINT: &str = "endpoint-verifier";

/// The name of the endpoint that is asked for.
///
/// # Errors
/// The request is another one, or none at all.
pub fn asked_for(request: &[u8]) -> Result<String, Error> {
    let envelope = Envelope::open(request)?;
    if envelope.endpoint != ENDPOINT {
        let found = format!("a request to the endpoint {:?}", envelope.endpoint);
        return Err(Error::Unexpected { found, wanted: ENDPOINT });
    }
    match message::read(envelope.payload)? {
        Message::CheckExistence { name } => Ok(name),
        _ => Err(Error::Unexpected { found: "another message".to_owned(), wanted: "CheckExistence" }),
    }
}

/// What a program is answered by whoever has these endpoints to be watched and nothing else. `None` = it did not ask.
pub fn answer(frame: &Frame<'_>, endpoints: &[&str]) -> Option<Frame<'static>> {
    let Frame::Request { id, body } = frame else { return None };
    Some(match asked_for(body) {
        Ok(name) => Frame::Response { id: *id, body: boolean(endpoints.contains(&name.as_str())).into() },
        Err(error) => Frame::Failure { id: *id, text: error.to_string().into() },
    })
}
