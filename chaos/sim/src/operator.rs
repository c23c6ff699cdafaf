//! Who submits drivers and gives orders. Every submission has a request id and is repeated under it until it is answered.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tanist_core::ids::{AppId, DriverId};
use tanist_core::model::{DriverDescription, LeaderInfo};
use tanist_core::msg::ClientReply;
use tanist_proto::convert::endpoint::LeaderQuestion;
use tanist_proto::v1;

use crate::agenda::millis;
use crate::broken::Broken;
use crate::grpc::{self, Messages};
use crate::net::{Party, Process};
use crate::settings;
use crate::world::{Happening, World};

/// The one who asks.
const OPERATOR: Process = (Party::Operator, 1);

/// So many milliseconds after a submission without an answer it is said again, to the next master.
const AGAIN_MILLIS: u64 = 1_500;

/// What a master is asked.
#[derive(Debug, Clone)]
pub enum Question {
    /// Who leads above a term, as soon as somebody does.
    AwaitLeader(Box<LeaderQuestion>),
    /// To take a driver; which of the submissions.
    Submit(usize, Box<DriverDescription>),
    /// To end a driver.
    Kill(DriverId),
    /// To end an application.
    KillApp(AppId),
    /// To have a host's worker end its work and take none.
    Decommission(String),
    /// To forget what has ended.
    Clear,
    /// To leave the office, to this master or any.
    Switchover(Option<usize>),
    /// To let nobody take over by himself for so many milliseconds.
    Pause(u64),
    /// To end that.
    Resume,
}

/// What a master says.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Who leads.
    Leader(LeaderInfo),
    /// Of a submission.
    Submitted(v1::SubmitDriverReply),
    /// Of a kill.
    Killed(v1::KillDriverReply),
    /// It has heard the order.
    Heard,
}

impl Question {
    /// The method.
    pub fn path(&self) -> &'static str {
        match self {
            Self::AwaitLeader(_) => "/tanist.v1.OperatorService/AwaitLeader",
            Self::Submit(..) => "/tanist.v1.SubmissionService/SubmitDriver",
            Self::Kill(_) => "/tanist.v1.SubmissionService/KillDriver",
            Self::KillApp(_) => "/tanist.v1.OperatorService/KillApplication",
            Self::Decommission(_) => "/tanist.v1.OperatorService/DecommissionHosts",
            Self::Clear => "/tanist.v1.SubmissionService/ClearCompleted",
            Self::Switchover(_) => "/tanist.v1.HaService/Switchover",
            Self::Pause(_) => "/tanist.v1.HaService/PauseFailover",
            Self::Resume => "/tanist.v1.HaService/ResumeFailover",
        }
    }

    /// The message.
    pub fn encode(&self, broken: Option<Broken>) -> Bytes {
        match self {
            Self::AwaitLeader(question) => grpc::encode(&v1::AwaitLeaderRequest::from(question.as_ref())),
            Self::Submit(number, description) => {
                let named = broken != Some(Broken::RequestsForgotten);
                let request_id = named.then(|| format!("request-{number}"));
                let description = Some(description.as_ref().into());
                grpc::encode(&v1::SubmitDriverRequest { request_id, description })
            }
            Self::Kill(driver) => grpc::encode(&v1::KillDriverRequest { driver_id: driver.to_string() }),
            Self::KillApp(app) => grpc::encode(&v1::KillApplicationRequest { app_id: app.to_string() }),
            Self::Decommission(host) => grpc::encode(&v1::DecommissionHostsRequest { hosts: vec![host.clone()] }),
            Self::Clear => grpc::encode(&v1::ClearCompletedRequest {}),
            Self::Switchover(target) => {
                let target = target.map(|master| settings::master_id(master).to_string()).unwrap_or_default();
                grpc::encode(&v1::SwitchoverRequest { target, why: "by plan".to_owned() })
            }
            Self::Pause(for_ms) => {
                let (by, why) = ("operator".to_owned(), "by plan".to_owned());
                grpc::encode(&v1::PauseFailoverRequest { by, why, for_ms: *for_ms })
            }
            Self::Resume => grpc::encode(&v1::ResumeFailoverRequest {}),
        }
    }

    /// The answer, once it is there.
    pub fn decode(&self, messages: &mut Messages) -> Option<Reply> {
        Some(match self {
            Self::AwaitLeader(_) => {
                Reply::Leader(LeaderInfo::try_from(messages.take::<v1::LeaderInfo>()?.unwrap()).unwrap())
            }
            Self::Submit(..) => Reply::Submitted(messages.take()?.unwrap()),
            Self::Kill(_) => Reply::Killed(messages.take()?.unwrap()),
            _ => {
                messages.take::<v1::PingRequest>()?.unwrap();
                Reply::Heard
            }
        })
    }
}

