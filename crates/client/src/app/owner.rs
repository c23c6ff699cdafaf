//! The task that owns the machine: feeds it one event at a time and carries out what it wants.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::DropGuard;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use tanist_core::app::{AppClient, AppConfig, Effect, Event, Notice, Timer};
use tanist_core::ids::{ExecutorId, ProfileId, Term};
use tanist_core::model::{LeaderInfo, ResourceProfile};
use tanist_core::time::Mono;
use tanist_core::tracking::{self, LinkId};
use tanist_proto::convert::endpoint::{Identity, LeaderQuestion};
use tanist_proto::v1;

use super::Standing;
use super::link::Link;
use crate::clock;
use crate::masters::Masters;

/// Everything that can come in.
#[derive(Debug)]
pub(super) enum Input {
    /// From a link.
    Happened(Event),
    /// From our own endpoint; the answer is the highest term heard of.
    LeaderNotice { leader: LeaderInfo, reply: oneshot::Sender<Option<Term>> },
    /// From the program.
    RequestExecutors { profiles: Vec<ResourceProfile>, targets: BTreeMap<ProfileId, u32>, reply: oneshot::Sender<bool> },
    /// From the program.
    KillExecutors { executors: Vec<ExecutorId>, reply: oneshot::Sender<bool> },
    /// From the program.
    Stop,
}

/// See the module.
pub(super) struct Owner {
    machine: AppClient,
    masters: Masters,
    inbox: mpsc::Sender<Input>,
    standing: watch::Sender<Standing>,
    notices: mpsc::Sender<Notice>,
    links: BTreeMap<LinkId, Link>,
    timers: BinaryHeap<Reverse<(Mono, Timer)>>,
    /// Open questions who leads, by address.
    questions: BTreeMap<String, AbortOnDropHandle<()>>,
    replies: BTreeMap<u64, oneshot::Sender<bool>>,
    next_request: u64,
    over: bool,
}

impl Owner {
    pub(super) fn new(
        config: AppConfig,
        masters: Masters,
        inbox: mpsc::Sender<Input>,
        (standing, notices): (watch::Sender<Standing>, mpsc::Sender<Notice>),
    ) -> Self {
        let (seed, _) = Uuid::new_v4().as_u64_pair();
        Self {
            machine: AppClient::new(config, seed),
            masters,
            inbox,
            standing,
            notices,
            links: BTreeMap::new(),
            timers: BinaryHeap::new(),
            questions: BTreeMap::new(),
            replies: BTreeMap::new(),
            next_request: 0,
            over: false,
        }
    }

