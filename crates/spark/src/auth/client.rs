//! The end that dialled: it proves that it knows the secret, and has the other one do so too.

use std::sync::Arc;

use super::cipher::{Role, Transport};
use super::digest::{self, Proof};
use super::engine::{self, Offer, Transcript};
use super::message::Message;
use super::{Auth, Encryption, Side};
use crate::Error;

/// Whom a master dials.
const WHOM: &str = "one of a program of Spark";

/// A handshake with a server.
#[derive(Debug)]
pub(super) struct Client {
    auth: Arc<Auth>,
    waits_for: Step,
}

#[derive(Debug)]
enum Step {
    /// The server's key, for ours.
    Engine(Encryption, Offer),
    /// What SASL asks.
    Challenge,
    /// The server's own proof, with both random texts.
    Final { nonce: String, cnonce: String },
}

/// What becomes of a server's answer.
#[derive(Debug)]
pub(super) enum Outcome {
    /// This is asked next.
    Ask(Vec<u8>),
    /// Both know each other.
    Done(Transport),
}

impl Client {
    /// One that begins, and what it asks.
    pub(super) fn begin(auth: Arc<Auth>) -> Result<(Self, Vec<u8>), Error> {
        let (waits_for, body) = match auth.encryption {
            Some(encryption) => {
                let offer = Offer::new(&auth, b"")?;
                let body = offer.message.clone();
                (Step::Engine(encryption, offer), body)
            }
            None => (Step::Challenge, Message::Sasl(b"").to_bytes()),
        };
        Ok((Self { auth, waits_for }, body))
    }

    /// Hears what the server answers, or how it refuses. Once it is done, there is nothing more to hear.
    ///
    /// # Errors
    /// It refuses, or does not know the secret itself.
    pub(super) fn hear(&mut self, answer: Result<&[u8], &str>) -> Result<Outcome, Error> {
        let secret = &self.auth.secret;
        match (&self.waits_for, answer) {
            (_, Err(text)) => Err(Error::Rejected { text: text.to_owned() }),
            (Step::Engine(encryption, offer), Ok(response)) => {
                let Message::Engine(message) = Message::open(response)? else {
                    let found = "a message of SASL".to_owned();
                    return Err(Error::Unexpected { found, wanted: "the answer of AuthEngine" });
                };
                let challenge = &offer.message;
                let theirs = engine::open(&self.auth, message, challenge, "server")?;
                let keys = offer.keys(&theirs, Transcript { challenge, response }, encryption.engine)?;
                Transport::sealed(&keys, encryption.cipher, Role::Client, &self.auth).map(Outcome::Done)
            }
            (Step::Challenge, Ok(challenge)) => {
                let nonce = digest::asked(challenge)?;
                if self.auth.side == Side::Cluster && digest::is_of_cluster(&nonce, secret)? {
                    return Err(Error::Unexpected {
                        found: "a question of the cluster itself".to_owned(),
                        wanted: WHOM,
                    });
                }
                let cnonce = digest::nonce(self.auth.random.draw()?);
                let response = Proof { secret, nonce: &nonce, cnonce: &cnonce }.response();
                self.waits_for = Step::Final { nonce, cnonce };
                Ok(Outcome::Ask(Message::Sasl(response.as_bytes()).to_bytes()))
            }
            (Step::Final { nonce, cnonce }, Ok(word)) => {
                digest::check_final(word, &Proof { secret, nonce, cnonce })?;
                Ok(Outcome::Done(Transport::PLAIN))
            }
        }
    }
}
