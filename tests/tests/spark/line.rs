//! A connection of a program of Spark to a listener that is no master at all, and speaks as one.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tanist_spark::message::{self, Message};
use tanist_spark::uids::asked;
use tanist_spark::{Address, Envelope, Frame, java, verifier};
use tanist_testkit::wait_for;

const LIMIT: usize = 1 << 20;
/// What a program has not said for so long it never will.
const SILENCE: Duration = Duration::from_secs(120);

/// A connection, and whom it leads to.
pub(crate) struct Line {
    stream: TcpStream,
    received: Vec<u8>,
    pub(crate) master: Address,
    endpoint: &'static str,
}

/// A listener, and its address as of a master.
pub(crate) fn listen() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Address { host: "127.0.0.1".to_owned(), port })
}

impl Line {
    /// The next one who connects, and is spoken to at this endpoint.
    pub(crate) fn accept(listener: &TcpListener, master: &Address, endpoint: &'static str) -> Self {
        listener.set_nonblocking(true).unwrap();
        let (stream, _) = wait_for("a connection", SILENCE, || listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        Self { stream, received: Vec::new(), master: master.clone(), endpoint }
    }

    pub(crate) fn send(&mut self, frame: &Frame<'_>) {
        self.stream.write_all(&frame.to_bytes()).unwrap();
    }

    fn enveloped(&self, payload: &[u8]) -> Vec<u8> {
        let (sender, endpoint) = (Some(self.master.clone()), self.endpoint.to_owned());
        Envelope { sender, receiver: None, endpoint, payload }.seal().unwrap()
    }

    /// A one-way message.
    pub(crate) fn tell(&mut self, payload: &[u8]) {
        let body = self.enveloped(payload);
        self.send(&Frame::OneWay { body: body.into() });
    }

    /// Takes frames until one is what is looked for.
    pub(crate) fn until<T>(&mut self, wanted: impl Fn(&Frame<'_>) -> Option<T>) -> T {
        let deadline = Instant::now() + SILENCE;
        loop {
            assert!(Instant::now() < deadline, "nothing of that kind for {SILENCE:?}");
            while let Some((frame, length)) = Frame::first(&self.received, LIMIT).unwrap() {
                let (found, answer) = (wanted(&frame), answered(&frame));
                self.received.drain(..length);
                if let Some(answer) = answer {
                    self.send(&answer);
                }
                if let Some(found) = found {
                    return found;
                }
            }
            let mut piece = [0; 4096];
            let read = self.stream.read(&mut piece).unwrap();
            assert!(read > 0, "the other side has left");
            self.received.extend(&piece[..read]);
        }
    }

    /// The payload of the next message of a kind that is told or asked.
    pub(crate) fn heard(&mut self, is_it: impl Fn(&Message) -> bool) -> Vec<u8> {
        self.until(|frame| {
            let (Frame::OneWay { body } | Frame::Request { body, .. }) = frame else { return None };
            let payload = Envelope::open(body).unwrap().payload;
            is_it(&message::read(payload).unwrap()).then(|| payload.to_vec())
        })
    }

    /// The number of a class, as the other side itself knows it.
    pub(crate) fn ask(&mut self, class: &str) -> i64 {
        let body = self.enveloped(&asked::question(class));
        self.send(&Frame::Request { id: 7, body: body.into() });
        let failure = self.until(|frame| match frame {
            Frame::Failure { id: 7, text } => Some(text.clone().into_owned()),
            _ => None,
        });
        asked::answer(class, &failure).unwrap()
    }
}

/// What a master answers: it is there, and whatever it is asked for is so.
fn answered(frame: &Frame<'_>) -> Option<Frame<'static>> {
    let Frame::Request { id, body } = frame else { return None };
    match Envelope::open(body).unwrap().endpoint.as_str() {
        "Master" => Some(Frame::Response { id: *id, body: java::boolean(true).into() }),
        _ => verifier::answer(frame, &["Master"]),
    }
}
