//! A driver that says what one of Spark 4.1.4 has said when it was captured, under a port of its own. It costs nothing
//! that the masters could not notice, unlike the Java machine of a real one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tanist_spark::java::{self, Tree};
use tanist_spark::{Address, Envelope, Frame};
use tanist_testkit::captured::{ACKNOWLEDGEMENT, Captured, QUESTION, REGISTRATION, UNREGISTRATION};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const HOST: &str = "127.0.0.1";
const MASTER: &str = "Master";
const VERIFIER: &str = "endpoint-verifier";

/// How long a master may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Longest frame of a master that is read.
const MAX_FRAME_BYTES: usize = 1 << 20;

/// Everything that such a driver says.
#[derive(Debug)]
pub(crate) struct Script {
    question: Captured,
    registration: Captured,
    unregistration: Captured,
    acknowledgement: Captured,
}

impl Script {
    /// Reads it.
    ///
    /// # Errors
    /// If the captured frames are not there.
    pub(crate) fn read() -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            question: Captured::read(QUESTION)?,
            registration: Captured::read(REGISTRATION)?,
            unregistration: Captured::read(UNREGISTRATION)?,
            acknowledgement: Captured::read(ACKNOWLEDGEMENT)?,
        }))
    }
}

/// A driver before and after its registration.
#[derive(Debug)]
pub(crate) struct Driver {
    script: Arc<Script>,
    /// Where masters call it.
    listener: TcpListener,
    own: Address,
}

/// An application that is registered, and the connection on which it is.
#[derive(Debug)]
pub(crate) struct Application {
    driver: Driver,
    line: Line,
    id: String,
}

impl Driver {
    /// One that listens, and has not said anything yet.
    ///
    /// # Errors
    /// If there is no port for it.
    pub(crate) async fn start(script: &Arc<Script>) -> Result<Self> {
        let listener = TcpListener::bind((HOST, 0)).await.context("a port for a driver")?;
        let port = listener.local_addr().context("the port of a driver")?.port();
        Ok(Self { script: Arc::clone(script), listener, own: Address { host: HOST.to_owned(), port } })
    }

    /// Connects, asks whether there is a master, registers, and waits until it is told its id.
    ///
    /// # Errors
    /// What was said or done instead.
    pub(crate) async fn register(self, master: &str) -> Result<Application> {
        let registered = async {
            let mut line = Line::new(TcpStream::connect(master).await.context("connecting")?)?;
            line.say(&self.own, VERIFIER, &self.script.question).await?;
            line.answer().await.context("the answer to whether there is a master")?;
            line.say(&self.own, MASTER, &self.script.registration.of(self.own.port, "")).await?;
            let told = line.told("RegisteredApplication").await?;
            let id = told.root().and_then(|root| told.text(root.field("appId")?));
            let id = id.context("no id of the application")?.to_owned();
            anyhow::Ok((line, id))
        };
        let (line, id) = timeout(ANSWER_WITHIN, registered)
            .await
            .context("no answer")
            .flatten()
            .with_context(|| format!("registering at {master}"))?;
        Ok(Application { driver: self, line, id })
    }
}

impl Application {
    /// Ends it, as a driver does whose program has ended.
    ///
    /// # Errors
    /// If the connection is gone.
    pub(crate) async fn end(mut self) -> Result<()> {
        let Driver { script, own, .. } = &self.driver;
        self.line.say(own, MASTER, &script.unregistration.of(own.port, &self.id)).await?;
        self.line.stream.shutdown().await.context("closing")
    }

    /// Waits until another master calls, and obeys it.
    ///
    /// # Errors
    /// If a connection cannot be accepted.
    pub(crate) async fn called(&mut self) -> Result<()> {
        loop {
            let (stream, _) = self.driver.listener.accept().await.context("taking a call")?;
            let mut line = Line::new(stream)?;
            // Who connects and says nothing is not the next master.
            if line.told("MasterChanged").await.is_ok() {
                let Driver { script, own, .. } = &self.driver;
                line.say(own, MASTER, &script.acknowledgement.of(own.port, &self.id)).await?;
                self.line = line;
                return Ok(());
            }
        }
    }
}

/// A connection with a master.
#[derive(Debug)]
struct Line {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Line {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true).context("sending small messages at once")?;
        Ok(Self { stream, received: Vec::new() })
    }

    async fn say(&mut self, own: &Address, endpoint: &str, message: &Captured) -> Result<()> {
        let frame = message.frame(Some(own.clone()), endpoint, 1)?;
        self.stream.write_all(&frame.to_bytes()).await.context("sending")
    }

    async fn next(&mut self) -> Result<Frame<'static>> {
        loop {
            let first =
                Frame::first(&self.received, MAX_FRAME_BYTES)?.map(|(frame, length)| (frame.into_owned(), length));
            if let Some((frame, length)) = first {
                self.received.drain(..length);
                return Ok(frame);
            }
            let read = self.stream.read_buf(&mut self.received).await.context("reading")?;
            ensure!(read > 0, "the connection was closed");
        }
    }

    async fn answer(&mut self) -> Result<()> {
        match self.next().await? {
            Frame::Response { body, .. } if *body == *java::boolean(true) => Ok(()),
            other => bail!("not yes, but {}", other.kind()),
        }
    }

    /// Waits for a message of this name and passes over others.
    async fn told(&mut self, name: &str) -> Result<Tree> {
        loop {
            let Frame::OneWay { body } = self.next().await? else { bail!("no message, but a question or an answer") };
            let tree = java::read(Envelope::open(&body)?.payload)?;
            if tree.root().is_some_and(|root| root.class().ends_with(&format!("${name}"))) {
                return Ok(tree);
            }
        }
    }
}
