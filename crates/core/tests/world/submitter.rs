//! The one who submits drivers: every submission has a request id and is repeated under it until it is answered.

use std::collections::{BTreeMap, BTreeSet};

use tanist_core::ids::{DriverId, ReplyToken, RequestId};
use tanist_core::model::DriverDescription;
use tanist_core::msg::{ClientReply, ClientRequest};

use crate::world::{Happening, World};

#[derive(Debug, Default)]
pub(crate) struct Submitter {
    pub(crate) submissions: Vec<Submission>,
    asked: u64,
    open: BTreeMap<ReplyToken, Question>,
    /// Drivers of which a leader has said that they will end.
    pub(crate) to_end: BTreeSet<DriverId>,
}

/// What waits for an answer.
#[derive(Debug)]
enum Question {
    Submission(usize),
    Kill(DriverId),
}

#[derive(Debug)]
pub(crate) struct Submission {
    description: DriverDescription,
    pub(crate) driver: Option<DriverId>,
}

impl World {
    pub(crate) fn submits(&mut self, description: DriverDescription, master: usize) {
        self.submitter.submissions.push(Submission { description, driver: None });
        self.repeats(self.submitter.submissions.len() - 1, master);
    }

    /// Says a submission again, answered or not.
    pub(crate) fn repeats(&mut self, number: usize, master: usize) {
        let Some(submission) = self.submitter.submissions.get(number) else { return };
        let request = Some(RequestId::new(&format!("request-{number}")).unwrap());
        let description = Box::new(submission.description.clone());
        let token = self.asks(master, ClientRequest::SubmitDriver { request, description });
        self.submitter.open.insert(token, Question::Submission(number));
    }

    pub(crate) fn kills_driver(&mut self, pick: usize, master: usize) {
        let known: Vec<DriverId> = self.drivers().collect();
        let Some(driver) = known.get(pick % known.len().max(1)).cloned() else { return };
        self.observer.doomed.insert(driver.clone());
        let token = self.asks(master, ClientRequest::KillDriver { driver: driver.clone() });
        self.submitter.open.insert(token, Question::Kill(driver));
    }

    /// All drivers that the submitter knows.
    pub(crate) fn drivers(&self) -> impl Iterator<Item = DriverId> {
        self.submitter.submissions.iter().filter_map(|submission| submission.driver.clone())
    }

    pub(crate) fn asks(&mut self, master: usize, request: ClientRequest) -> ReplyToken {
        self.submitter.asked += 1;
        let token = ReplyToken(self.submitter.asked);
        let wait = self.moment(10);
        self.agenda.after(wait, Happening::Asked { master, token, request });
        token
    }

    /// A master has let an answer out. I2: what it promises is durable by then, and one request is one driver.
    pub(crate) fn replied(&mut self, token: ReplyToken, reply: ClientReply) {
        match (self.submitter.open.remove(&token), reply) {
            (Some(Question::Submission(number)), ClientReply::Submitted { driver }) => self.submitted(number, &driver),
            (Some(Question::Kill(driver)), ClientReply::KillRequested { found: true, .. }) => {
                self.submitter.to_end.insert(driver);
            }
            _ => {}
        }
    }

    fn submitted(&mut self, number: usize, driver: &DriverId) {
        let stored = self.store.driver(driver).is_some() || self.store.driver_has_ended(driver);
        assert!(stored, "I2: {driver} is acknowledged and not stored");
        for (other, submission) in self.submitter.submissions.iter().enumerate() {
            let same = submission.driver.as_ref() == Some(driver);
            assert!(!same || other == number, "I2: requests {other} and {number} are both {driver}");
        }
        let before = self.submitter.submissions[number].driver.replace(driver.clone());
        assert!(before.is_none_or(|before| before == *driver), "I2: request {number} is two drivers");
    }
}
