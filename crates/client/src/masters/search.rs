//! One request on its way to the leader: tries, hints, and the record of what each master said.
//!
//! Here it is also decided whether a request that alters something may have taken effect although nobody said so: it
//! may as soon as one master was sent it and did not conclusively turn it away.

use std::pin::pin;
use std::sync::Mutex;

use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt};
use tokio::time::{sleep, timeout};
use tonic::Status;

use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::msg::{ClientReply, ClientRequest, NotLeading};
use tanist_proto::convert::endpoint::LeaderAnswer;
use tanist_proto::convert::status::{DriverReport, StatusAnswer, StatusQuestion};
use tanist_proto::convert::{Call, DecodeError};
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::operator_service_client::OperatorServiceClient;
use tanist_proto::v1::submission_service_client::SubmissionServiceClient;

use super::{ANSWER_DEADLINE, Masters, SILENCE};
use crate::call::CallName;
use crate::error::{Attempts, ClientError};
use crate::net::{is_passing, lock, may_have_acted, status_reason, within};
use crate::retry;

/// How often in a row a standby's word about the leader is followed before all masters are asked anew.
const HINTS_FOLLOWED: usize = 3;

/// One try: what came of it, and whether another one may help.
type Tried<T> = Result<T, backoff::Error<ClientError>>;

/// One request with what came of its tries so far.
pub(super) struct Search<'a> {
    masters: &'a Masters,
    call: CallName,
    record: Mutex<Record>,
}

/// What came of the tries so far.
#[derive(Default)]
struct Record {
    attempts: Attempts,
    /// A master was sent the request and has not conclusively turned it away. Never taken back.
    in_doubt: bool,
}

/// A master has been sent the request and has not answered yet. Whoever gives it up leaves what comes of it in doubt.
struct UnderWay<'a> {
    search: &'a Search<'a>,
    address: &'a str,
    is_answered: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.search.doubt();
            self.search.note(self.address, "no answer when the time was up".to_owned());
        }
    }
}

/// Why one try at one master came to nothing.
enum Failure {
    /// Perhaps later, perhaps elsewhere.
    Passing(String),
    /// Wherever and however often it is asked.
    Final(ClientError),
}

/// No other master leads, as far as can be seen.
struct NobodyElse;

/// What one master says to a request: the answer of a leader, where a standby sends us, or nothing of use.
type Answer<T> = Result<Result<T, NotLeading>, Failure>;

impl<'a> Search<'a> {
    pub(super) fn new(masters: &'a Masters, call: CallName) -> Self {
        Self { masters, call, record: Mutex::default() }
    }

    /// Tries until the deadline. The last try may be under way as it passes: it is cut off then.
    pub(super) async fn persist<T, F, Fut>(&self, ask: F) -> Result<T, ClientError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Tried<T>>,
    {
        let deadline = self.masters.deadline;
        let outcome = timeout(deadline, retry::until(deadline, ask)).await;
        outcome.unwrap_or_else(|_| Err(self.unanswered()))
    }

    /// One try to have the request answered by the leader.
    pub(super) async fn ask_leader(&self, request: &ClientRequest) -> Tried<ClientReply> {
        let ask = |address: String| async move {
            // Boxed: the states of all calls together are too large to be handed around.
            match Box::pin(self.ask(&address, request)).await? {
                ClientReply::NotLeading(answer) => Ok(Err(answer)),
                reply => Ok(Ok(reply)),
            }
        };
        self.at_the_leader(ask).await
    }

    /// One try to read of the leader where a driver stands.
    pub(super) async fn ask_status(&self, question: &StatusQuestion) -> Tried<DriverReport> {
        let ask = |address: String| async move {
            let channel = self.masters.channel(&address).map_err(Failure::Final)?;
            let mut client = SubmissionServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
            match Box::pin(self.reply(&address, client.driver_status(v1::DriverStatusRequest::from(question)))).await? {
                StatusAnswer::Report(report) => Ok(Ok(report)),
                StatusAnswer::NotLeading(answer) => Ok(Err(answer)),
            }
        };
        self.at_the_leader(ask).await
    }

    /// One try of a call at the leader, or where a standby says that it is.
    async fn at_the_leader<T, F>(&self, ask: impl Fn(String) -> F) -> Tried<T>
    where
        F: Future<Output = Answer<T>>,
    {
        let known = self.masters.last_leader();
        let Some(mut address) = (match known {
            Some(address) => Some(address),
            None => self.find().await.map(|(address, _)| address),
        }) else {
            return Err(self.passing());
        };
        for _ in 0..HINTS_FOLLOWED {
            // Boxed, as what it waits for.
            let (answering, answer) = Box::pin(self.answer_of(&address, &ask)).await;
            address = answering;
            let hint = match answer {
                Ok(Ok(reply)) => {
                    self.masters.remember_leader(Some(&address));
                    return Ok(reply);
                }
                Ok(Err(NotLeading { role, leader })) => {
                    self.note(&address, standing(role, leader.as_ref()));
                    leader
                }
                Err(Failure::Final(error)) => {
                    return Err(backoff::Error::permanent(self.unless_in_doubt(&address, error)));
                }
                Err(Failure::Passing(reason)) => {
                    self.note(&address, reason);
                    None
                }
            };
            self.masters.remember_leader(None);
            match hint.map(|leader| leader.address).filter(|hinted| *hinted != address) {
                Some(hinted) => address = hinted,
                None => break,
            }
        }
        Err(self.passing())
    }

