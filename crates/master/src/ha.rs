//! The office as operators see it and change it, from where this master stands: [`HaStatus`] and three orders.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use tanist_core::ids::{AppId, MasterId, Term, WorkerId};
use tanist_core::master::MasterView;
use tanist_core::model::{ApplicationState, LeaderInfo, MasterRole, WorkerState};
use tanist_core::time::{Wall, millis};
use tanist_proto::v1;
use tanist_proto::v1::ha_service_client::HaServiceClient;
use tanist_store::election::HistoryEntry;
use tanist_store::{ElectionError, Intent, IntentChange, MemberRecord, MirrorStatus, Pause, Trouble, clock};

use crate::commit_loop::LeaveOrder;
use crate::connect::{Unreached, connect};
use crate::counts::Counted;
use crate::dial;
use crate::doing::Doing;
use crate::error::{IntentError, LeaveError, with_causes};
use crate::handle::{Input, MasterHandle};

/// The store has this long to tell what only it knows. Without it, everything else is told.
const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// The store has this long to write down what operators want.
const INTENT_DEADLINE: Duration = Duration::from_secs(5);

/// Most workers, and most applications, that are named as missing.
const MOST_MISSING: usize = 100;

/// Everything that one master knows about the office.
#[derive(Debug, Clone)]
pub struct HaStatus {
    /// Its role.
    pub role: MasterRole,
    /// What it does at the moment: one sentence, for people.
    pub doing: String,
    /// Since when it does that.
    pub doing_since: Wall,
    /// The leader as far as known, itself included.
    pub leader: Option<LeaderInfo>,
    /// What is wrong between it and the store; none = nothing.
    pub trouble: Option<Trouble>,
    /// What operators want, without what has expired.
    pub intent: Intent,
    /// Members by id, as far as the store can be asked.
    pub members: Vec<MemberRecord>,
    /// The newest terms, oldest first, as far as the store can be asked.
    pub history: Vec<HistoryEntry>,
    /// Why members or history are missing; none = they are complete.
    pub incomplete: Option<String>,
    /// Who is waited for in a recovery: at most 100.
    pub workers_missing: Vec<WorkerId>,
    /// Who is waited for in a recovery: at most 100.
    pub apps_missing: Vec<AppId>,
    /// When it takes up by itself what is missing; none = nothing is.
    pub recovery_until: Option<Wall>,
    /// Keys that could not be decoded and were put aside.
    pub quarantined: Vec<String>,
    /// Counts since its process started.
    pub counts: Vec<Counted>,
    /// Its copy of the records; none = its store needs none.
    pub mirror: Option<MirrorStatus>,
}

impl MasterHandle {
    /// Everything that this master knows about the office, with so many entries of the history. Answered with or without
    /// a store, in a little more than 2 s at most.
    pub async fn ha(&self, history_limit: usize) -> HaStatus {
        let me = self.me();
        let leads = me.board.leadership().borrow().role != MasterRole::Standby;
        // A standby's view holds nothing that is told here, and a new one may not be due for a moment.
        let view = async { if leads { self.view().await.view } else { me.board.last_view() } };
        let (view, members, history) = tokio::join!(view, self.members(), self.history(history_limit));
        let (leadership, (doing, doing_since)) = (me.board.leadership().borrow().clone(), me.board.doing());
        let told = [("members", members.as_ref().err()), ("history", history.as_ref().err())];
        let incomplete: Vec<String> =
            told.into_iter().filter_map(|(what, why)| Some(format!("{what}: {}", why?))).collect();
        let now = clock::wall();
        let intent = me.election.intent().borrow().clone();
        let (workers_missing, apps_missing) = missing(&view);
        let anybody = (!workers_missing.is_empty(), !apps_missing.is_empty());
        HaStatus {
            role: leadership.role,
            doing: doing.sentence(view.missing, doing_since),
            doing_since,
            leader: leadership.leader,
            trouble: self.trouble(&doing, doing_since),
            intent: Intent {
                pause: intent.paused(now).cloned(),
                handover: intent.handover.filter(|handover| handover.until > now.0),
            },
            members: members.unwrap_or_default(),
            history: history.unwrap_or_default(),
            incomplete: (!incomplete.is_empty()).then(|| incomplete.join("; ")),
            recovery_until: self.recovery_until(&doing, doing_since, anybody),
            workers_missing,
            apps_missing,
            quarantined: view.quarantined.clone(),
            counts: me.board.counts.all(),
            mirror: me.election.mirror(),
        }
    }

    /// What this master does at the moment, in one sentence, and since when. At once: how many a recovery still waits for is
    /// told as of the last published view.
    pub fn doing(&self) -> (String, Wall) {
        let (doing, since) = self.me().board.doing();
        (doing.sentence(self.me().board.last_view().missing, since), since)
    }

    /// Leaves the office, in favour of a target if one is named, and comes back once it is left, with the term that has
    /// ended. What is under way is brought to its end before.
    ///
    /// # Errors
    /// Why it was not left.
    pub async fn leave(&self, target: Option<MasterId>, why: String) -> Result<Term, LeaveError> {
        let me = self.me();
        let leadership = me.board.leadership().borrow().clone();
        if leadership.role == MasterRole::Standby {
            return Err(LeaveError::NotLeading { role: leadership.role, leader: leadership.leader });
        }
        if let Some(pause) = me.election.intent().borrow().paused(clock::wall()) {
            return Err(LeaveError::Paused(pause.clone()));
        }
        if let Some(target) = &target {
            self.check_target(target).await?;
        }
        let (answer, answered) = oneshot::channel();
        self.ask(Input::Leave(LeaveOrder { target, why, answer }), answered).await?
    }

