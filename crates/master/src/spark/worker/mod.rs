//! One connection of a worker of Spark, from its registration to its end (ADR 15).
//!
//! ```text
//! RegisterWorker ──▶ Asked ──the loop does not refuse it──▶ Greeted ──it says what it runs──▶ its session
//!                      │                                                 ▲
//!                      └── not now: it comes again                       └── called: it has said so already
//! ```
//!
//! A worker tells every master that it comes, obeys the one that has answered last, and says what it runs to whoever makes
//! himself known as its master. So it is greeted and called in one way, and what it says then is its registration: until
//! then it was free to obey another master. Its connection may stand idle at a master for as long as another one leads: were it
//! closed, the worker would believe that it was cut off.
//!
//! | module | holds |
//! |---|---|
//! | `describe` | what a worker says, as the machine is told it |
//! | `orders` | what the machine commands, as a worker is told it |
//! | `reports` | what a worker has said once, and the machine has yet to acknowledge |
//! | `hear` | what is heard |
//! | `lines` | the one connection of each worker |
//! | `call` | dialling a worker that is not heard |

mod call;
mod describe;
mod hear;
mod lines;
mod orders;
mod reports;

use std::future::pending;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use tanist_core::ids::{ReportId, Term};
use tanist_core::master::Peer;
use tanist_core::model::Inventory;
use tanist_core::msg::{MasterToWorker, RegisterWorker, WorkerCommand, WorkerToMaster};
use tanist_spark::{Frame, ToWorker};

pub(crate) use self::call::Called;
pub(super) use self::call::reach;
pub(super) use self::describe::Worker;
pub(super) use self::lines::Lines;

use self::call::Dialled;
use self::lines::{Call, Held};
use self::orders::Order;
use self::reports::Reports;
use super::Face;
use super::call::REMINDED_AFTER;
use super::channel::{Channel, WORKER};
use super::end::End;
use super::session::WorkerSession;

/// While the term of this master may not act, it is looked this often whether it may again.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(250);

/// The connection.
pub(super) struct Conversation {
    face: Face,
    channel: Channel,
    worker: Worker,
    coming: Coming,
    /// Calls that were told on this connection, and not answered by what it runs: each is, in their order.
    unanswered: usize,
    /// Its session with the loop.
    session: Option<WorkerSession>,
    /// The loop has taken it on this session.
    is_registered: bool,
    reports: Reports,
    /// Pages of the leader, as the worker was told.
    ui_url: String,
    /// When it is to be told again who leads: then it says again what it runs.
    reminder: Option<Instant>,
    /// Hears that the loop has taken a worker that was called.
    taken: Option<oneshot::Sender<()>>,
    /// Something was said already that cannot be meant for this connection.
    strayed: bool,
    /// That this connection counts: let go when all else has ended.
    held: Held,
}

/// How far a registration is.
enum Coming {
    /// There is none.
    No,
    /// The loop was asked whether it would take the worker.
    Asked(WorkerSession),
    /// The worker knows of this term, and has yet to say what it runs.
    Greeted(Term),
}

/// What happens next on this side.
enum Next {
    /// The loop has answered whether it would take the worker; `None` = not now.
    Answered(Option<MasterToWorker>),
    /// The term that the worker was told of is over, and it has not said what it runs.
    Over,
    /// `None` = the loop has ended the session.
    Told(Option<MasterToWorker>),
    /// The leader calls.
    Called(Call),
    Due,
}

impl Conversation {
    /// With a worker that has just registered, until its end.
    pub(super) async fn begin(face: Face, channel: Channel, worker: Worker) {
        let held = face.0.lines.replace(&worker.registration, &channel.cut).await;
        let mut begun = Self::new(face, channel, worker, held);
        begun.offer().await;
        begun.run().await;
    }

    /// With a worker that was called and has said what it runs, until its end. It is told of these pages again; `taken` hears
    /// that the loop has taken it. If it has come by itself meanwhile, it is called there.
    pub(super) async fn called(
        face: Face,
        Dialled { worker, channel, inventory }: Dialled,
        (ui_url, taken): (String, oneshot::Sender<()>),
    ) {
        let Some(held) = face.0.lines.take(&worker.registration, &channel.cut) else { return };
        let mut called = Self::new(face, channel, worker, held);
        called.reminder = Some(Instant::now() + REMINDED_AFTER);
        called.ui_url = ui_url;
        called.taken = Some(taken);
        called.open(called.worker.registration.heard.clone(), inventory).await;
        called.run().await;
    }

    fn new(face: Face, channel: Channel, worker: Worker, held: Held) -> Self {
        Self {
            face,
            channel,
            worker,
            coming: Coming::No,
            unanswered: 0,
            session: None,
            is_registered: false,
            reports: Reports::default(),
            ui_url: String::new(),
            reminder: None,
            taken: None,
            strayed: false,
            held,
        }
    }

