//! An election whose terms have a standing that a test decides; everything else goes to a real one.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use tanist_core::ids::{MasterId, Term};
use tanist_store::election::{HistoryEntry, RecoveryFigures};
use tanist_store::{
    Candidate, ElectionError, Intent, IntentChange, LeaderElection, LeaderRecord, MemberRecord, MirrorStatus,
    Resignation, Standing, Tenure, Trouble,
};

pub(crate) struct TestElection {
    real: Arc<dyn LeaderElection>,
    standing: watch::Sender<Standing>,
}

impl TestElection {
    pub(crate) fn over(real: Arc<dyn LeaderElection>) -> Self {
        Self { real, standing: watch::Sender::new(Standing::Held { until: None }) }
    }

    pub(crate) fn set(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }
}

#[async_trait]
impl LeaderElection for TestElection {
    async fn campaign(&self, candidate: &Candidate) -> Result<Tenure, ElectionError> {
        let tenure = self.real.campaign(candidate).await?;
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
        self.real.resign(tenure, resignation).await
    }

    async fn depose(&self, by: &MasterId, term: &Term, evidence: &str) -> Result<(), ElectionError> {
        self.real.depose(by, term, evidence).await
    }

    async fn announce(&self, member: &MemberRecord) -> Result<(), ElectionError> {
        self.real.announce(member).await
    }

    async fn members(&self) -> Result<Vec<MemberRecord>, ElectionError> {
        self.real.members().await
    }

    async fn history(&self) -> Result<Vec<HistoryEntry>, ElectionError> {
        self.real.history().await
    }

    fn intent(&self) -> watch::Receiver<Intent> {
        self.real.intent()
    }

    async fn change_intent(&self, change: &IntentChange) -> Result<Intent, ElectionError> {
        self.real.change_intent(change).await
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.real.trouble()
    }

    fn mirror(&self) -> Option<MirrorStatus> {
        self.real.mirror()
    }
}