    /// Pauses failover: no master takes the office, and none is deposed, until then.
    ///
    /// # Errors
    /// Why it could not be written down.
    pub async fn pause_failover(&self, by: String, why: String, length: Duration) -> Result<Pause, IntentError> {
        let pause = Pause { by, why, until: (clock::wall() + length).0 };
        self.change_intent(&IntentChange::Pause(pause.clone())).await?;
        tracing::info!(by = pause.by, why = pause.why, until = %Wall(pause.until).civil(), "failover paused");
        Ok(pause)
    }

    /// Ends the pause of failover. Says whether there was one, as far as this master knew.
    ///
    /// # Errors
    /// Why it could not be written down.
    pub async fn resume_failover(&self) -> Result<bool, IntentError> {
        let was_paused = self.me().election.intent().borrow().paused(clock::wall()).is_some();
        self.change_intent(&IntentChange::Resume).await?;
        tracing::info!(was_paused, "failover resumed");
        Ok(was_paused)
    }

    async fn change_intent(&self, change: &IntentChange) -> Result<(), IntentError> {
        let changed = timeout(INTENT_DEADLINE, self.me().election.change_intent(change)).await;
        changed.map_err(|_| IntentError::NoAnswer { after: INTENT_DEADLINE })??;
        Ok(())
    }

    async fn members(&self) -> Result<Vec<MemberRecord>, String> {
        asked(self.me().election.members()).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, String> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut history = asked(self.me().election.history()).await?;
        history.drain(..history.len().saturating_sub(limit));
        Ok(history)
    }

    /// What the backend sees comes first, then what this process has met.
    fn trouble(&self, doing: &Doing, since: Wall) -> Option<Trouble> {
        let me = self.me();
        let seen = me.election.trouble().borrow().clone();
        let met = || match doing {
            Doing::CannotStand { why: what } | Doing::WaitsForStore { what } => {
                Some(Trouble { since, what: what.clone() })
            }
            _ => None,
        };
        seen.or_else(|| me.board.degraded()).or_else(met).or_else(|| me.board.unannounced())
    }

    fn recovery_until(&self, doing: &Doing, since: Wall, (workers, apps): (bool, bool)) -> Option<Wall> {
        let config = &self.me().config;
        let begun = match doing {
            Doing::Recovers if workers || apps => return Some(since + config.recovery_timeout),
            // It leads although somebody is missing because its recovery was over by time-out.
            Doing::Leads => Wall(since.0.saturating_sub(millis(config.recovery_timeout))),
            _ => return None,
        };
        let workers = workers.then_some(begun + config.worker_timeout);
        workers.or(apps.then_some(begun + config.app_timeout))
    }

    /// Whoever is to follow must be somebody else who is up, answers, and reaches the store.
    async fn check_target(&self, target: &MasterId) -> Result<(), LeaveError> {
        let me = self.me();
        let members = self.members().await.map_err(|why| LeaveError::MembersUnknown { why })?;
        let others = || members.iter().map(|member| member.master.clone()).filter(|member| *member != me.id).collect();
        if *target == me.id {
            return Err(LeaveError::TargetLeads { target: target.clone(), members: others() });
        }
        let Some(member) = members.iter().find(|member| member.master == *target) else {
            return Err(LeaveError::TargetUnknown { target: target.clone(), members: others() });
        };
        let unfit = |why: String| LeaveError::TargetUnfit { target: target.clone(), address: member.rpc.clone(), why };
        let found = status_of(&member.rpc).await.map_err(unfit)?;
        if found.master_id != target.as_str() {
            return Err(unfit(format!("{} answers there", found.master_id)));
        }
        match found.trouble {
            Some(trouble) => Err(unfit(trouble.what)),
            None => Ok(()),
        }
    }
}

/// What another master says of itself.
async fn status_of(address: &str) -> Result<v1::HaReply, String> {
    let channel = connect(address).await.map_err(|unreached| match unreached {
        Unreached::Refused => "connection refused".to_owned(),
        Unreached::NoTelling(why) => why,
    })?;
    let asked = async {
        let request = v1::GetHaRequest { history_limit: 0 };
        HaServiceClient::new(channel).get_ha(request).await
    };
    match timeout(dial::ANSWER_DEADLINE, asked).await {
        Ok(reply) => reply.map(tonic::Response::into_inner).map_err(|status| status.to_string()),
        Err(_) => Err("it does not answer".to_owned()),
    }
}

async fn asked<T>(question: impl Future<Output = Result<T, ElectionError>>) -> Result<T, String> {
    match timeout(STORE_DEADLINE, question).await {
        Ok(answer) => answer.map_err(|error| with_causes(&error)),
        Err(_) => Err(format!("the store did not answer within {}s", STORE_DEADLINE.as_secs())),
    }
}

fn missing(view: &MasterView) -> (Vec<WorkerId>, Vec<AppId>) {
    let workers = view.workers.iter().filter(|worker| worker.state == WorkerState::Unknown);
    let apps = view.apps.iter().filter(|app| app.state == ApplicationState::Unknown);
    (
        workers.map(|worker| worker.id.clone()).take(MOST_MISSING).collect(),
        apps.map(|app| app.id.clone()).take(MOST_MISSING).collect(),
    )
}
