//! An election that does what a test tells it to, over a real one of the embedded store: standings that change, orders
//! that the embedded store does not know (handovers, pauses, depositions), and a store that says nothing.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::watch;

use tanist_core::ids::{MasterId, Term};
use tanist_store::election::{HistoryEntry, RecoveryFigures};
use tanist_store::{
    Candidate, ElectionError, Handover, Intent, IntentChange, LeaderElection, LeaderRecord, LeaseStatus, MemberRecord,
    MirrorStatus, Resignation, Standing, Tenure, Trouble, clock,
};

/// By whom, which term, and on what grounds.
pub(crate) type Deposition = (MasterId, Term, String);

/// What the masters of one test share beside the store.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    intent: watch::Sender<Intent>,
    /// Depositions, at most one per test; `None` = this store knows no such thing.
    deposed: Option<Arc<Mutex<Vec<Deposition>>>>,
}

impl Shared {
    /// A store that knows handovers, pauses and depositions.
    pub(crate) fn store() -> Self {
        Self { intent: watch::Sender::default(), deposed: Some(Arc::default()) }
    }

    fn is_able(&self) -> bool {
        self.deposed.is_some()
    }

    /// This master is to lead.
    pub(crate) fn name(&self, target: MasterId) {
        let now = clock::wall();
        let until = (now + super::PATIENCE).0;
        let handover = Handover { target, why: "test".to_owned(), until };
        self.intent.send_modify(|intent| *intent = intent.handing_over(handover, now));
    }

    pub(crate) fn depositions(&self) -> Vec<Deposition> {
        self.deposed.as_ref().map(|deposed| deposed.lock().unwrap().clone()).unwrap_or_default()
    }
}

/// What a resignation comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resigning {
    /// It is done.
    Works,
    /// It fails, and nothing was changed.
    Fails,
    /// It is done, and the answer is lost.
    IsDoneUnheard,
}

type Failure = Box<dyn FnOnce() -> ElectionError + Send>;

pub(crate) struct TestElection {
    real: Arc<dyn LeaderElection>,
    shared: Shared,
    standing: watch::Sender<Standing>,
    trouble: watch::Sender<Option<Trouble>>,
    /// The store answers no question.
    silent: watch::Sender<bool>,
    resigning: Mutex<Resigning>,
    /// What the next candidacies come to.
    failures: Mutex<VecDeque<Failure>>,
    /// What the next announcements come to.
    unannounced: Mutex<VecDeque<Failure>>,
    announced: watch::Sender<Vec<String>>,
}

impl TestElection {
    pub(crate) fn over(real: Arc<dyn LeaderElection>, shared: Shared) -> Self {
        Self {
            real,
            shared,
            standing: watch::Sender::new(Standing::Held { until: None }),
            trouble: watch::Sender::default(),
            silent: watch::Sender::default(),
            resigning: Mutex::new(Resigning::Works),
            failures: Mutex::default(),
            unannounced: Mutex::default(),
            announced: watch::Sender::default(),
        }
    }

    pub(crate) fn set(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }

    pub(crate) fn set_trouble(&self, what: Option<&str>) {
        self.trouble.send_replace(what.map(|what| Trouble { since: clock::wall(), what: what.to_owned() }));
    }

    pub(crate) fn be_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    pub(crate) fn resigning(&self, what: Resigning) {
        *self.resigning.lock().unwrap() = what;
    }

    pub(crate) fn fail_candidacy(&self, failure: impl FnOnce() -> ElectionError + Send + 'static) {
        self.failures.lock().unwrap().push_back(Box::new(failure));
    }

    pub(crate) fn fail_announcement(&self, failure: impl FnOnce() -> ElectionError + Send + 'static) {
        self.unannounced.lock().unwrap().push_back(Box::new(failure));
    }

    /// The roles that this process was made known in.
    pub(crate) fn announced(&self) -> watch::Receiver<Vec<String>> {
        self.announced.subscribe()
    }