    /// Runs until the machine is done; then the endpoint closes, and the listener is given time for what it was told.
    pub(super) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        endpoint: DropGuard,
        notifier: JoinHandle<()>,
    ) {
        let mut notifier = AbortOnDropHandle::new(notifier);
        self.feed(Event::Start).await;
        while !self.over {
            let wait = self.timers.peek().map(|Reverse((at, _))| *at - clock::mono());
            tokio::select! {
                biased;
                // Timers first: a busy inbox must not put off a heartbeat.
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => self.ring().await,
                input = inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => return,
                },
                // A listener that is gone hears nothing any more: the application ends in order.
                _ = &mut notifier => {
                    self.feed(Event::Stop).await;
                    self.end("its listener has ended");
                    return;
                }
            }
        }
        drop((self.notices, self.links, endpoint));
        // Panicked or not: it has ended.
        let _: Result<(), _> = (&mut notifier).await;
    }

    async fn ring(&mut self) {
        let now = clock::mono();
        let next = self.timers.peek_mut().filter(|next| next.0.0 <= now).map(PeekMut::pop);
        if let Some(Reverse((_, timer))) = next {
            self.feed(Event::Timer(timer)).await;
        }
    }

    async fn take(&mut self, input: Input) {
        match input {
            Input::Happened(event) => {
                if let Event::LinkClosed { link } = &event {
                    self.links.remove(link);
                }
                self.feed(event).await;
            }
            Input::LeaderNotice { leader, reply } => {
                self.feed(Event::LeaderNotice(leader)).await;
                // Whoever asked may have gone.
                let _: Result<(), _> = reply.send(self.machine.heard().cloned());
            }
            Input::RequestExecutors { profiles, targets, reply } => {
                let request = self.expect(reply);
                self.feed(Event::RequestExecutors { request, profiles, targets }).await;
            }
            Input::KillExecutors { executors, reply } => {
                let request = self.expect(reply);
                self.feed(Event::KillExecutors { request, executors }).await;
            }
            Input::Stop => self.feed(Event::Stop).await,
        }
    }

    fn expect(&mut self, reply: oneshot::Sender<bool>) -> u64 {
        self.next_request += 1;
        self.replies.insert(self.next_request, reply);
        self.next_request
    }

    async fn feed(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.machine.handle(clock::now(), event, &mut effects);
        for effect in effects {
            self.carry_out(effect).await;
        }
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Track(tracking::Effect::Connect { link, address }) => {
                self.links.insert(link, Link::open(link, address, self.masters.clone(), self.inbox.clone()));
            }
            Effect::Track(tracking::Effect::Disconnect { link }) => {
                self.links.remove(&link);
            }
            Effect::Track(tracking::Effect::AskLeader { address, above }) => self.ask_leader(address, above),
            Effect::Send { link, message } => self.say(link, &v1::AppToMaster::from(&message)),
            Effect::Tell(notice) => self.tell(notice).await,
            Effect::Answer { request, accepted } => {
                if let Some(reply) = self.replies.remove(&request) {
                    // Whoever asked may have gone.
                    let _: Result<(), _> = reply.send(accepted);
                }
            }
            Effect::Arm { timer, at } => self.timers.push(Reverse((at, timer))),
            Effect::Warn(trouble) => tracing::warn!(%trouble, "trouble with a master"),
            Effect::Ended => {
                self.over = true;
                self.end("Application has been stopped.");
            }
        }
    }

    /// Publishes the end, unless it is known why already.
    fn end(&self, why: &str) {
        self.standing.send_if_modified(|standing| {
            let news = !matches!(standing, Standing::Ended { .. });
            if news {
                *standing = Standing::Ended { why: why.to_owned() };
            }
            news
        });
    }

    /// A master that does not read is cut off; the machine hears of it as of any other end.
    fn say(&mut self, link: LinkId, message: &v1::AppToMaster) {
        let said = self.links.get(&link).is_some_and(|open| open.say(message.clone()));
        if !said && self.links.remove(&link).is_some() {
            let inbox = self.inbox.clone();
            tokio::spawn(async move { inbox.send(Input::Happened(Event::LinkClosed { link })).await });
        }
    }

    /// A question to the same master that is still open stands for this one.
    fn ask_leader(&mut self, address: String, above: Option<Term>) {
        self.questions.retain(|_, question| !question.is_finished());
        if self.questions.contains_key(&address) {
            return;
        }
        let question = LeaderQuestion { above, asker: Identity::App(self.machine.id().cloned()) };
        let (masters, inbox, asked) = (self.masters.clone(), self.inbox.clone(), address.clone());
        let question = tokio::spawn(async move {
            match masters.await_leader(&asked, &question).await {
                // An owner that has ended needs to know nothing.
                Ok(leader) => drop(inbox.send(Input::Happened(Event::LeaderAnswer(leader))).await),
                Err(reason) => tracing::debug!(master = asked, reason, "asked who leads: no answer"),
            }
        });
        self.questions.insert(address, AbortOnDropHandle::new(question));
    }

    async fn tell(&mut self, notice: Notice) {
        let app = || self.machine.id().cloned();
        let standing = match (&notice, app()) {
            (Notice::Connected { app, leader }, _) => {
                tracing::info!(%app, leader = leader.address, term = %leader.term, "registered with the leader");
                Some(Standing::Connected { app: app.clone(), leader: leader.clone() })
            }
            (Notice::Disconnected, Some(app)) => {
                tracing::warn!(%app, "disconnected from the leader; looking for it");
                Some(Standing::Disconnected { app })
            }
            (Notice::Dead { reason }, _) => {
                tracing::warn!(reason, "the application is over");
                Some(Standing::Ended { why: reason.clone() })
            }
            (Notice::ExecutorChanged { executor, state }, _) => {
                tracing::debug!(%executor, %state, "executor changed");
                None
            }
            _ => None,
        };
        if let Some(standing) = standing {
            self.standing.send_replace(standing);
        }
        // A listener that is gone ends the client; see `run`.
        let _: Result<(), _> = self.notices.send(notice).await;
    }
}