    async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.turn().await {
                break end;
            }
        };
        end.tell(self.channel.peer, Some(self.worker.registration.id.as_str()));
        self.end_sessions().await;
    }

    /// Nothing is told to it any more, and it has to say anew what it runs.
    async fn end_sessions(&mut self) {
        let asked = match std::mem::replace(&mut self.coming, Coming::No) {
            Coming::Asked(session) => Some(session),
            Coming::No | Coming::Greeted(_) => None,
        };
        self.is_registered = false;
        for session in [asked, self.session.take()].into_iter().flatten() {
            session.end().await;
        }
    }

    async fn turn(&mut self) -> Result<(), End> {
        let (due, may_act) = (self.due_at(), self.face.may_act());
        let is_nobody = self.session.is_none();
        let Self { face, channel, coming, session, held, .. } = self;
        let cut = channel.cut.clone();
        let next = async {
            tokio::select! {
                biased;
                news = came(face, coming) => news,
                message = told(session.as_mut(), may_act) => Next::Told(message),
                call = held.call() => Next::Called(call),
                () = until(due) => Next::Due,
            }
        };
        tokio::select! {
            biased;
            () = cut.cancelled() => Err(End::Over("cut from this side".to_owned())),
            next = next => match next {
                Next::Answered(answer) => self.answered(answer).await,
                Next::Over => Err(End::Over("the term that it was told of is over".to_owned())),
                Next::Told(Some(message)) => self.told(message).await,
                Next::Told(None) => Err(End::Over("its session has ended".to_owned())),
                Next::Called(call) => self.called_here(call).await,
                Next::Due => self.due().await,
            },
            () = face.ended().cancelled(), if is_nobody => Err(End::Over("this master ends".to_owned())),
            frame = channel.next() => {
                match frame? {
                    Some(Frame::Request { id, body }) => self.asked(id, &body).await,
                    Some(Frame::OneWay { body }) => self.said(&body).await,
                    // Nothing is asked here.
                    Some(Frame::Response { .. } | Frame::Failure { .. }) => Ok(()),
                    None => Err(End::Left),
                }
            }
        }
    }

    /// Asks the loop whether it would take the worker. It is not taken yet: it has not heard of this term.
    async fn offer(&mut self) {
        let registration = self.registration(None, Inventory::default());
        let session = WorkerSession::of_worker(self.face.handle(), self.channel.cut.clone(), None, registration).await;
        self.coming = Coming::Asked(session);
    }

    /// The loop takes what the worker has said it runs under this term.
    async fn open(&mut self, heard: Option<Term>, mut inventory: Inventory) {
        self.reports.add_ends(&mut inventory);
        let registration = self.registration(heard, inventory);
        let peer = Some(Peer::Worker(registration.id.clone()));
        self.end_sessions().await;
        self.session =
            Some(WorkerSession::of_worker(self.face.handle(), self.channel.cut.clone(), peer, registration).await);
    }

    fn registration(&self, heard: Option<Term>, inventory: Inventory) -> RegisterWorker {
        let number = self.face.handle().new_session().0;
        RegisterWorker { number, heard, inventory, ..self.worker.registration.clone() }
    }

    /// What the loop says to a worker that it was asked about.
    async fn answered(&mut self, answer: Option<MasterToWorker>) -> Result<(), End> {
        if let Coming::Asked(session) = std::mem::replace(&mut self.coming, Coming::No) {
            session.end().await;
        }
        match answer {
            Some(MasterToWorker::Greet { leader }) => self.greet(leader.term, &leader.ui_url).await,
            Some(MasterToWorker::RegistrationRefused { reason }) => self.refuse(reason).await,
            // Another master answers, or a later word of this worker is heard; whoever calls it calls again.
            _ => {
                self.taken = None;
                Ok(())
            }
        }
    }

    /// The leader calls a worker that has come by itself, and was not answered then, or has no session any more.
    async fn called_here(&mut self, call: Call) -> Result<(), End> {
        self.taken = Some(call.taken);
        match (&self.coming, &self.session) {
            (Coming::No, None) => self.greet(call.term, &call.ui_url).await,
            // It is just being taken.
            _ => Ok(()),
        }
    }

    /// Makes this master known, as the one that leads. The first message has the worker say what it runs, with the
    /// addresses of its resources; what it says after the second one is without them.
    async fn greet(&mut self, term: Term, ui_url: &str) -> Result<(), End> {
        if !self.face.may_act() {
            self.taken = None;
            return Ok(());
        }
        let (me, called) = (self.face.me().clone(), self.worker.calls_us.clone());
        self.channel.bind(self.face.board())?;
        self.make_known(ui_url).await?;
        self.tell(&ToWorker::Registered { master: &me, ui_url, called: &called, duplicate: false }).await?;
        self.coming = Coming::Greeted(term);
        self.reminder = Some(Instant::now() + REMINDED_AFTER);
        ui_url.clone_into(&mut self.ui_url);
        Ok(())
    }

    /// What the loop says to a worker that it has taken, or takes now.
    async fn told(&mut self, message: MasterToWorker) -> Result<(), End> {
        match message {
            MasterToWorker::Registered(_) => {
                let (id, peer) = (&self.worker.registration.id, self.channel.peer);
                tracing::info!(worker = %id, %peer, called = self.taken.is_some(), "a worker of Spark is registered");
                // Whoever has called it may have stopped to wait.
                self.taken.take().map(|taken| taken.send(()).ok());
                self.is_registered = true;
                let reports = self.reports.all();
                self.say(reports).await
            }
            MasterToWorker::Standby { .. } if !self.is_registered => {
                Err(End::Over("this master does not lead any more".to_owned()))
            }
            MasterToWorker::RegistrationRefused { reason } => self.refuse(reason).await,
            // So a master answers a heartbeat that is not sure of its lead.
            MasterToWorker::Standby { .. } | MasterToWorker::HeartbeatSeen => Ok(()),
            // Only who has not heard of this term is greeted.
            MasterToWorker::Greet { .. } => Err(End::Over("its session is of another term".to_owned())),
            MasterToWorker::Acknowledged { report } => match self.reports.acknowledged(report) {
                Some(question) => Ok(self.channel.answer_yes(question, true).await?),
                None => Ok(()),
            },
            MasterToWorker::Reconnect => Err(End::Over("its session is not known any more".to_owned())),
            MasterToWorker::Command(command) => self.commanded(command.body).await,
        }
    }

    async fn commanded(&mut self, command: WorkerCommand) -> Result<(), End> {
        // It keeps no term of its own. What it misses is settled when it comes again.
        if !self.face.may_act() {
            return Err(End::Over("the term of this master may not act any more".to_owned()));
        }
        if let WorkerCommand::LaunchDriver { .. } = command {
            // It does not say that it has a driver before it is asked.
            self.reminder.get_or_insert(Instant::now() + REMINDED_AFTER);
        }
        let me = self.face.me().clone();
        match orders::order(command, &self.worker, &me) {
            Order::Tell(payload) => Ok(self.channel.tell(WORKER, &self.worker.address, &payload).await?),
            Order::ExecutorRefused(executor, why) => {
                self.report(None, |report| WorkerToMaster::ExecutorRefused { report, executor, why }).await
            }
            Order::DriverEnded(driver, attempt, outcome) => {
                self.report(None, |report| WorkerToMaster::DriverEnded { report, driver, attempt, outcome }).await
            }
        }
    }

    /// Has the loop know what happened, now and until it has acknowledged it.
    async fn report(
        &mut self,
        question: Option<i64>,
        message: impl FnOnce(ReportId) -> WorkerToMaster,
    ) -> Result<(), End> {
        let Some(message) = self.reports.add(question, message) else {
            return Err(End::Over("it has more to report than is kept".to_owned()));
        };
        self.say(vec![message]).await
    }

    async fn say(&mut self, messages: Vec<WorkerToMaster>) -> Result<(), End> {
        if let Some(session) = &self.session {
            for message in messages {
                session.say(message).await;
            }
        }
        Ok(())
    }

    /// When there is something to do here, if nothing is heard.
    fn due_at(&self) -> Option<Instant> {
        let again = (self.session.is_some() && !self.face.may_act()).then(|| Instant::now() + LOOKED_AT_EVERY);
        [again, self.reminder, self.reports.due()].into_iter().flatten().min()
    }

    async fn due(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let (questions, messages) = self.reports.overdue(now);
        for question in questions {
            self.channel.answer_yes(question, true).await?;
        }
        self.say(messages).await?;
        if self.reminder.take_if(|at| now >= *at).is_none() {
            return Ok(());
        }
        if !self.face.may_act() {
            self.reminder = Some(now + REMINDED_AFTER);
            return Ok(());
        }
        let ui_url = self.ui_url.clone();
        self.make_known(&ui_url).await
    }

    /// Upon this it says what it runs.
    async fn make_known(&mut self, ui_url: &str) -> Result<(), End> {
        let me = self.face.me().clone();
        self.unanswered += 1;
        self.tell(&ToWorker::MasterChanged { master: &me, ui_url }).await
    }

    async fn tell(&mut self, message: &ToWorker<'_>) -> Result<(), End> {
        let payload = self.worker.dialect.order(message);
        Ok(self.channel.tell(WORKER, &self.worker.address, &payload).await?)
    }

    /// WR-08: a worker that is registered nowhere shows why, and ends.
    async fn refuse(&mut self, why: String) -> Result<(), End> {
        self.tell(&ToWorker::RegisterFailed { message: &why }).await?;
        self.channel.goodbye().await;
        Err(End::Over(format!("its registration was refused: {why}")))
    }
}

/// Safe to drop.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// Safe to drop.
async fn came(face: &Face, coming: &mut Coming) -> Next {
    match coming {
        Coming::Asked(session) => Next::Answered(session.told().await),
        Coming::Greeted(term) => {
            face.until_over(term).await;
            Next::Over
        }
        Coming::No => pending().await,
    }
}

/// What is commanded waits for a term that may act: it is in the books. Safe to drop.
async fn told(session: Option<&mut WorkerSession>, may_act: bool) -> Option<MasterToWorker> {
    match session {
        Some(session) if may_act => session.told().await,
        Some(session) => {
            session.until_ended().await;
            None
        }
        None => pending().await,
    }
}
