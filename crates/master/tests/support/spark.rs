//! A driver of Spark made of captured frames: it says what Spark 4.1.4 has said, under its own port and application id.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use tanist_spark::auth::{Auth, Channel};
use tanist_spark::java::{self, Tree, Value};
use tanist_spark::{Address, Envelope, Frame};
use tanist_testkit::captured::{ACKNOWLEDGEMENT, Captured, DRIVER_STATUS, QUESTION, REGISTRATION};

use super::within;

const LIMIT: usize = 1 << 20;

/// The driver that is asked for in [`DRIVER_STATUS`].
pub(crate) const CAPTURED_DRIVER: &str = "driver-20261120120732-0000";

/// The numbers of the classes of these questions.
const STATUS_UID: i64 = 0xe624_5396_6e3e_f5c1_u64.cast_signed();
const KILL_UID: i64 = 0xac98_5546_fb36_6cb3_u64.cast_signed();

/// The number of the class of a registration, and what it is in a build that nobody has described.
const REGISTRATION_UID: i64 = 0x123d_8ca9_6b2c_1b0c;
pub(crate) const OTHER_UID: i64 = 0x0123_4567_89ab_cdef;

/// What a master has said.
#[derive(Debug)]
pub(crate) enum Heard {
    Told(Tree),
    Answer(i64, Vec<u8>),
    Failure(i64, String),
    /// What it asks about a class.
    Question(i64, Tree),
}

impl Heard {
    /// Name of the message, without its package.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Told(tree) => tree.root().unwrap().class().rsplit('$').next().unwrap(),
            Self::Answer(..) => "answer",
            Self::Failure(..) => "failure",
            Self::Question(..) => "question",
        }
    }

    pub(crate) fn text(&self, field: &str) -> String {
        let Self::Told(tree) = self else { panic!("{self:?}") };
        tree.text(tree.root().unwrap().field(field).unwrap()).unwrap().to_owned()
    }

    /// A text in an answer, also one that may be missing.
    pub(crate) fn answered_text(&self, field: &str) -> Option<String> {
        let Self::Answer(_, body) = self else { panic!("{self:?}") };
        let tree = java::read(body).unwrap();
        let value = tree.root().unwrap().field(field).unwrap();
        let inner = tree.object(value).and_then(|some| some.field("value")).unwrap_or(value);
        tree.text(inner).map(str::to_owned)
    }

    /// A flag in an answer.
    pub(crate) fn answered_flag(&self, field: &str) -> bool {
        let Self::Answer(_, body) = self else { panic!("{self:?}") };
        java::read(body).unwrap().root().unwrap().field(field) == Some(Value::Boolean(true))
    }

    pub(crate) fn int(&self, field: &str) -> i32 {
        let Self::Told(tree) = self else { panic!("{self:?}") };
        let Some(Value::Int(number)) = tree.root().unwrap().field(field) else { panic!("{self:?}") };
        number
    }

    /// The number of the state in an `ExecutorUpdated`.
    pub(crate) fn state(&self) -> i32 {
        let Self::Told(tree) = self else { panic!("{self:?}") };
        let state = tree.object(tree.root().unwrap().field("state").unwrap()).unwrap();
        let Some(Value::Int(number)) = state.field("i") else { panic!("{self:?}") };
        number
    }

    /// Whether a question was answered by yes.
    pub(crate) fn is_yes(&self) -> bool {
        matches!(self, Self::Answer(_, body) if *body == java::boolean(true))
    }
}

/// One connection between a driver and a master.
pub(crate) struct Line {
    stream: TcpStream,
    secured: Channel,
    own: Address,
    questions: i64,
}

impl Line {
    fn new(stream: TcpStream, secured: Channel, port: u16) -> Self {
        Self { stream, secured, own: Address { host: "127.0.0.1".to_owned(), port }, questions: 0 }
    }

    /// Says a captured message in the name of this application.
    pub(crate) async fn say(&mut self, name: &str, app: &str) -> i64 {
        self.say_to("Master", name, app).await
    }

    /// Says a captured message with another word in it.
    pub(crate) async fn say_about(&mut self, name: &str, old: &str, new: &str) -> i64 {
        self.send("Master", &Captured::read(name).unwrap().about(old, new)).await
    }

    /// Asks for the end of a driver: as for its state, with another name of the question.
    pub(crate) async fn asks_for_the_end_of(&mut self, driver: &str) -> i64 {
        let class = |name: &str| format!("org.apache.spark.deploy.DeployMessages${name}");
        let question = Captured::read(DRIVER_STATUS).unwrap().about(CAPTURED_DRIVER, driver);
        let question = question.about(&class("RequestDriverStatus"), &class("RequestKillDriver"));
        self.send("Master", &question.replaced(&STATUS_UID.to_be_bytes(), &KILL_UID.to_be_bytes())).await
    }

    /// Registers as a driver of a build that nobody has described.
    pub(crate) async fn registers_as_another_build(&mut self) {
        let registration = Captured::read(REGISTRATION).unwrap().of(self.own.port, "");
        self.send("Master", &registration.replaced(&REGISTRATION_UID.to_be_bytes(), &OTHER_UID.to_be_bytes())).await;
    }

    /// Answers a question by a failure.
    pub(crate) async fn fails(&mut self, id: i64, text: &str) {
        self.secured.send(&Frame::Failure { id, text: text.into() }).unwrap();
        self.flush().await;
    }

    /// Acknowledges a call as a driver that was not told its id yet.
    pub(crate) async fn knows_no_id(&mut self) {
        self.send("Master", &Captured::read(ACKNOWLEDGEMENT).unwrap().of_nobody()).await;
    }

