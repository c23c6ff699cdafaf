//! The masters of a cluster as a program sees them: addresses of which one leads.
//!
//! Every request that only the leader may answer goes through [`Masters::call`]. It asks the master that acted last,
//! else all of them in parallel, follows what standbys say, and goes on until the deadline: a change of leader shows as
//! a longer answer, not as an error. Where the asked one is silent, the others are watched for a successor.

mod list;
mod search;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::transport::Channel;

use tanist_core::ids::DriverId;
use tanist_core::model::LeaderInfo;
use tanist_core::msg::{ClientReply, ClientRequest};
use tanist_proto::convert::endpoint::{LeaderAnswer, LeaderQuestion};
use tanist_proto::convert::state;
use tanist_proto::convert::status::{DriverReport, StatusQuestion};
use tanist_proto::limits::{MAX_MESSAGE_BYTES, MAX_STATE_BYTES};
use tanist_proto::v1;
use tanist_proto::v1::operator_service_client::OperatorServiceClient;

use crate::call::CallName;
use crate::error::ClientError;
use crate::net::{channel, endpoint, lock, reason, status_reason, within};

pub use list::MasterList;
pub(crate) use list::check_address;
use search::Search;

/// Environment variable by which workers tell drivers where the masters are.
pub const MASTERS_VARIABLE: &str = "TANIST_MASTERS";

/// Default deadline of one request over all its tries: longer than the loss of the leader's host costs (lease of 5 s
/// and recovery), with room to spare.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// How long one master may take for one answer before all are asked anew.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// A master that has said nothing for so long may have a successor, and the others are asked for one while the question
/// stands with it. Far above the time of a commit, so that hardly any answer of a leader that is well takes so long; well
/// below that of a change of leader, so that it adds little to it.
const SILENCE: Duration = Duration::from_millis(500);

/// How long one master may take to say who leads: it has that in memory.
const LEADER_DEADLINE: Duration = Duration::from_secs(2);

/// The masters of one cluster. Clones share connections and what is known of the leader.
#[derive(Debug, Clone)]
pub struct Masters {
    list: Arc<MasterList>,
    deadline: Duration,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    channels: BTreeMap<String, Channel>,
    /// Address of the master that acted last.
    leader: Option<String>,
}

impl Masters {
    /// The masters of this list, with [`DEFAULT_DEADLINE`].
    pub fn new(list: MasterList) -> Self {
        Self { list: Arc::new(list), deadline: DEFAULT_DEADLINE, shared: Arc::default() }
    }

    /// The same with another deadline for each request, all its tries included.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How long each request may take, all its tries included.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// As configured.
    pub fn list(&self) -> &MasterList {
        &self.list
    }

    /// Puts a request to the leader, whoever that is by then. Never answers [`ClientReply::NotLeading`].
    ///
    /// After a break, and to a successor of a master that is silent, the request is sent again: whoever asks for something
    /// that must not happen twice gives it a request id. All others are fulfilled by being fulfilled twice while they are
    /// asked: what was to end, to be forgotten or to be decommissioned is so.
    ///
    /// # Errors
    /// [`ClientError::OutcomeUnknown`] if the request alters something and may have, [`ClientError::NoLeader`] if no
    /// leader can have heard of it.
    pub async fn call(&self, request: &ClientRequest) -> Result<ClientReply, ClientError> {
        let search = Search::new(self, request.into());
        search.persist(|| search.ask_leader(request)).await
    }

    /// Where this driver stands, as the leader's published view shows it.
    pub(crate) async fn driver_status(&self, driver: &DriverId) -> Result<DriverReport, ClientError> {
        let (search, question) = (Search::new(self, CallName::DriverStatus), StatusQuestion { driver: driver.clone() });
        search.persist(|| search.ask_status(&question)).await
    }

    /// Who leads, in the leader's own words.
    pub async fn leader(&self) -> Result<LeaderInfo, ClientError> {
        let search = Search::new(self, CallName::GetLeader);
        search.persist(|| search.leader()).await
    }

    /// The published view of the leader; where nobody leads, of the first master that answers (its `role` says so).
    pub async fn state(&self) -> Result<v1::ClusterState, ClientError> {
        let search = Search::new(self, CallName::GetState);
        search.persist(|| search.state()).await
    }

    /// The published view of the master at this address, whatever its role. Asked once.
    pub async fn state_of(&self, address: &str) -> Result<v1::ClusterState, ClientError> {
        let call = CallName::GetState;
        let mut client = OperatorServiceClient::new(self.channel(address)?).max_decoding_message_size(MAX_STATE_BYTES);
        let state = within(ANSWER_DEADLINE, client.get_state(v1::GetStateRequest {})).await.map_err(|status| {
            ClientError::CallRefused { call, address: address.to_owned(), reason: status_reason(&status) }
        })?;
        state::check(&state).map_err(|error| ClientError::BadAnswer {
            call,
            address: address.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(state)
    }

    /// What each configured master says of itself, in their order; `Err` = why it says nothing. Asked once.
    pub async fn survey(&self) -> Vec<(String, Result<LeaderAnswer, String>)> {
        let ask = async |address: &String| (address.clone(), self.ask_who_leads(address).await);
        futures_util::future::join_all(self.list.addresses().iter().map(ask)).await
    }

    /// The question that any master answers, whatever its role. `Err` = why there is no answer.
    pub(crate) async fn ask_who_leads(&self, address: &str) -> Result<LeaderAnswer, String> {
        let channel = self.channel(address).map_err(|error| error.to_string())?;
        let mut client = OperatorServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        match within(LEADER_DEADLINE, client.get_leader(v1::GetLeaderRequest {})).await {
            Ok(answer) => LeaderAnswer::try_from(answer).map_err(|error| format!("answered nonsense: {error}")),
            Err(status) => Err(status_reason(&status)),
        }
    }

    /// The question that any master answers once it knows of a leader above a term. `Err` = why there is no answer.
    pub(crate) async fn await_leader(&self, address: &str, question: &LeaderQuestion) -> Result<LeaderInfo, String> {
        let channel = self.channel(address).map_err(|error| error.to_string())?;
        let question = v1::AwaitLeaderRequest::from(question);
        match OperatorServiceClient::new(channel).await_leader(question).await {
            Ok(answer) => {
                LeaderInfo::try_from(answer.into_inner()).map_err(|error| format!("answered nonsense: {error}"))
            }
            Err(status) => Err(status_reason(&status)),
        }
    }

    /// The connection to this master. It is opened when it is first used, and again when it broke.
    pub(crate) fn channel(&self, address: &str) -> Result<Channel, ClientError> {
        let mut shared = lock(&self.shared);
        if let Some(open) = shared.channels.get(address) {
            return Ok(open.clone());
        }
        let opened = channel(address)?;
        shared.channels.insert(address.to_owned(), opened.clone());
        Ok(opened)
    }

    /// Nothing comes of the connection to this master: the next one is a new one.
    pub(crate) fn forget(&self, address: &str) {
        lock(&self.shared).channels.remove(address);
    }

    /// Opens a connection now, for later calls too. `Err` = why there is none.
    async fn connect(&self, address: &str) -> Result<(), String> {
        let endpoint = endpoint(address).map_err(|error| error.to_string())?;
        let opened = endpoint.connect().await.map_err(|error| reason(&error))?;
        lock(&self.shared).channels.insert(address.to_owned(), opened);
        Ok(())
    }

    fn last_leader(&self) -> Option<String> {
        lock(&self.shared).leader.clone()
    }

    fn remember_leader(&self, address: Option<&str>) {
        lock(&self.shared).leader = address.map(ToOwned::to_owned);
    }
}
