//! The office as operators see and change it: who leads, who could, handing it over, pausing failover.
//!
//! Unlike requests to the cluster, these are put to masters as they are: every one of them is asked, and what each says is
//! told apart.

mod switchover;

use std::sync::Mutex;
use std::time::Duration;

use tonic::Code;
use tonic::transport::Channel;

use tanist_core::ids::MasterId;
use tanist_core::time::millis;
use tanist_proto::limits::MAX_MESSAGE_BYTES;
use tanist_proto::v1;
use tanist_proto::v1::ha_service_client::HaServiceClient;

use crate::call::CallName;
use crate::error::{Attempts, ClientError};
use crate::masters::{ANSWER_DEADLINE, Masters};
use crate::net::{is_passing, lock, may_have_acted, status_reason, within};
use crate::retry;

pub use switchover::Switchover;
pub use tanist_proto::limits::{LONGEST_PAUSE, MAX_BY_BYTES, MAX_WHY_BYTES, SHORTEST_PAUSE};

/// Asks masters about the office, and has it changed.
#[derive(Debug, Clone)]
pub struct HaClient {
    masters: Masters,
}

impl HaClient {
    /// Of these masters.
    pub fn new(masters: Masters) -> Self {
        Self { masters }
    }

    /// The masters it asks.
    pub fn masters(&self) -> &Masters {
        &self.masters
    }

    /// What each configured master knows, in their order, with at most so many terms of the history; `Err` = why it says
    /// nothing. All are asked at once, each one time.
    pub async fn survey(&self, history_limit: u32) -> Vec<(String, Result<v1::HaReply, String>)> {
        let ask = async |address: &String| (address.clone(), self.ask(address, history_limit).await);
        futures_util::future::join_all(self.masters.list().addresses().iter().map(ask)).await
    }

    /// The same of the master at this address, whether it is configured or not.
    ///
    /// # Errors
    /// Why it says nothing, for people.
    pub async fn ask(&self, address: &str, history_limit: u32) -> Result<v1::HaReply, String> {
        let mut client = self.client(address).map_err(|error| error.to_string())?;
        let deadline = ANSWER_DEADLINE.min(self.masters.deadline());
        let reply = within(deadline, client.get_ha(v1::GetHaRequest { history_limit })).await;
        let reply = reply.map_err(|status| match status.code() {
            Code::Unimplemented => "it does not know this question: no master, or one of another version".to_owned(),
            _ => status_reason(&status),
        })?;
        check(&reply).map_err(|why| format!("answered nonsense: {why}"))?;
        Ok(reply)
    }

    /// Hands the office to this master, or to whoever is first, and waits until somebody leads who did not before. Asks for
    /// it once: what may have been heard is not repeated.
    ///
    /// # Errors
    /// [`ClientError::NoLeader`] if there is nobody to ask, [`ClientError::UnknownMaster`] and
    /// [`ClientError::SwitchoverRefused`] if nothing was changed, [`ClientError::NoSuccessor`] if nobody leads in time,
    /// [`ClientError::OutcomeUnknown`] if the leader was asked, did not answer, and is not known to have left.
    pub async fn switchover(&self, target: Option<&MasterId>, why: &str) -> Result<Switchover, ClientError> {
        switchover::hand_over(self, target, why).await
    }

    /// Pauses failover for so long, [`SHORTEST_PAUSE`] to [`LONGEST_PAUSE`], and says what is stored then. Any master that
    /// reaches the store does it; a second pause replaces the first.
    ///
    /// # Errors
    /// [`ClientError::Declined`] where nobody would look at a pause; otherwise as for any request that alters something.
    pub async fn pause(&self, by: &str, why: &str, length: Duration) -> Result<v1::FailoverPause, ClientError> {
        let call = CallName::PauseFailover;
        let for_ms = millis(length);
        let request = v1::PauseFailoverRequest { by: by.to_owned(), why: why.to_owned(), for_ms };
        let ask = async |mut client: HaServiceClient<Channel>| {
            within(ANSWER_DEADLINE, client.pause_failover(request.clone())).await
        };
        let (address, reply) = self.anybody(call, ask).await?;
        let reason = "pause is missing".to_owned();
        reply.pause.ok_or(ClientError::BadAnswer { call, address, reason })
    }

    /// Ends the pause; says whether there was one.
    ///
    /// # Errors
    /// As for any request that alters something.
    pub async fn resume(&self) -> Result<bool, ClientError> {
        let ask = async |mut client: HaServiceClient<Channel>| {
            within(ANSWER_DEADLINE, client.resume_failover(v1::ResumeFailoverRequest {})).await
        };
        Ok(self.anybody(CallName::ResumeFailover, ask).await?.1.was_paused)
    }

    /// One master after the other, and round again until the deadline, until one has done it: doing it twice does no harm.
    async fn anybody<T>(
        &self,
        call: CallName,
        ask: impl AsyncFn(HaServiceClient<Channel>) -> Result<T, tonic::Status>,
    ) -> Result<(String, T), ClientError> {
        let deadline = self.masters.deadline();
        let tried = Mutex::new(Tried::default());
        let round = || async {
            for address in self.masters.list().addresses() {
                let client = self.client(address).map_err(backoff::Error::permanent)?;
                let status = match ask(client).await {
                    Ok(reply) => return Ok((address.clone(), reply)),
                    Err(status) => status,
                };
                let (passing, reason) = (is_passing(status.code()), status_reason(&status));
                let mut tried = lock(&tried);
                tried.in_doubt |= may_have_acted(&status);
                if !passing && !tried.in_doubt {
                    let address = address.clone();
                    return Err(backoff::Error::permanent(match status.code() {
                        Code::FailedPrecondition => ClientError::Declined { call, address, reason },
                        _ => ClientError::CallRefused { call, address, reason },
                    }));
                }
                tried.attempts.note(address, reason);
            }
            let Tried { attempts, in_doubt } = lock(&tried).clone();
            Err(backoff::Error::transient(if in_doubt {
                ClientError::OutcomeUnknown { call, attempts }
            } else {
                ClientError::NoLeader { call, deadline, attempts }
            }))
        };
        retry::until(deadline, round).await
    }

    fn client(&self, address: &str) -> Result<HaServiceClient<Channel>, ClientError> {
        Ok(HaServiceClient::new(self.masters.channel(address)?).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }
}

/// What came of asking one master after the other.
#[derive(Debug, Clone, Default)]
struct Tried {
    attempts: Attempts,
    /// One of them was sent the request and has not conclusively turned it away.
    in_doubt: bool,
}

/// What readers rely on; the rest is for people.
fn check(reply: &v1::HaReply) -> Result<(), String> {
    MasterId::new(&reply.master_id).map_err(|error| error.to_string())?;
    match v1::MasterRole::try_from(reply.role) {
        Ok(v1::MasterRole::Unspecified) | Err(_) => Err(format!("role {} is none", reply.role)),
        Ok(_) => Ok(()),
    }
}