    async fn say_to(&mut self, endpoint: &str, name: &str, app: &str) -> i64 {
        self.send(endpoint, &Captured::read(name).unwrap().of(self.own.port, app)).await
    }

    pub(super) async fn send(&mut self, endpoint: &str, message: &Captured) -> i64 {
        self.questions += 1;
        self.secured.send(&message.frame(Some(self.own.clone()), endpoint, self.questions).unwrap()).unwrap();
        self.flush().await;
        self.questions
    }

    async fn flush(&mut self) {
        let bytes = self.secured.outgoing();
        self.raw(&bytes).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// What the master says next; `None` = it has closed the connection.
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        within("a frame of the master", self.next()).await
    }

    async fn next(&mut self) -> Option<Heard> {
        loop {
            self.flush().await;
            if let Some(frame) = self.secured.frame().unwrap() {
                return Some(match frame {
                    Frame::OneWay { body } => {
                        let envelope = Envelope::open(&body).unwrap();
                        assert!(["AppClient", "Worker"].contains(&envelope.endpoint.as_str()), "{}", envelope.endpoint);
                        Heard::Told(java::read(envelope.payload).unwrap())
                    }
                    Frame::Response { id, body } => Heard::Answer(id, body.into_owned()),
                    Frame::Failure { id, text } => Heard::Failure(id, text.into_owned()),
                    Frame::Request { id, body } => {
                        let envelope = Envelope::open(&body).unwrap();
                        assert_eq!(envelope.endpoint, "AppClient");
                        Heard::Question(id, java::read(envelope.payload).unwrap())
                    }
                });
            }
            self.flush().await;
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.secured.receive(&piece[..count]),
            }
        }
    }

    /// Waits for a message of this name and passes over others.
    pub(crate) async fn hears(&mut self, name: &str) -> Heard {
        loop {
            let heard = self.hear().await.unwrap_or_else(|| panic!("the connection has ended before {name}"));
            if heard.name() == name {
                return heard;
            }
        }
    }

    /// Asks whether there is a master.
    pub(crate) async fn asks(&mut self) {
        self.say_to("endpoint-verifier", QUESTION, "").await;
    }

    /// Asks whether there is a master, and registers.
    pub(crate) async fn registers(&mut self, registration: &str) {
        self.asks().await;
        assert!(self.hear().await.unwrap().is_yes());
        self.say(registration, "").await;
    }

    /// The id it is given.
    pub(crate) async fn is_registered(&mut self) -> String {
        self.hears("RegisteredApplication").await.text("appId")
    }

    /// Why it is not let in.
    pub(crate) async fn refusal(mut self) -> String {
        loop {
            self.flush().await;
            let mut piece = [0; 4096];
            let count = within("the refusal", self.stream.read(&mut piece)).await.unwrap();
            self.secured.receive(&piece[..count]);
            if let Err(error) = self.secured.frame() {
                return error.to_string();
            }
            assert!(count > 0 && !self.secured.is_open(), "it is let in, or closed without a word");
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn end(mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        while let Some(heard) = self.hear().await {
            all.push(heard);
        }
        all
    }
}

/// The process of a driver: whoever holds it holds its port.
pub(crate) struct Driver {
    listener: TcpListener,
    pub(crate) port: u16,
    /// What it knows.
    auth: Option<Arc<Auth>>,
}

impl Driver {
    pub(crate) async fn start() -> Self {
        Self::at(0).await
    }

    /// One with a port of its own choice.
    pub(crate) async fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port, auth: None }
    }

    /// One that knows a secret.
    pub(crate) async fn knowing(auth: Arc<Auth>) -> Self {
        Self { auth: Some(auth), ..Self::start().await }
    }

    /// Connects to a master.
    pub(crate) async fn connect(&self, master: &str) -> Line {
        let secured = Channel::dialled(self.auth.clone(), LIMIT).unwrap();
        Line::new(within("a connection", TcpStream::connect(master)).await.unwrap(), secured, self.port)
    }

    /// Connects to a master, and has it keep nearly all that is not read.
    pub(crate) async fn connect_narrowly(&self, master: &str) -> Line {
        let secured = Channel::dialled(self.auth.clone(), LIMIT).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = within("a connection", socket.connect(master.parse().unwrap())).await.unwrap();
        Line::new(stream, secured, self.port)
    }

    /// Takes the call of a master that makes itself known, and says that it is this application.
    pub(crate) async fn is_called(&self, app: &str) -> Line {
        let (mut line, _) = self.takes_a_call().await;
        line.say(ACKNOWLEDGEMENT, app).await;
        line
    }

    /// Takes a call and says nothing yet; with the address of the pages it was told.
    pub(crate) async fn takes_a_call(&self) -> (Line, String) {
        let mut line = self.is_connected_to().await;
        let pages = line.hears("MasterChanged").await.text("masterWebUiUrl");
        (line, pages)
    }

    /// Takes a connection and says nothing, not even who it is.
    pub(crate) async fn is_connected_to(&self) -> Line {
        let (stream, _) = within("a call of a master", self.listener.accept()).await.unwrap();
        Line::new(stream, Channel::accepted(self.auth.clone(), LIMIT), self.port)
    }

    /// Whether no call waits to be taken, now and for a moment.
    pub(crate) async fn is_left_alone(&self) -> bool {
        self.is_left_alone_for(std::time::Duration::from_millis(500)).await
    }

    pub(crate) async fn is_left_alone_for(&self, moment: std::time::Duration) -> bool {
        tokio::time::timeout(moment, self.listener.accept()).await.is_err()
    }
}
