//! Questions to a program about the numbers of its own classes, where nothing else tells them. Each leaves an error in its log,
//! and nothing more.

use std::collections::BTreeMap;
use std::io;

use tanist_spark::uids::asked;
use tanist_spark::{Error, Frame};

use super::builds::{Build, Source};
use super::channel::{Broken, Channel};
use super::conversation::Conversation;
use super::describe::MAX_REGISTRATION;
use super::end::End;

/// Questions to a program about its own classes, and its answers so far.
#[derive(Debug)]
pub(super) struct Questions {
    /// Those that are not answered, by their numbers.
    open: BTreeMap<i64, &'static str>,
    answers: Vec<(String, i64)>,
}

impl Questions {
    /// About these classes.
    pub(super) fn about(classes: Vec<&'static str>) -> Self {
        Self { open: (1..).zip(classes).collect(), answers: Vec::new() }
    }

    /// Asks all of them at once, of this endpoint.
    pub(super) async fn ask(&self, channel: &mut Channel, endpoint: &str) -> Result<(), Broken> {
        for (&id, class) in &self.open {
            channel.ask(id, endpoint, &asked::question(class)).await?;
        }
        Ok(())
    }

    /// Takes an answer; with the last one, the build is known. Other frames are passed over.
    ///
    /// # Errors
    /// The program answers something else.
    pub(super) fn hear(&mut self, frame: &Frame<'_>) -> Result<Option<Build>, Error> {
        let (id, said) = match frame {
            Frame::Failure { id, text } => (id, text.as_ref()),
            // Nobody can answer such a question but by a failure.
            Frame::Response { id, .. } => (id, ""),
            Frame::Request { .. } | Frame::OneWay { .. } => return Ok(None),
        };
        let Some(class) = self.open.remove(id) else { return Ok(None) };
        self.answers.push((class.to_owned(), asked::answer(class, said)?));
        if !self.open.is_empty() {
            return Ok(None);
        }
        Ok(Some(Build::told(self.answers.drain(..).collect())))
    }
}

/// Asks somebody who was called, of this endpoint, and waits for all of its answers.
pub(super) async fn learn(channel: &mut Channel, endpoint: &str, classes: Vec<&'static str>) -> Result<Build, Broken> {
    let mut questions = Questions::about(classes);
    questions.ask(channel, endpoint).await?;
    loop {
        let Some(frame) = channel.next().await? else {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        if let Some(build) = questions.hear(&frame).map_err(Broken::Protocol)? {
            return Ok(build);
        }
    }
}

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