/// What was submitted, and what became of it.
#[derive(Debug, Default)]
pub struct Operator {
    /// All of it.
    pub submissions: Vec<Submission>,
    /// Drivers of which a leader has said that they will end.
    pub to_end: BTreeSet<DriverId>,
    of_driver: BTreeMap<DriverId, usize>,
}

/// One driver that is wanted.
#[derive(Debug)]
pub struct Submission {
    description: Box<DriverDescription>,
    /// Once a leader has taken it.
    pub driver: Option<DriverId>,
    /// Where it was last sent.
    asked: usize,
}

impl World {
    /// A driver is submitted, to this master first.
    pub fn submits(&mut self, description: DriverDescription, master: usize) {
        let number = self.operator.submissions.len();
        let description = Box::new(description);
        self.operator.submissions.push(Submission { description, driver: None, asked: master });
        self.agenda.after(millis(0), Happening::Submits { number });
    }

    /// Says a submission, unless it was answered.
    pub fn says_submission(&mut self, number: usize) {
        let Some(submission) = self.operator.submissions.get_mut(number) else { return };
        if submission.driver.is_none() {
            submission.asked = (submission.asked + 1) % settings::MASTERS;
            let (master, description) = (submission.asked, submission.description.clone());
            self.orders(master, Question::Submit(number, description));
            self.agenda.after(millis(AGAIN_MILLIS), Happening::Submits { number });
        }
    }

    /// Says a submission once more, answered or not.
    pub fn repeats(&mut self, pick: usize, master: usize) {
        let count = self.operator.submissions.len().max(1);
        if let Some(submission) = self.operator.submissions.get(pick % count) {
            let question = Question::Submit(pick % count, submission.description.clone());
            self.orders(master, question);
        }
    }

    /// A driver that was taken is to end.
    pub fn kills_driver(&mut self, pick: usize, master: usize) {
        let known: Vec<DriverId> = self.drivers().collect();
        if let Some(driver) = known.get(pick % known.len().max(1)).cloned() {
            self.ledger.observer.doomed.insert(driver.clone());
            self.orders(master, Question::Kill(driver));
        }
    }

    /// All drivers that were taken.
    pub fn drivers(&self) -> impl Iterator<Item = DriverId> {
        self.operator.submissions.iter().filter_map(|submission| submission.driver.clone())
    }

    /// An order to a master.
    pub fn orders(&mut self, master: usize, question: Question) {
        self.ask(OPERATOR, &settings::master_address(master), question);
    }

    /// A master has answered.
    pub fn answered(&mut self, process: Process, question: Question, reply: Reply) {
        match (question, reply) {
            (_, Reply::Leader(leader)) => self.hears_leader(process, leader),
            (Question::Submit(number, _), Reply::Submitted(reply)) => {
                if let Ok(ClientReply::Submitted { driver }) = ClientReply::try_from(reply) {
                    self.submitted(number, driver);
                }
            }
            (Question::Kill(driver), Reply::Killed(reply)) => {
                if matches!(ClientReply::try_from(reply), Ok(ClientReply::KillRequested { found: true, .. })) {
                    self.operator.to_end.insert(driver);
                }
            }
            _ => {}
        }
    }

    /// A question is not answered. Who wants to know asks again by himself.
    pub fn unanswered(&mut self, _: Process, _: Question) {}

    /// I2: one request is one driver. That it is durable is looked at when the store has told of everything.
    fn submitted(&mut self, number: usize, driver: DriverId) {
        self.trace.fact(self.agenda.now(), format_args!("submission {number} is {driver}"));
        let first = *self.operator.of_driver.entry(driver.clone()).or_insert(number);
        assert!(first == number, "I2: requests {first} and {number} are both {driver}");
        let before = self.operator.submissions[number].driver.replace(driver.clone());
        assert!(
            before.as_ref().is_none_or(|before| *before == driver),
            "I2: request {number} is {before:?} and {driver}"
        );
        self.ledger.acknowledged.push(driver);
    }
}
