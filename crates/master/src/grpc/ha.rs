//! `HaService`: what this master knows about the office, the beat of its loop, and the orders of operators.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::{Request, Response, Status};

use tanist_core::ids::{MAX_ID_BYTES, MasterId, Term};
use tanist_core::model::{LeaderInfo, MasterRole};
use tanist_core::msg::NotLeading;
use tanist_proto::limits::{LONGEST_PAUSE, MAX_BY_BYTES, MAX_WHY_BYTES, SHORTEST_PAUSE};
use tanist_proto::v1;
use tanist_proto::v1::ha_service_server::HaService;
use tanist_store::clock;

use super::ha_wire;
use crate::board::Leadership;
use crate::error::LeaveError;
use crate::handle::MasterHandle;

/// A follower hears this master at least this often while its loop comes round; twice the least that is promised.
const BEAT_EVERY: Duration = Duration::from_millis(500);

/// The service, for one master.
pub(super) struct Ha(pub(super) MasterHandle);

/// The beats that one follower hears.
type Beats = Pin<Box<dyn Stream<Item = Result<v1::FollowBeat, Status>> + Send>>;

#[tonic::async_trait]
impl HaService for Ha {
    type FollowStream = Beats;

    async fn follow(&self, request: Request<v1::FollowRequest>) -> Result<Response<Beats>, Status> {
        let follower = id("master_id", &request.into_inner().master_id)?;
        tracing::debug!(%follower, "followed");
        Ok(Response::new(Box::pin(beats(self.0.clone()))))
    }

    async fn get_ha(&self, request: Request<v1::GetHaRequest>) -> Result<Response<v1::HaReply>, Status> {
        let limit = usize::try_from(request.into_inner().history_limit).unwrap_or(usize::MAX);
        let status = self.0.ha(limit).await;
        Ok(Response::new(ha_wire::reply(self.0.me(), status)))
    }

    async fn switchover(
        &self,
        request: Request<v1::SwitchoverRequest>,
    ) -> Result<Response<v1::SwitchoverReply>, Status> {
        use v1::switchover_reply::Answer;
        let v1::SwitchoverRequest { target, why } = request.into_inner();
        fits("why", &why, MAX_WHY_BYTES)?;
        let target = if target.is_empty() { None } else { Some(id("target", &target)?) };
        let answer = match self.0.leave(target, why).await {
            Ok(Term { generation, epoch, .. }) => {
                Answer::SteppedDown(v1::SteppedDown { generation: generation.0, epoch: epoch.0 })
            }
            Err(LeaveError::NotLeading { role, leader }) => Answer::NotLeading(not_leading(role, leader)),
            Err(LeaveError::NoAnswer(error)) => return Err(error.into()),
            Err(refused) => Answer::Refused(refused.to_string()),
        };
        Ok(Response::new(v1::SwitchoverReply { answer: Some(answer) }))
    }

    async fn pause_failover(
        &self,
        request: Request<v1::PauseFailoverRequest>,
    ) -> Result<Response<v1::PauseFailoverReply>, Status> {
        let v1::PauseFailoverRequest { by, why, for_ms } = request.into_inner();
        fits("by", &by, MAX_BY_BYTES)?;
        fits("why", &why, MAX_WHY_BYTES)?;
        let length = Duration::from_millis(for_ms);
        if !(SHORTEST_PAUSE..=LONGEST_PAUSE).contains(&length) {
            let (least, most) = (SHORTEST_PAUSE.as_millis(), LONGEST_PAUSE.as_millis());
            let problem = format!("for_ms: {for_ms} is not allowed, but {least} (1 s) to {most} (7 days)");
            return Err(Status::invalid_argument(problem));
        }
        let pause = self.0.pause_failover(by, why, length).await?;
        Ok(Response::new(v1::PauseFailoverReply { pause: Some(ha_wire::pause(pause)) }))
    }

    async fn resume_failover(
        &self,
        _: Request<v1::ResumeFailoverRequest>,
    ) -> Result<Response<v1::ResumeFailoverReply>, Status> {
        let was_paused = self.0.resume_failover().await?;
        Ok(Response::new(v1::ResumeFailoverReply { was_paused }))
    }
}

/// A beat at once, at every change, and every [`BEAT_EVERY`] while the loop comes round; the end when it has ended.
fn beats(handle: MasterHandle) -> impl Stream<Item = Result<v1::FollowBeat, Status>> {
    let mut leadership = handle.leadership();
    leadership.mark_changed();
    stream::unfold((handle, leadership), |(handle, mut leadership)| async move {
        if !until_next_beat(&handle, &mut leadership).await {
            return None;
        }
        let role = v1::MasterRole::from(leadership.borrow_and_update().role).into();
        let beat = v1::FollowBeat { master_id: handle.id().to_string(), role };
        Some((Ok(beat), (handle, leadership)))
    })
}

/// False: there is none.
async fn until_next_beat(handle: &MasterHandle, leadership: &mut watch::Receiver<Leadership>) -> bool {
    let board = &handle.me().board;
    loop {
        tokio::select! {
            biased;
            // A master that stops keeps no stream open.
            () = board.ended.cancelled() => return false,
            changed = leadership.changed() => return changed.is_ok(),
            () = sleep(BEAT_EVERY) => {}
        }
        if board.pulse.is_fresh(clock::mono()) {
            return true;
        }
    }
}

fn id(field: &str, text: &str) -> Result<MasterId, Status> {
    fits(field, text, MAX_ID_BYTES)?;
    text.parse().map_err(|error| Status::invalid_argument(format!("{field}: {error}")))
}

fn fits(field: &str, text: &str, most: usize) -> Result<(), Status> {
    let bytes = text.len();
    if bytes <= most {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("{field}: {bytes} bytes are too long; at most {most} bytes are allowed")))
}

fn not_leading(role: MasterRole, leader: Option<LeaderInfo>) -> v1::NotLeading {
    (&NotLeading { role, leader }).into()
}
