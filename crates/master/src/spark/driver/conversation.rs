//! One connection, from its beginning to its end: of a driver, or of somebody who is none. That of a worker goes on by itself
//! once it has registered (`worker`).
//!
//! ```text
//! Stranger ──RegisterApplication──▶ Waiting ──the loop has taken it──▶ Registered ──▶ the end of its session is that of
//!    ▲                                 │                               ▲               the connection
//!    └── not repeated: not wanted ◀────┘                               └── called: the driver has said who it is
//! ```
//!
//! A driver tells every master that it comes, and again after twenty seconds until one has answered. Only one may, so a
//! standby keeps silent; if it becomes the leader meanwhile, it takes what it has heard.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use tanist_core::ids::{AppId, ExecutorId};
use tanist_core::msg::{AppToMaster, MasterToApp};
use tanist_spark::message::{self, Message, Registration};
use tanist_spark::{Envelope, Frame, ToDriver};

use super::call::Called;
use super::describe::{self, Driver};
use super::notice::{Said, say};
use super::state::{Next, Registered, State, Waiting};
use super::submit;
use crate::spark::Face;
use crate::spark::builds::Build;
use crate::spark::call::REMINDED_AFTER;
use crate::spark::channel::{APP_CLIENT, Channel, MASTER, VERIFIER, WORKER};
use crate::spark::end::{End, shortened};
use crate::spark::questions::Questions;
use crate::spark::session::Session;
use crate::spark::worker::{self, Worker};

/// The endpoint of a program that submits drivers.
const SUBMITTER: &str = "client";

/// Who connects says something within this time; Spark's programs do at once.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(10);

/// A registration that is not repeated for so long is not wanted any more: drivers repeat it every 20 s.
const WANTED_FOR: Duration = Duration::from_secs(25);

/// A registration that was not taken is offered again after this time.
const OFFERED_EVERY: Duration = Duration::from_millis(250);

/// The connection.
pub(in crate::spark) struct Conversation {
    pub(super) face: Face,
    pub(super) channel: Channel,
    state: State,
    /// Something was said already that cannot be meant for this connection.
    strayed: bool,
    /// What it is asked about itself, and what is heard once more when it has answered.
    pub(super) asking: Option<(Questions, Frame<'static>)>,
    /// What it has answered.
    pub(super) learnt: Option<Build>,
}

impl Conversation {
    /// With somebody who has connected.
    pub(in crate::spark) fn begin(face: Face, channel: Channel) -> Self {
        Self::new(face, channel, State::Stranger(Instant::now() + FIRST_FRAME_WITHIN))
    }

    /// With a driver that was called and has said that it is the one of this registration. It is told of these pages again;
    /// `taken` hears that the loop has taken it.
    pub(in crate::spark) async fn called(
        face: Face,
        Called { driver, channel, mut registration, .. }: Called,
        (ui_url, taken): (String, oneshot::Sender<()>),
    ) -> Self {
        registration.number = face.handle().new_session().0;
        let session = Session::open(face.handle(), channel.cut.clone(), registration.clone()).await;
        let reminder = Some((Instant::now() + REMINDED_AFTER, ui_url));
        let registered =
            Registered { driver, registration, session, app: None, leaves: false, reminder, taken: Some(taken) };
        Self::new(face, channel, State::Registered(Box::new(registered)))
    }

    fn new(face: Face, channel: Channel, state: State) -> Self {
        Self { face, channel, state, strayed: false, asking: None, learnt: None }
    }

    /// Until its end.
    pub(in crate::spark) async fn run(mut self) {
        let end = loop {
            match self.turn().await {
                Ok(()) => {}
                Err(End::Worker(worker)) => {
                    return worker::Conversation::begin(self.face, self.channel, *worker).await;
                }
                Err(end) => break end,
            }
        };
        self.close(end).await;
    }

    async fn turn(&mut self) -> Result<(), End> {
        let Self { face, channel, state, .. } = self;
        let cut = channel.cut.clone();
        let is_nobody = !matches!(state, State::Registered(_));
        tokio::select! {
            biased;
            () = cut.cancelled() => Err(End::Over("cut from this side".to_owned())),
            next = state.next() => match next {
                Next::Told(Some(message)) => self.told(message).await,
                Next::Told(None) => self.session_ended().await,
                Next::Due => self.due().await,
            },
            () = face.ended().cancelled(), if is_nobody => Err(End::Over("this master ends".to_owned())),
            frame = channel.next() => match frame? {
                Some(frame) => self.take(frame).await,
                None => Err(End::Left),
            },
        }
    }

