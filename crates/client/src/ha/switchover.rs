//! One switchover: asked for once, watched from here until somebody leads who did not before.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Status;

use tanist_core::ids::MasterId;
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_proto::convert::endpoint::LeaderAnswer;
use tanist_proto::v1;
use tanist_proto::v1::switchover_reply::Answer;

use super::HaClient;
use crate::call::CallName;
use crate::error::{Attempts, ClientError};
use crate::net::{is_passing, may_have_acted, never_sent, status_reason, within};

/// What is asked, as it is named in errors.
const CALL: CallName = CallName::Switchover;

/// How long the leader may take to leave: it ends what is under way, and writes to a store that may be changing its own
/// leader.
const LEAVE_DEADLINE: Duration = Duration::from_secs(10);

/// Pause between two questions to one master while the office changes hands: as long as a quick change takes.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How the office changed hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switchover {
    /// Who led; `None` = the target led already, and nothing was changed.
    pub from: Option<LeaderInfo>,
    /// Who leads.
    pub to: LeaderInfo,
    /// In which role: recovering, or alive.
    pub role: MasterRole,
    /// From the last time the old leader was seen leading to the first time the new one was, as seen from here. No shorter
    /// than it was.
    pub gap: Duration,
}

/// See [`HaClient::switchover`].
pub(super) async fn hand_over(
    client: &HaClient,
    target: Option<&MasterId>,
    why: &str,
) -> Result<Switchover, ClientError> {
    let deadline = Instant::now() + client.masters().deadline();
    loop {
        let from = client.masters().leader().await?;
        if target == Some(&from.master) {
            return Ok(Switchover { from: None, to: from, role: MasterRole::Alive, gap: Duration::ZERO });
        }
        let addresses = addresses(client, &from, target).await?;
        let mut watch = Watch::new(client, from, deadline);
        match watch.run(&addresses, target, why).await? {
            Some(done) => return Ok(done),
            // It was not heard, or heard by somebody who does not lead any more: who does?
            None if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            None => return Err(watch.nobody_acted()),
        }
    }
}

/// Whom to watch: the configured masters, the members they know of, and the leader.
///
/// # Errors
/// If the target is not among the members.
async fn addresses(
    client: &HaClient,
    leader: &LeaderInfo,
    target: Option<&MasterId>,
) -> Result<Vec<String>, ClientError> {
    let survey = client.survey(0).await;
    let answers = || survey.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    let members = answers().filter(|answer| answer.incomplete.is_none()).map(|answer| &answer.members);
    let members: &[v1::Member] = members.max_by_key(|members| members.len()).map_or(&[], Vec::as_slice);
    if let Some(target) = target
        && !members.is_empty()
        && !members.iter().any(|member| member.master_id == target.as_str())
    {
        let members = members.iter().map(|member| member.master_id.clone()).collect();
        return Err(ClientError::UnknownMaster { master: target.clone(), members });
    }
    let mut all: Vec<String> = client.masters().list().addresses().to_vec();
    all.extend(members.iter().map(|member| member.address.clone()));
    all.push(leader.address.clone());
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|address| seen.insert(address.clone()));
    Ok(all)
}

/// The watch over one handing over.
struct Watch<'a> {
    client: &'a HaClient,
    from: LeaderInfo,
    deadline: Instant,
    attempts: Attempts,
    /// When the old leader was last asked and led.
    led_at: Instant,
    progress: Progress,
}

/// What is known of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It is under way.
    Asked,
    /// The leader says that it has left.
    Left,
    /// No answer, although it may have been heard.
    InDoubt,
}

impl<'a> Watch<'a> {
    fn new(client: &'a HaClient, from: LeaderInfo, deadline: Instant) -> Self {
        let (attempts, led_at) = (Attempts::default(), Instant::now());
        Self { client, from, deadline, attempts, led_at, progress: Progress::Asked }
    }

