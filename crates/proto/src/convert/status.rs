//! Where a driver stands: asked of the leader, and read from its published view.

use std::time::Duration;

use tanist_core::ids::{Attempt, DriverId};
use tanist_core::msg::{DriverStatus, NotLeading};
use tanist_core::time::millis;

use super::DecodeError;
use super::fields::{choice, id, inside, optional_cut, optional_id, optional_name, optional_prose, present};
use crate::v1;
use crate::v1::driver_status_reply::{Answer, UnknownDriver};

/// Where does this driver stand?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusQuestion {
    /// Which one.
    pub driver: DriverId,
}

impl From<&StatusQuestion> for v1::DriverStatusRequest {
    fn from(question: &StatusQuestion) -> Self {
        Self { driver_id: question.driver.to_string() }
    }
}

impl TryFrom<v1::DriverStatusRequest> for StatusQuestion {
    type Error = DecodeError;
    fn try_from(wire: v1::DriverStatusRequest) -> Result<Self, DecodeError> {
        Ok(Self { driver: id("driver_id", &wire.driver_id)? })
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusAnswer {
    /// What the leader's published view shows.
    Report(DriverReport),
    /// This master does not lead.
    NotLeading(NotLeading),
}

/// What a published view shows of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverReport {
    /// Where it stands; none = no such driver.
    pub status: Option<DriverStatus>,
    /// Age of the view, in whole milliseconds.
    pub age: Duration,
    /// Why the leader takes no changes now, so that the view stays behind; none = it does.
    pub degraded: Option<String>,
}

impl From<&StatusAnswer> for v1::DriverStatusReply {
    fn from(answer: &StatusAnswer) -> Self {
        match answer {
            StatusAnswer::NotLeading(answer) => {
                Self { answer: Some(Answer::NotLeading(answer.into())), age_ms: 0, degraded: None }
            }
            StatusAnswer::Report(DriverReport { status, age, degraded }) => {
                let unknown = Answer::UnknownDriver(UnknownDriver {});
                let answer = status.as_ref().map_or(unknown, |status| Answer::Status(status.into()));
                Self { answer: Some(answer), age_ms: millis(*age), degraded: optional_cut(degraded.as_ref()) }
            }
        }
    }
}

impl TryFrom<v1::DriverStatusReply> for StatusAnswer {
    type Error = DecodeError;
    fn try_from(wire: v1::DriverStatusReply) -> Result<Self, DecodeError> {
        let status = match present("answer", wire.answer)? {
            Answer::NotLeading(answer) => return Ok(Self::NotLeading(inside("not_leading", answer)?)),
            Answer::Status(status) => Some(inside("status", status)?),
            Answer::UnknownDriver(UnknownDriver {}) => None,
        };
        let degraded = optional_prose("degraded", wire.degraded)?;
        Ok(Self::Report(DriverReport { status, age: Duration::from_millis(wire.age_ms), degraded }))
    }
}

impl From<&DriverStatus> for v1::DriverStatus {
    fn from(status: &DriverStatus) -> Self {
        Self {
            driver_id: status.driver.to_string(),
            state: v1::DriverState::from(status.state).into(),
            attempt: status.attempt.0,
            worker_id: status.worker.as_ref().map(ToString::to_string),
            worker_address: status.worker_address.clone(),
            exit_code: status.exit_code,
            message: optional_cut(status.message.as_ref()),
        }
    }
}

impl TryFrom<v1::DriverStatus> for DriverStatus {
    type Error = DecodeError;
    fn try_from(wire: v1::DriverStatus) -> Result<Self, DecodeError> {
        Ok(Self {
            driver: id("driver_id", &wire.driver_id)?,
            state: choice("state", wire.state)?,
            attempt: Attempt(wire.attempt),
            worker: optional_id("worker_id", wire.worker_id.as_deref())?,
            worker_address: optional_name("worker_address", wire.worker_address)?,
            exit_code: wire.exit_code,
            message: optional_prose("message", wire.message)?,
        })
    }
}