    /// What the other end says.
    async fn take(&mut self, frame: Frame<'static>) -> Result<(), End> {
        match &frame {
            Frame::Request { id, body } => self.asked(*id, body).await,
            Frame::OneWay { body } => self.heard(body).await,
            Frame::Response { .. } | Frame::Failure { .. } => match self.answered(&frame)? {
                Some(again) => Box::pin(self.take(again)).await,
                None => Ok(()),
            },
        }
    }

    /// What the loop says.
    async fn told(&mut self, message: MasterToApp) -> Result<(), End> {
        match message {
            MasterToApp::Registered(answer) => self.taken(answer.app).await,
            MasterToApp::Standby { .. } => self.not_taken(),
            MasterToApp::RegistrationRefused { reason } => self.refuse(reason).await,
            MasterToApp::Reconnect => Err(End::Over("its session is not known any more".to_owned())),
            MasterToApp::HeartbeatSeen => Ok(()),
            MasterToApp::Notice(notice) => {
                let Some(driver) = self.driver().filter(|_| !self.leaves()) else { return Ok(()) };
                match say(&notice.body) {
                    Said::Tell(message) => {
                        let (address, payload) = (driver.address.clone(), driver.dialect.write(&message));
                        Ok(self.channel.tell(APP_CLIENT, &address, &payload).await?)
                    }
                    Said::Answer(id, yes) => Ok(self.channel.answer_yes(id, yes).await?),
                }
            }
        }
    }

    /// The application is in the books, and durable.
    async fn taken(&mut self, id: AppId) -> Result<(), End> {
        match std::mem::replace(&mut self.state, State::stranger()) {
            State::Waiting(waiting) => {
                let Waiting { driver, registration: Ok(registration), session: Some(session), .. } = *waiting else {
                    return Err(End::Over("a registration was taken that was not offered".to_owned()));
                };
                let app = Some(id.clone());
                let registered =
                    Registered { driver, registration, session, app, leaves: false, reminder: None, taken: None };
                self.state = State::Registered(Box::new(registered));
            }
            State::Registered(mut registered) => {
                let was_called = registered.app.replace(id.clone()).is_none();
                let taken = registered.taken.take();
                self.state = State::Registered(registered);
                if was_called {
                    // Whoever has called it may have stopped to wait.
                    taken.map(|taken| taken.send(()).ok());
                    tracing::info!(app = %id, peer = %self.channel.peer, "the driver of an application was called back");
                    return Ok(());
                }
            }
            State::Stranger(_) => return Ok(()),
        }
        tracing::info!(app = %id, peer = %self.channel.peer, "a driver of Spark is registered");
        let me = self.face.me().clone();
        self.channel.bind(self.face.board())?;
        self.tell(&ToDriver::Registered { app: id.as_str(), master: &me }).await
    }

    /// This master does not lead, or does not know yet whose place the driver has taken.
    fn not_taken(&mut self) -> Result<(), End> {
        match &mut self.state {
            State::Waiting(waiting) => waiting.offer_at = Some(Instant::now() + OFFERED_EVERY),
            State::Registered(registered) if registered.app.is_none() => {
                return Err(End::Over("this master does not lead any more".to_owned()));
            }
            State::Registered(_) | State::Stranger(_) => {}
        }
        Ok(())
    }

    async fn session_ended(&mut self) -> Result<(), End> {
        match &mut self.state {
            // A later word of the same driver was taken. Offered again after its application's end, this one would be
            // another application; whoever still wants to be registered says so again.
            State::Waiting(_) => {
                self.state = State::stranger();
                Ok(())
            }
            State::Registered(_) | State::Stranger(_) => {
                self.channel.goodbye().await;
                Err(End::Over("its session has ended".to_owned()))
            }
        }
    }