    /// What this master answers, or another one that leads by now while this one is silent: it may have been paused, or
    /// cut off, and a successor may have come. The question stands with the silent one all the time, because it may
    /// only be slow. Two masters at a time are asked at most.
    async fn answer_of<T, F>(&self, address: &str, ask: &impl Fn(String) -> F) -> (String, Answer<T>)
    where
        F: Future<Output = Answer<T>>,
    {
        let first = pin!(ask(address.to_owned()));
        let instead = pin!(async {
            sleep(SILENCE).await;
            retry::until(ANSWER_DEADLINE, || self.ask_instead_of(address, ask)).await
        });
        match select(first, instead).await {
            Either::Left((answer, _)) => (address.to_owned(), answer),
            Either::Right((Ok((leader, answer)), _)) => (leader, answer),
            Either::Right((Err(NobodyElse), first)) => (address.to_owned(), first.await),
        }
    }

    /// One try to have the request answered by another master than the silent one. Only the word of a leader counts:
    /// what standbys believe is what has led to the silent one.
    async fn ask_instead_of<T, F>(
        &self,
        silent: &str,
        ask: &impl Fn(String) -> F,
    ) -> Result<(String, Answer<T>), backoff::Error<NobodyElse>>
    where
        F: Future<Output = Answer<T>>,
    {
        let nobody = || backoff::Error::transient(NobodyElse);
        let found = timeout(SILENCE, self.other_leader(silent)).await;
        let leader = found.ok().flatten().ok_or_else(nobody)?;
        match ask(leader.clone()).await {
            answer @ (Ok(Ok(_)) | Err(Failure::Final(_))) => Ok((leader, answer)),
            Ok(Err(NotLeading { role, leader: named })) => {
                self.note(&leader, standing(role, named.as_ref()));
                Err(nobody())
            }
            Err(Failure::Passing(reason)) => {
                self.note(&leader, reason);
                Err(nobody())
            }
        }
    }

    /// The first other master that says of itself that it leads.
    async fn other_leader(&self, silent: &str) -> Option<String> {
        let mut answers = self.survey(|address| address != silent);
        while let Some((address, answer)) = answers.next().await {
            if answer.is_ok_and(|answer| answer.role.leads()) {
                return Some(address.to_owned());
            }
        }
        None
    }

    /// One try to learn who leads.
    pub(super) async fn leader(&self) -> Tried<LeaderInfo> {
        let Some((address, told)) = self.find().await else { return Err(self.passing()) };
        if let Some(leader) = told {
            return Ok(leader);
        }
        // Only named by a standby: the leader itself has the last word.
        match self.masters.ask_who_leads(&address).await {
            Ok(answer) if answer.role.leads() => answer.leader.ok_or_else(|| self.passing()),
            Ok(answer) => {
                self.note(&address, standing(answer.role, answer.leader.as_ref()));
                Err(self.passing())
            }
            Err(reason) => {
                self.note(&address, reason);
                Err(self.passing())
            }
        }
    }

    /// One try to have a view: the leader's, else anybody's.
    pub(super) async fn state(&self) -> Tried<v1::ClusterState> {
        let leader = self.find().await.map(|(address, _)| address);
        for address in leader.iter().chain(self.masters.list.addresses()) {
            match self.masters.state_of(address).await {
                Ok(state) => return Ok(state),
                Err(error) => self.note(address, reason_of(error)),
            }
        }
        Err(self.passing())
    }

    /// Asks those of the masters who leads, all at once.
    fn survey(
        &self,
        whom: impl Fn(&str) -> bool,
    ) -> impl Stream<Item = (&'a str, Result<LeaderAnswer, String>)> + Unpin {
        let masters = self.masters;
        let ask = |address: &'a str| async move { (address, masters.ask_who_leads(address).await) };
        let asked = masters.list.addresses().iter().map(String::as_str).filter(|address| whom(address));
        asked.map(ask).collect::<FuturesUnordered<_>>()
    }

