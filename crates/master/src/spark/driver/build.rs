//! Which build of Spark is at the other end of a connection: known from what it says, or asked.

use tanist_spark::Frame;

use super::conversation::Conversation;
use super::describe::MAX_REGISTRATION;
use crate::spark::builds::{Build, Source};
use crate::spark::end::End;
use crate::spark::questions::Questions;

impl Conversation {
    /// The build of who has said this, in this frame. None = it is asked, at this endpoint, and heard once more then. Only who
    /// leads asks: each question is an error in the program's log.
    pub(super) async fn build(
        &mut self,
        payload: &[u8],
        endpoint: &str,
        said: Frame<'_>,
    ) -> Result<Option<Build>, End> {
        let wanted = match (self.face.0.builds.of(payload).await?, &self.learnt) {
            (Source::Known(build), _) => return Ok(Some(build)),
            (Source::Program(_), Some(build)) => return Ok(Some(build.clone())),
            (Source::Program(wanted), None) => wanted,
        };
        if payload.len() > MAX_REGISTRATION {
            let bytes = payload.len();
            return Err(End::Over(format!(
                "{bytes} bytes of a Spark that is not known; at most {MAX_REGISTRATION} are allowed"
            )));
        }
        if self.asking.is_none() && self.face.leads() {
            let questions = Questions::about(wanted);
            questions.ask(&mut self.channel, endpoint).await?;
            self.asking = Some((questions, said.into_owned()));
        }
        Ok(None)
    }

    /// An answer to what it was asked; with the last one, what is to be heard once more.
    pub(super) fn answered(&mut self, frame: &Frame<'_>) -> Result<Option<Frame<'static>>, End> {
        // Nothing else is asked here.
        let Some((questions, _)) = &mut self.asking else { return Ok(None) };
        let Some(build) = questions.hear(frame)? else { return Ok(None) };
        tracing::info!(
            peer = %self.channel.peer,
            "a program of a Spark that is not known was asked how to speak to it; with that Spark in spark.homes it would not be"
        );
        self.learnt = Some(build);
        Ok(self.asking.take().map(|(_, again)| again))
    }
}
