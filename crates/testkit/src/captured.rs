//! What programs of Spark have said to each other, for drivers and workers that are made of it; the constants are names of
//! frames.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tanist_spark::{Address, Envelope, Frame};

/// A driver asks whether there is a master.
pub const QUESTION: &str = "01-client-driver-to-master-RpcRequest-CheckExistence";
/// An application registers.
pub const REGISTRATION: &str = "03-client-driver-to-master-OneWayMessage-RegisterApplication";
/// It is over.
pub const UNREGISTRATION: &str = "07-client-driver-to-master-OneWayMessage-UnregisterApplication";
/// One registers with everything that can be set.
pub const OPTIONS: &str = "19-opts-driver-to-master-OneWayMessage-RegisterApplication";
/// One registers that wants no executors at first.
pub const DYNAMIC_REGISTRATION: &str = "20-dyn-driver-to-master-OneWayMessage-RegisterApplication";
/// It wants none.
pub const NO_EXECUTORS: &str = "21-dyn-driver-to-master-RpcRequest-RequestExecutors";
/// It wants one.
pub const ONE_EXECUTOR: &str = "22-dyn-driver-to-master-RpcRequest-RequestExecutors";
/// It has one of them ended.
pub const KILL: &str = "23-dyn-driver-to-master-RpcRequest-KillExecutors";
/// A driver is submitted.
pub const SUBMISSION: &str = "24-cluster-submitclient-to-master-RpcRequest-RequestSubmitDriver";
/// It is asked for.
pub const DRIVER_STATUS: &str = "26-cluster-submitclient-to-master-RpcRequest-RequestDriverStatus";
/// A driver obeys another master.
pub const ACKNOWLEDGEMENT: &str = "39-failover-driver-to-master-OneWayMessage-MasterChangeAcknowledged";

/// Where captured frames are, by releases, seen from this crate.
const FRAMES: &str = "../spark/tests/fixtures";
const LIMIT: usize = 1 << 20;

/// Ids of applications in those frames; all are of one length.
const IDS: [&str; 3] = ["app-20261120120407-0000", "app-20261120120537-0000", "app-20261120120944-0001"];
/// Ports of the drivers that have registered in those frames.
const PORTS: [u32; 2] = [33323, 45155];

/// What stands before a text in an object stream, and in the place of none.
const STRING: u8 = 0x74;
const NULL: u8 = 0x70;

/// A message.
#[derive(Debug, Clone)]
pub struct Captured {
    /// Its object stream.
    pub payload: Vec<u8>,
    /// Whether it wants an answer.
    pub is_question: bool,
}

impl Captured {
    /// The message of a frame of Spark 4.1.4, by the name of its file.
    pub fn read(name: &str) -> Result<Self> {
        Self::of_release("4.1.4", name)
    }

    /// The same of another release.
    pub fn of_release(release: &str, name: &str) -> Result<Self> {
        let text = fixture(release, &format!("{name}.hex"))?;
        let lines: String = text.lines().filter(|line| !line.starts_with('#')).collect();
        let bytes = unhex(&lines)?;
        let (frame, _) = Frame::first(&bytes, LIMIT)?.with_context(|| format!("{name} is no whole frame"))?;
        let (body, is_question) = match frame {
            Frame::Request { body, .. } => (body, true),
            Frame::OneWay { body } => (body, false),
            other => bail!("{name} is {}", other.kind()),
        };
        Ok(Self { payload: Envelope::open(&body)?.payload.to_vec(), is_question })
    }

    /// What classes of Spark 4.1.4 have written: a message to be told, by the name of its list and its own.
    pub fn written(list: &str, name: &str) -> Result<Self> {
        let text = fixture("4.1.4", list)?;
        let hex = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let payload = unhex(hex.with_context(|| format!("no {name} in {list}"))?)?;
        Ok(Self { payload, is_question: false })
    }

    /// The frame that brings it to an endpoint; as a question under this number.
    pub fn frame(&self, sender: Option<Address>, endpoint: &str, id: i64) -> Result<Frame<'static>> {
        let envelope = Envelope { sender, receiver: None, endpoint: endpoint.to_owned(), payload: &self.payload };
        let body = envelope.seal()?.into();
        Ok(if self.is_question { Frame::Request { id, body } } else { Frame::OneWay { body } })
    }

    /// The same of the driver at another port, about another application.
    #[must_use]
    pub fn of(&self, port: u16, app: &str) -> Self {
        let with_port = |message: Self, old: u32| message.replaced(&old.to_be_bytes(), &u32::from(port).to_be_bytes());
        let message = PORTS.into_iter().fold(self.clone(), with_port);
        IDS.into_iter().fold(message, |message, id| message.about(id, app))
    }

    /// The same with another word in it.
    #[must_use]
    pub fn about(&self, old: &str, new: &str) -> Self {
        self.replaced(&text(old), &text(new))
    }

    /// The same of a driver that knows no id of its application.
    #[must_use]
    pub fn of_nobody(&self) -> Self {
        let without = |message: Self, id| message.replaced(&[&[STRING], &text(id)[..]].concat(), &[NULL]);
        IDS.into_iter().fold(self.clone(), without)
    }

    /// The same with other bytes wherever it has these.
    #[must_use]
    pub fn replaced(&self, old: &[u8], new: &[u8]) -> Self {
        let mut payload = Vec::new();
        let mut rest = self.payload.as_slice();
        while let Some(at) = rest.windows(old.len()).position(|window| window == old) {
            payload.extend(&rest[..at]);
            payload.extend(new);
            rest = &rest[at + old.len()..];
        }
        payload.extend(rest);
        Self { payload, ..*self }
    }
}

fn fixture(release: &str, file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FRAMES).join(release).join(file);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |value, digit| value * 16 + digit));
    Ok(digits.chunks(2).map(byte).collect::<Result<_, _>>()?)
}

/// A text as it stands in an object stream, after its length.
pub fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use tanist_spark::message::{self, Message};

    use super::*;

    #[test]
    fn a_captured_message_is_said_by_another_driver() {
        let read = |name: &str| Captured::read(name).unwrap();
        let registration = read(REGISTRATION).of(4711, "app-1");
        let Message::RegisterApplication(said) = message::read(&registration.payload).unwrap() else { panic!() };
        assert_eq!((said.driver.unwrap().port, registration.is_question), (4711, false));
        let end = read(UNREGISTRATION).of(4711, "app-1");
        assert_eq!(message::read(&end.payload), Ok(Message::UnregisterApplication { app: "app-1".to_owned() }));
        let called = read(ACKNOWLEDGEMENT).of_nobody();
        assert_eq!(message::read(&called.payload), Ok(Message::MasterChangeAcknowledged { app: None }));
        assert!(read(QUESTION).is_question);
    }
}