    async fn unless_silent(&self) {
        if *self.silent.borrow() {
            pending::<()>().await;
        }
    }

    fn is_free_for(intent: &Intent, me: &MasterId) -> bool {
        intent.obstacle(me, clock::wall()).is_none()
    }
}

#[async_trait]
impl LeaderElection for TestElection {
    async fn campaign(&self, candidate: &Candidate) -> Result<Tenure, ElectionError> {
        let failure = self.failures.lock().unwrap().pop_front();
        if let Some(failure) = failure {
            return Err(failure());
        }
        let me = &candidate.master;
        let mut intent = self.shared.intent.subscribe();
        let tenure = loop {
            intent.wait_for(|intent| Self::is_free_for(intent, me)).await.unwrap();
            let mut wanted = self.shared.intent.subscribe();
            tokio::select! {
                biased;
                // Who stands is bound by what operators want while it waits.
                _ = wanted.wait_for(|intent| !Self::is_free_for(intent, me)) => {}
                tenure = self.real.campaign(candidate) => break tenure?,
            }
        };
        self.shared.intent.send_modify(|intent| *intent = intent.settled(clock::wall()));
        self.set(Standing::Held { until: None });
        Ok(Tenure { standing: self.standing.subscribe(), ..tenure })
    }

    fn leader(&self) -> watch::Receiver<Option<LeaderRecord>> {
        self.real.leader()
    }

    async fn record_recovery(&self, tenure: &Tenure, figures: &RecoveryFigures) -> Result<(), ElectionError> {
        self.real.record_recovery(tenure, figures).await
    }

    async fn resign(&self, tenure: &Tenure, resignation: &Resignation) -> Result<(), ElectionError> {
        let lost = || tanist_store::CommitError::Unknown { source: "the answer is lost".into() };
        let how = *self.resigning.lock().unwrap();
        if how == Resigning::Fails {
            return Err(lost().into());
        }
        let mut resignation = resignation.clone();
        if self.shared.is_able()
            && let Some(handover) = resignation.successor.take()
        {
            self.shared.intent.send_modify(|intent| *intent = intent.handing_over(handover, clock::wall()));
        }
        self.real.resign(tenure, &resignation).await?;
        if how == Resigning::IsDoneUnheard { Err(lost().into()) } else { Ok(()) }
    }

    async fn depose(&self, by: &MasterId, term: &Term, evidence: &str) -> Result<(), ElectionError> {
        let Some(deposed) = &self.shared.deposed else { return self.real.depose(by, term, evidence).await };
        let mut deposed = deposed.lock().unwrap();
        if !deposed.is_empty() {
            return Err(ElectionError::DeposedLately { wait: super::PATIENCE });
        }
        deposed.push((by.clone(), term.clone(), evidence.to_owned()));
        Ok(())
    }

    async fn announce(&self, member: &MemberRecord) -> Result<(), ElectionError> {
        let failure = self.unannounced.lock().unwrap().pop_front();
        if let Some(failure) = failure {
            return Err(failure());
        }
        self.real.announce(member).await?;
        self.announced.send_modify(|announced| announced.push(member.role.clone()));
        Ok(())
    }

    async fn members(&self) -> Result<Vec<MemberRecord>, ElectionError> {
        self.unless_silent().await;
        self.real.members().await
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, ElectionError> {
        self.unless_silent().await;
        self.real.history().await
    }

    fn intent(&self) -> watch::Receiver<Intent> {
        self.shared.intent.subscribe()
    }

    async fn change_intent(&self, change: &IntentChange) -> Result<Intent, ElectionError> {
        if !self.shared.is_able() {
            return self.real.change_intent(change).await;
        }
        self.shared.intent.send_modify(|intent| *intent = intent.changed(change, clock::wall()));
        Ok(self.shared.intent.borrow().clone())
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.trouble.subscribe()
    }

    fn mirror(&self) -> Option<MirrorStatus> {
        self.real.mirror()
    }

    fn lease(&self) -> Option<LeaseStatus> {
        self.real.lease()
    }
}
