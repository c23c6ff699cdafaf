//! A connection of Spark's: bytes in, frames out, and the other way round, whatever lies between.

use std::sync::Arc;

use super::Auth;
use super::cipher::Transport;
use super::client::{self, Client};
use super::server::{self, Server};
use crate::Error;
use crate::frame::Frame;

/// Longest frame of a handshake; real ones have some hundred bytes.
const MAX_HANDSHAKE: usize = 8 * 1024;

/// What is kept ready for bytes that come, once there are none.
const KEPT_BYTES: usize = 8 * 1024;

/// The id of a client's questions during the handshake, which come one after the other.
const QUESTION: i64 = 0;

/// One end of a connection. Whoever has the socket feeds what it reads to [`Channel::receive`], takes frames by
/// [`Channel::frame`], and writes what [`Channel::outgoing`] gives, after an error too: it tells the other end why.
///
/// With authentication, no frame comes out before the other end has proven that it knows the secret; the frames of the
/// handshake itself never do. What is sent before waits.
#[derive(Debug)]
pub struct Channel {
    state: State,
    /// Longest frame that is taken, once the other end is known.
    limit: usize,
    /// As it was read from the socket.
    received: Vec<u8>,
    /// Opened, from the first frame that was not there in whole.
    plain: Vec<u8>,
    /// How much of `plain` was given out as frames.
    taken: usize,
    /// Frames that wait for the end of the handshake.
    waiting: Vec<Vec<u8>>,
    outgoing: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// The other end has dialled, and proves itself.
    Server(Server),
    /// This end has dialled, and waits for an answer.
    Client(Client),
    /// Frames go both ways.
    Open(Transport),
    /// Nothing goes any more.
    Failed(Error),
}

impl Channel {
    /// The end that was dialled. Without `auth`, everybody is believed.
    pub fn accepted(auth: Option<Arc<Auth>>, limit: usize) -> Self {
        let state = auth.map_or(State::Open(Transport::PLAIN), |auth| State::Server(Server::new(auth)));
        Self::new(state, limit)
    }

    /// The end that dialled.
    ///
    /// # Errors
    /// There are no random bytes.
    pub fn dialled(auth: Option<Arc<Auth>>, limit: usize) -> Result<Self, Error> {
        let mut channel = Self::new(State::Open(Transport::PLAIN), limit);
        if let Some(auth) = auth {
            let (client, body) = Client::begin(auth)?;
            channel.state = State::Client(client);
            channel.put(&Frame::Request { id: QUESTION, body: body.into() });
        }
        Ok(channel)
    }

    fn new(state: State, limit: usize) -> Self {
        let (received, plain, waiting, outgoing) = Default::default();
        Self { state, limit, received, plain, taken: 0, waiting, outgoing }
    }

    /// Whether the other end is known, and frames go both ways.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Takes what was read from the socket. Every time, [`Channel::frame`] must be asked until it gives nothing.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next frame of the other end. `None` = it is not all there yet.
    ///
    /// # Errors
    /// The other end is not who it should be, or does not keep to the protocol. From then on the same error.
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        if let Err(error) = self.advance() {
            (self.received, self.plain, self.waiting, self.taken) = Default::default();
            self.state = State::Failed(error.clone());
            return Err(error);
        }
        let unread = self.plain.get(self.taken..).unwrap_or_default();
        match Frame::first(unread, self.limit) {
            Ok(Some((frame, length))) => {
                self.taken += length;
                Ok(Some(frame))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    /// How many bytes it holds of what is no frame yet.
    pub fn held(&self) -> usize {
        (self.received.len() + self.plain.len()).saturating_sub(self.taken)
    }

    /// Sends a frame, as soon as the other end is known.
    ///
    /// # Errors
    /// The channel has failed, or the frame cannot be sealed.
    pub fn send(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        match &mut self.state {
            State::Open(transport) => transport.sealer.seal(frame.to_bytes(), &mut self.outgoing),
            State::Server(_) | State::Client(_) => {
                self.waiting.push(frame.to_bytes());
                Ok(())
            }
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// What is to be written to the socket, which is taken away.
    pub fn outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// Goes as far as the received bytes reach: through the handshake, and to plain bytes.
    fn advance(&mut self) -> Result<(), Error> {
        loop {
            match &mut self.state {
                State::Failed(error) => return Err(error.clone()),
                State::Open(transport) => {
                    self.plain.drain(..std::mem::take(&mut self.taken));
                    // A large frame may be the only one for hours.
                    for bytes in [&mut self.plain, &mut self.received].into_iter().filter(|bytes| bytes.is_empty()) {
                        bytes.shrink_to(KEPT_BYTES);
                    }
                    return transport.opener.open(&mut self.received, &mut self.plain, self.limit);
                }
                State::Server(_) | State::Client(_) => {
                    let Some((frame, length)) = Frame::first(&self.received, MAX_HANDSHAKE)? else { return Ok(()) };
                    let frame = frame.into_owned();
                    self.received.drain(..length);
                    self.shake(&frame)?;
                }
            }
        }
    }

    /// One frame of a handshake.
    fn shake(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        match (&mut self.state, frame) {
            (State::Server(server), Frame::Request { id, body }) => {
                let outcome = server.hear(body);
                self.answer(*id, outcome)
            }
            (State::Client(client), Frame::Response { id: QUESTION, body }) => {
                let outcome = client.hear(Ok(body))?;
                self.go_on(outcome)
            }
            (State::Client(client), Frame::Failure { id: QUESTION, text }) => {
                let outcome = client.hear(Err(text))?;
                self.go_on(outcome)
            }
            (_, frame) => {
                let found = format!("{} before both ends know each other", frame.kind());
                Err(Error::Unexpected { found, wanted: "authentication" })
            }
        }
    }

    /// A server's next step.
    fn answer(&mut self, id: i64, outcome: server::Outcome) -> Result<(), Error> {
        let (frame, then) = match outcome {
            server::Outcome::Answer(body) => (Frame::Response { id, body: body.into() }, Ok(None)),
            server::Outcome::Done(body, transport) => (Frame::Response { id, body: body.into() }, Ok(Some(transport))),
            server::Outcome::Declined(text) => (Frame::Failure { id, text: text.into() }, Ok(None)),
            server::Outcome::Refused(text, error) => (Frame::Failure { id, text: text.into() }, Err(error)),
        };
        self.put(&frame);
        then?.map_or(Ok(()), |transport| self.open(transport))
    }

    /// A client's next step.
    fn go_on(&mut self, outcome: client::Outcome) -> Result<(), Error> {
        match outcome {
            client::Outcome::Ask(body) => {
                self.put(&Frame::Request { id: QUESTION, body: body.into() });
                Ok(())
            }
            client::Outcome::Done(transport) => self.open(transport),
        }
    }

    /// From here on frames go both ways.
    fn open(&mut self, mut transport: Transport) -> Result<(), Error> {
        for frame in std::mem::take(&mut self.waiting) {
            transport.sealer.seal(frame, &mut self.outgoing)?;
        }
        self.state = State::Open(transport);
        Ok(())
    }

    /// A frame of the handshake, which is never sealed.
    fn put(&mut self, frame: &Frame<'_>) {
        self.outgoing.extend(frame.to_bytes());
    }
}