    async fn due(&mut self) -> Result<(), End> {
        let waiting = match &mut self.state {
            State::Stranger(_) => return Err(End::Left),
            State::Waiting(waiting) => waiting,
            State::Registered(_) => return self.remind().await,
        };
        let now = Instant::now();
        if now >= waiting.until {
            let session = waiting.session.take();
            self.state = State::stranger();
            if let Some(session) = session {
                session.end().await;
            }
            return Ok(());
        }
        if !self.face.leads() {
            waiting.offer_at = Some(now + OFFERED_EVERY);
            return Ok(());
        }
        waiting.offer_at = None;
        match (&waiting.registration, &waiting.session) {
            (Err(why), _) => {
                let why = why.clone();
                self.refuse(why).await
            }
            (Ok(registration), Some(session)) => {
                session.say(AppToMaster::Register(Box::new(registration.clone()))).await;
                Ok(())
            }
            (Ok(registration), None) => {
                let session = Session::open(self.face.handle(), self.channel.cut.clone(), registration.clone());
                waiting.session = Some(session.await);
                Ok(())
            }
        }
    }

    /// Tells a driver that was called once more who leads, if that is so.
    async fn remind(&mut self) -> Result<(), End> {
        let may_act = self.face.may_act();
        let State::Registered(registered) = &mut self.state else { return Ok(()) };
        let Some((at, ui_url)) = registered.reminder.take().filter(|_| !registered.leaves) else { return Ok(()) };
        if !may_act {
            registered.reminder = Some((at + REMINDED_AFTER, ui_url));
            return Ok(());
        }
        let me = self.face.me().clone();
        self.tell(&ToDriver::MasterChanged { master: &me, ui_url: &ui_url }).await
    }

    /// A question.
    async fn asked(&mut self, id: i64, body: &[u8]) -> Result<(), End> {
        self.has_spoken();
        let envelope = Envelope::open(body)?;
        let message = message::read(envelope.payload)?;
        match (envelope.endpoint.as_str(), message) {
            (VERIFIER, Message::CheckExistence { name }) => Ok(self.channel.answer_yes(id, name == MASTER).await?),
            (MASTER, Message::RequestExecutors { app, targets }) => {
                let Some(registered) = self.own(Some(&app), "RequestExecutors") else {
                    return Ok(self.channel.answer_yes(id, false).await?);
                };
                let (profiles, targets) = match describe::targets(&targets, &registered.driver.profile) {
                    Ok(wanted) => wanted,
                    Err(why) => return Ok(self.channel.fail(id, &why).await?),
                };
                let request = id.cast_unsigned();
                registered.session.say(AppToMaster::RequestExecutors { request, profiles, targets }).await;
                Ok(())
            }
            (MASTER, Message::KillExecutors { app, executors }) => {
                let Some(registered) = self.own(Some(&app), "KillExecutors") else {
                    return Ok(self.channel.answer_yes(id, false).await?);
                };
                let executors = executors.iter().filter_map(|id| id.parse().ok().map(ExecutorId)).collect();
                registered.session.say(AppToMaster::KillExecutors { request: id.cast_unsigned(), executors }).await;
                Ok(())
            }
            (
                MASTER,
                question @ (Message::RequestSubmitDriver(_)
                | Message::RequestKillDriver { .. }
                | Message::RequestDriverStatus { .. }),
            ) => {
                let said = Frame::Request { id, body: body.into() };
                let Some(build) = self.build(envelope.payload, SUBMITTER, said).await? else { return Ok(()) };
                let (handle, me) = (self.face.handle(), self.face.me());
                match submit::answer(handle, me, (envelope.payload, &build), question).await? {
                    Some(answer) => Ok(self.channel.answer(id, answer).await?),
                    // Who leads answers.
                    None => Ok(()),
                }
            }
            (endpoint, message) => {
                let why = format!("{:?} has no answer to {}", shortened(endpoint), shortened(message.name()));
                self.stray(&why);
                Ok(self.channel.fail(id, &why).await?)
            }
        }
    }

