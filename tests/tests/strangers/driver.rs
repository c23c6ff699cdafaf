//! A driver of captured frames, and what is made of them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use tanist_spark::java::{self, Tree};
use tanist_spark::{Envelope, Frame};
use tanist_testkit::captured::{Captured, KILL, QUESTION, REGISTRATION};
use tanist_testkit::{Cluster, Shape};

/// Longest frame that a master takes.
pub(crate) const LIMIT: usize = 1 << 20;

/// A master that is silent for so long never says anything.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// One master, which needs nobody to take applications.
pub(crate) fn cluster() -> Cluster {
    let cluster = Cluster::start(Shape { masters: 1, workers: 0, ..Shape::default() }).unwrap();
    cluster.leader();
    cluster
}

/// What Spark 4.1.4 has said.
pub(crate) fn captured(name: &str) -> Captured {
    Captured::read(name).unwrap()
}

/// The frame that brings it to the master.
pub(crate) fn framed(message: &Captured) -> Vec<u8> {
    message.frame(None, "Master", 1).unwrap().to_bytes()
}

/// A connection to a master.
pub(crate) struct Line {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Line {
    pub(crate) fn to(master: &str) -> Self {
        let stream = TcpStream::connect(master).unwrap();
        stream.set_read_timeout(Some(SILENCE)).unwrap();
        Self { stream, received: Vec::new() }
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        // Who is cut in the middle of a word does not mind.
        drop(self.stream.write_all(bytes));
    }

    /// The next frame; none = the master has closed.
    pub(crate) fn hear(&mut self) -> Option<Frame<'static>> {
        loop {
            if let Some((frame, length)) = Frame::first(&self.received, LIMIT).unwrap() {
                let frame = frame.into_owned();
                self.received.drain(..length);
                return Some(frame);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => self.received.extend(&piece[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("a master that neither answers nor closes: {error}"),
            }
        }
    }

    /// Asks whether there is a master.
    pub(crate) fn asks(&mut self) {
        self.say(&captured(QUESTION).frame(None, "endpoint-verifier", 1).unwrap().to_bytes());
    }

    /// Whether its next question is answered with yes.
    pub(crate) fn is_told_yes(&mut self) -> bool {
        loop {
            match self.hear() {
                Some(Frame::Response { body, .. }) => return *body == java::boolean(true),
                Some(_) => {}
                None => panic!("the connection was closed"),
            }
        }
    }

    /// Whether the master has closed by now.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let read = self.stream.read(&mut [0; 64]);
        self.stream.set_nonblocking(false).unwrap();
        !matches!(&read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    pub(crate) fn says_no_more(&mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Whether the master closes without another word.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.hear().is_none()
    }
}

/// The process of a driver, with an application of its own.
pub(crate) struct Driver {
    line: Line,
    pub(crate) app: String,
    port: u16,
    /// Holds its port.
    _listener: TcpListener,
}

impl Driver {
    /// One that has registered, and whose questions are answered.
    pub(crate) fn served(master: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut driver = Self { line: Line::to(master), app: String::new(), port, _listener: listener };
        driver.line.say(&framed(&captured(REGISTRATION).of(port, "")));
        let registered = driver.hears("RegisteredApplication");
        let id = registered.root().unwrap().field("appId").unwrap();
        registered.text(id).unwrap().clone_into(&mut driver.app);
        assert!(driver.is_answered());
        driver
    }

    /// Says a captured message about this application.
    pub(crate) fn says_about(&mut self, name: &str, app: &str) {
        self.line.say(&framed(&captured(name).of(self.port, app)));
    }

    /// Whether its next question is answered with yes.
    pub(crate) fn is_told_yes(&mut self) -> bool {
        self.line.is_told_yes()
    }

    /// Whether it may still ask about its own application.
    pub(crate) fn is_answered(&mut self) -> bool {
        let own = self.app.clone();
        self.says_about(KILL, &own);
        self.is_told_yes()
    }

    /// Waits for a message of this name.
    pub(crate) fn hears(&mut self, name: &str) -> Tree {
        loop {
            let Some(Frame::OneWay { body }) = self.line.hear() else { panic!("no {name}, but the end") };
            let told = java::read(Envelope::open(&body).unwrap().payload).unwrap();
            if told.root().unwrap().class().ends_with(name) {
                return told;
            }
        }
    }
}