    /// Asks the leader, and watches all masters until one leads in a later term. `None` = nobody has acted on it.
    async fn run(
        &mut self,
        addresses: &[String],
        target: Option<&MasterId>,
        why: &str,
    ) -> Result<Option<Switchover>, ClientError> {
        let masters = self.client.masters();
        let look = async |address: &'_ String, pause: Duration| {
            sleep(pause).await;
            let asked = Instant::now();
            (address.clone(), asked, masters.ask_who_leads(address).await)
        };
        let mut looks: FuturesUnordered<_> = addresses.iter().map(|address| look(address, Duration::ZERO)).collect();
        let target = target.map(ToString::to_string).unwrap_or_default();
        let request = v1::SwitchoverRequest { target, why: why.to_owned() };
        let mut leader = self.client.client(&self.from.address)?;
        let mut call = std::pin::pin!(within(LEAVE_DEADLINE, leader.switchover(request)));
        loop {
            tokio::select! {
                biased;
                // What the leader says decides what the rest is waited for.
                answer = &mut call, if self.progress == Progress::Asked => {
                    if !self.hear(answer)? {
                        return Ok(None);
                    }
                }
                Some((address, asked, answer)) = looks.next() => {
                    if let Some(done) = self.see(&address, asked, answer) {
                        return Ok(Some(done));
                    }
                    if let Some(address) = addresses.iter().find(|known| **known == address) {
                        looks.push(look(address, LOOK_EVERY));
                    }
                }
                () = sleep_until(self.deadline) => return Err(self.time_is_up()),
            }
        }
    }

    /// The leader's answer. False = it did not act, and somebody else may.
    fn hear(&mut self, answer: Result<v1::SwitchoverReply, Status>) -> Result<bool, ClientError> {
        let address = self.from.address.clone();
        let reply = match answer {
            Ok(reply) => reply,
            Err(status) if may_have_acted(&status) => {
                self.attempts.note(&address, status_reason(&status));
                self.progress = Progress::InDoubt;
                return Ok(true);
            }
            Err(status) if never_sent(&status) || is_passing(status.code()) => {
                self.attempts.note(&address, status_reason(&status));
                return Ok(false);
            }
            Err(status) => {
                return Err(ClientError::CallRefused { call: CALL, address, reason: status_reason(&status) });
            }
        };
        match reply.answer {
            Some(Answer::SteppedDown(_)) => {
                self.progress = Progress::Left;
                Ok(true)
            }
            Some(Answer::NotLeading(_)) => {
                self.attempts.note(&address, "does not lead any more".to_owned());
                Ok(false)
            }
            Some(Answer::Refused(reason)) => {
                Err(ClientError::SwitchoverRefused { leader: self.from.master.clone(), reason })
            }
            None => Err(ClientError::BadAnswer { call: CALL, address, reason: "answer is missing".to_owned() }),
        }
    }

    /// What one master says of itself; the end, if it leads in a later term.
    fn see(&mut self, address: &str, asked: Instant, answer: Result<LeaderAnswer, String>) -> Option<Switchover> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                self.attempts.note(address, reason);
                return None;
            }
        };
        self.attempts.note(address, answer.role.name().to_lowercase());
        let leader = answer.leader.filter(|_| answer.role.leads())?;
        if leader.term == self.from.term {
            self.led_at = self.led_at.max(asked);
        }
        (leader.term.rank() > self.from.term.rank()).then(|| Switchover {
            from: Some(self.from.clone()),
            to: leader,
            role: answer.role,
            gap: self.led_at.elapsed(),
        })
    }

    fn time_is_up(&self) -> ClientError {
        let (attempts, deadline) = (self.attempts.clone(), self.client.masters().deadline());
        match self.progress {
            Progress::Left => ClientError::NoSuccessor { from: self.from.master.clone(), deadline, attempts },
            Progress::Asked | Progress::InDoubt => ClientError::OutcomeUnknown { call: CALL, attempts },
        }
    }

    fn nobody_acted(&self) -> ClientError {
        let (attempts, deadline) = (self.attempts.clone(), self.client.masters().deadline());
        ClientError::NoLeader { call: CALL, deadline, attempts }
    }
}