    /// What nobody answers.
    async fn heard(&mut self, body: &[u8]) -> Result<(), End> {
        self.has_spoken();
        let envelope = Envelope::open(body)?;
        match (envelope.endpoint.as_str(), message::read(envelope.payload)?) {
            (MASTER, Message::RegisterApplication(registration)) => {
                let said = Frame::OneWay { body: body.into() };
                match self.build(envelope.payload, APP_CLIENT, said).await? {
                    Some(build) => self.registers(&registration, envelope.payload, &build).await,
                    None => Ok(()),
                }
            }
            (MASTER, Message::RegisterWorker(told)) if matches!(self.state, State::Stranger(_)) => {
                let said = Frame::OneWay { body: body.into() };
                match self.build(envelope.payload, WORKER, said).await? {
                    Some(build) => Err(End::Worker(Box::new(Worker::of(&told, envelope.payload, &build)?))),
                    None => Ok(()),
                }
            }
            (MASTER, Message::UnregisterApplication { app }) => {
                if let Some(registered) = self.own(Some(&app), "UnregisterApplication") {
                    registered.leaves = true;
                    registered.session.say(AppToMaster::Unregister).await;
                }
                Ok(())
            }
            (MASTER, Message::MasterChangeAcknowledged { app }) => {
                self.own(app.as_deref(), "MasterChangeAcknowledged");
                Ok(())
            }
            (endpoint, message) => {
                self.stray(&format!("{:?} does not know {}", shortened(endpoint), shortened(message.name())));
                Ok(())
            }
        }
    }

    /// A driver comes, or repeats that it does because nobody has answered.
    async fn registers(&mut self, registration: &Registration, payload: &[u8], build: &Build) -> Result<(), End> {
        match &mut self.state {
            State::Stranger(_) => {
                let driver = Driver::of(payload, build)?;
                let number = self.face.handle().new_session().0;
                let registration = describe::registration(registration, &driver, payload, number);
                let now = Instant::now();
                let waiting =
                    Waiting { driver, registration, session: None, offer_at: Some(now), until: now + WANTED_FOR };
                self.state = State::Waiting(Box::new(waiting));
            }
            State::Waiting(waiting) => waiting.until = Instant::now() + WANTED_FOR,
            State::Registered(registered) => {
                let again = AppToMaster::Register(Box::new(registered.registration.clone()));
                registered.session.say(again).await;
            }
        }
        Ok(())
    }

    fn has_spoken(&mut self) {
        if let State::Stranger(_) = &self.state {
            self.state = State::stranger();
        }
    }

    fn driver(&self) -> Option<&Driver> {
        match &self.state {
            State::Stranger(_) => None,
            State::Waiting(waiting) => Some(&waiting.driver),
            State::Registered(registered) => Some(&registered.driver),
        }
    }

    /// The application of this connection, if it is that one. Nobody speaks for others.
    fn own(&mut self, id: Option<&str>, what: &str) -> Option<&mut Registered> {
        // Whoever was called knows its application before the loop has confirmed it.
        let is_own = |registered: &Registered| {
            registered.app.as_ref().or(registered.registration.known_as.as_ref()).map(AppId::as_str) == id
        };
        if !matches!(&self.state, State::Registered(registered) if is_own(registered)) {
            self.stray(&format!("{what} about application {:?}, which is not of this connection", id.map(shortened)));
        }
        match &mut self.state {
            State::Registered(registered) if is_own(registered) => Some(registered),
            _ => None,
        }
    }

    fn leaves(&self) -> bool {
        matches!(&self.state, State::Registered(registered) if registered.leaves)
    }

    /// Something that cannot be meant: it is passed over, and told once, so that nobody fills the log.
    fn stray(&mut self, why: &str) {
        let peer = self.channel.peer;
        if std::mem::replace(&mut self.strayed, true) {
            tracing::debug!(%peer, why, "passed over what a program of Spark said");
        } else {
            tracing::warn!(%peer, why, "passed over what a program of Spark said");
        }
    }

    async fn tell(&mut self, message: &ToDriver<'_>) -> Result<(), End> {
        let Some(driver) = self.driver() else { return Ok(()) };
        let (address, payload) = (driver.address.clone(), driver.dialect.write(message));
        Ok(self.channel.tell(APP_CLIENT, &address, &payload).await?)
    }

    /// The driver shows why, and ends.
    async fn refuse(&mut self, why: String) -> Result<(), End> {
        self.tell(&ToDriver::ApplicationRemoved { message: &why }).await?;
        self.channel.goodbye().await;
        Err(End::Over(format!("its registration was refused: {why}")))
    }

    async fn close(self, end: End) {
        let (app, session) = match self.state {
            State::Stranger(_) => (None, None),
            State::Waiting(waiting) => (None, waiting.session),
            State::Registered(registered) => (registered.app, Some(registered.session)),
        };
        end.tell(self.channel.peer, app.as_ref().map(AppId::as_str));
        if let Some(session) = session {
            session.end().await;
        }
    }
}
