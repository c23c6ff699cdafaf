//! The end that was dialled: it has the other one prove that it knows the secret.

use std::sync::Arc;

use super::cipher::{Role, Transport};
use super::engine::{self, Offer, Transcript};
use super::message::{Engine, Message};
use super::{Auth, Encryption, Side, digest};
use crate::Error;

/// What Spark says in these cases, so that those who know it find it.
const NO_SASL: &str = "java.lang.IllegalStateException: Expected SaslMessage, received something else (maybe your client \
                       does not have SASL enabled?)";
const NO_CHALLENGE: &str = "java.lang.IllegalArgumentException: Unknown challenge message.";
const WRONG_SECRET_SASL: &str = "javax.security.sasl.SaslException: DIGEST-MD5: digest response format violation. \
                                 Mismatched response.";
const WRONG_SECRET_ENGINE: &str = "java.lang.IllegalArgumentException: Authentication failed.";

/// A handshake with a client.
#[derive(Debug)]
pub(super) struct Server {
    auth: Arc<Auth>,
    waits_for: Step,
}

#[derive(Debug)]
enum Step {
    /// The first message, of either kind.
    First,
    /// The same, and it cannot be AuthEngine's again: that was declined once.
    FirstOfSasl,
    /// The proof that belongs to this nonce.
    Proof(String),
}

/// What becomes of a client's request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// This is answered, and it goes on.
    Answer(Vec<u8>),
    /// This is answered, and the client is known.
    Done(Vec<u8>, Transport),
    /// Spark's text for it is answered, and the client may try otherwise.
    Declined(&'static str),
    /// Spark's text for it is answered, and that is the end.
    Refused(&'static str, Error),
}

impl Server {
    pub(super) fn new(auth: Arc<Auth>) -> Self {
        Self { auth, waits_for: Step::First }
    }

    /// Hears the body of a request. Once it is done or refused, there is nothing more to hear.
    pub(super) fn hear(&mut self, body: &[u8]) -> Outcome {
        let encryption = self.auth.encryption;
        let unknown = if encryption.is_some() { NO_CHALLENGE } else { NO_SASL };
        match (Message::open(body), &self.waits_for, encryption) {
            (Err(error), ..) => Outcome::Refused(unknown, error),
            (Ok(Message::Engine(message)), Step::First, Some(encryption)) => {
                let done = self.engine(message, body, encryption);
                done.unwrap_or_else(|error| Outcome::Refused(WRONG_SECRET_ENGINE, error))
            }
            (Ok(Message::Engine(_)), Step::First, None) => {
                self.waits_for = Step::FirstOfSasl;
                Outcome::Declined(NO_SASL)
            }
            (Ok(Message::Engine(_)), ..) => {
                Outcome::Refused(NO_SASL, unexpected("a message of AuthEngine", "one of SASL"))
            }
            (Ok(Message::Sasl(_)), _, Some(Encryption { sasl_fallback: false, .. })) => {
                Outcome::Refused(NO_CHALLENGE, unexpected("a message of SASL", "one of AuthEngine"))
            }
            (Ok(Message::Sasl(token)), ..) => {
                self.sasl(token).unwrap_or_else(|error| Outcome::Refused(WRONG_SECRET_SASL, error))
            }
        }
    }

    fn sasl(&mut self, token: &[u8]) -> Result<Outcome, Error> {
        if let Step::Proof(nonce) = &self.waits_for {
            let word = digest::final_word(token, nonce, &self.auth.secret)?;
            return Ok(Outcome::Done(word.into_bytes(), Transport::PLAIN));
        }
        if !token.is_empty() {
            return Err(unexpected("a proof that nobody asked for", "an empty token first"));
        }
        let random = self.auth.random.draw()?;
        let nonce = match self.auth.side {
            Side::Cluster => digest::nonce_of_cluster(random, &self.auth.secret)?,
            Side::Application => digest::nonce(random),
        };
        let challenge = digest::challenge(&nonce);
        self.waits_for = Step::Proof(nonce);
        Ok(Outcome::Answer(challenge.into_bytes()))
    }

    fn engine(&self, message: Engine<'_>, challenge: &[u8], how: Encryption) -> Result<Outcome, Error> {
        let theirs = engine::open(&self.auth, message, b"", "client")?;
        let offer = Offer::new(&self.auth, challenge)?;
        let keys = offer.keys(&theirs, Transcript { challenge, response: &offer.message }, how.engine)?;
        Ok(Outcome::Done(offer.message, Transport::sealed(&keys, how.cipher, Role::Server, &self.auth)?))
    }
}

fn unexpected(found: &str, wanted: &'static str) -> Error {
    Error::Unexpected { found: found.to_owned(), wanted }
}
