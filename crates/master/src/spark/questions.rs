//! Questions to a program about the numbers of its own classes, where nothing else tells them. Each leaves an error in its log,
//! and nothing more.

use std::collections::BTreeMap;
use std::io;

use tanist_spark::uids::asked;
use tanist_spark::{Error, Frame};

use super::builds::Build;
use super::channel::{Broken, Channel};

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