    /// Asks all masters: the first that leads with what it says of itself, else the one named with the highest term. Who
    /// is silent is not waited for once somebody is named.
    async fn find(&self) -> Option<(String, Option<LeaderInfo>)> {
        let mut answers = self.survey(|_| true);
        let mut silence = pin!(sleep(SILENCE));
        let mut named: Option<LeaderInfo> = None;
        loop {
            let (address, answer) = tokio::select! {
                biased;
                answer = answers.next() => match answer {
                    Some(answer) => answer,
                    None => break,
                },
                () = &mut silence, if named.is_some() => break,
            };
            match answer {
                Ok(answer) if answer.role.leads() => return Some((address.to_owned(), answer.leader)),
                Ok(answer) => {
                    self.note(address, standing(answer.role, answer.leader.as_ref()));
                    named = named.into_iter().chain(answer.leader).max_by_key(|leader| leader.term.rank());
                }
                Err(reason) => self.note(address, reason),
            }
        }
        named.map(|leader| (leader.address, None))
    }

    async fn ask(&self, address: &str, request: &ClientRequest) -> Result<ClientReply, Failure> {
        // Connected before anything is sent: what is cut off up to here has not been heard.
        let is_new = self.call.alters() && self.masters.last_leader().as_deref() != Some(address);
        if is_new {
            self.masters.connect(address).await.map_err(Failure::Passing)?;
        }
        let channel = self.masters.channel(address).map_err(Failure::Final)?;
        let mut submission = SubmissionServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut operator = OperatorServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        match Call::from(request) {
            Call::SubmitDriver(request) => self.reply(address, submission.submit_driver(*request)).await,
            Call::KillDriver(request) => self.reply(address, submission.kill_driver(request)).await,
            Call::KillAllDrivers(request) => self.reply(address, submission.kill_all_drivers(request)).await,
            Call::ClearCompleted(request) => self.reply(address, submission.clear_completed(request)).await,
            Call::Ready(request) => self.reply(address, submission.ready(request)).await,
            Call::KillApplication(request) => self.reply(address, operator.kill_application(request)).await,
            Call::DecommissionHosts(request) => self.reply(address, operator.decommission_hosts(request)).await,
        }
    }

    async fn reply<W, T>(
        &self,
        address: &str,
        call: impl Future<Output = Result<tonic::Response<W>, Status>>,
    ) -> Result<T, Failure>
    where
        T: TryFrom<W, Error = DecodeError>,
    {
        let (call_name, address_text) = (self.call, address.to_owned());
        let mut under_way = UnderWay { search: self, address, is_answered: false };
        let answer = within(ANSWER_DEADLINE, call).await;
        under_way.is_answered = true;
        if answer.as_ref().is_err_and(may_have_acted) {
            self.doubt();
        }
        let reply = match answer {
            Ok(reply) => reply,
            Err(status) if is_passing(status.code()) => return Err(Failure::Passing(status_reason(&status))),
            Err(status) => {
                let reason = status_reason(&status);
                let error = ClientError::CallRefused { call: call_name, address: address_text, reason };
                return Err(Failure::Final(error));
            }
        };
        T::try_from(reply).map_err(|error| {
            self.doubt();
            let reason = error.to_string();
            Failure::Final(ClientError::BadAnswer { call: call_name, address: address_text, reason })
        })
    }

    fn note(&self, address: &str, outcome: String) {
        tracing::debug!(call = %self.call, master = address, outcome, "master did not act");
        lock(&self.record).attempts.note(address, outcome);
    }

    /// From here on nobody can say that the request had no effect, if it is one that has effects.
    fn doubt(&self) {
        lock(&self.record).in_doubt |= self.call.alters();
    }

    /// An error that ends the search says nothing of what an earlier try may have done.
    fn unless_in_doubt(&self, address: &str, error: ClientError) -> ClientError {
        if !lock(&self.record).in_doubt {
            return error;
        }
        self.note(address, reason_of(error));
        self.unanswered()
    }

    /// What is known when no leader has answered.
    fn unanswered(&self) -> ClientError {
        let (call, record) = (self.call, lock(&self.record));
        let attempts = record.attempts.clone();
        if record.in_doubt {
            ClientError::OutcomeUnknown { call, attempts }
        } else {
            ClientError::NoLeader { call, deadline: self.masters.deadline, attempts }
        }
    }

    fn passing(&self) -> backoff::Error<ClientError> {
        backoff::Error::transient(self.unanswered())
    }
}

/// `standby, no leader known`
fn standing(role: MasterRole, leader: Option<&LeaderInfo>) -> String {
    let role = role.name().to_lowercase();
    match leader {
        None => format!("{role}, no leader known"),
        Some(leader) => format!("{role}, says that {} leads", leader.address),
    }
}

/// The cause alone: the address stands before it already.
fn reason_of(error: ClientError) -> String {
    match error {
        ClientError::CallRefused { reason, .. } | ClientError::BadAnswer { reason, .. } => reason,
        other => other.to_string(),
    }
}
