//! Replies to submission and operator requests.

use tanist_core::msg::ClientReply;

use super::DecodeError;
use super::fields::{cut, id, inside, present, prose};
use crate::v1;

/// A reply that does not belong to the call it was given to: a fault of the master, not of the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} cannot be answered with {reply:?}")]
pub struct WrongReply {
    /// The message that was to carry it.
    pub call: &'static str,
    /// The reply.
    pub reply: Box<ClientReply>,
}

impl From<WrongReply> for tonic::Status {
    fn from(error: WrongReply) -> Self {
        Self::internal(error.to_string())
    }
}

/// Both directions of one reply message. `not_leading` is common to all of them.
macro_rules! reply {
    ($wire:ident, $module:ident { $($core:pat => $answer:expr,)+ } { $($received:pat => $reply:expr,)+ }) => {
        impl TryFrom<&ClientReply> for v1::$wire {
            type Error = WrongReply;
            fn try_from(reply: &ClientReply) -> Result<Self, WrongReply> {
                use v1::$module::Answer;
                let answer = match reply {
                    ClientReply::NotLeading(answer) => Answer::NotLeading(answer.into()),
                    $($core => $answer,)+
                    other => return Err(WrongReply { call: stringify!($wire), reply: Box::new(other.clone()) }),
                };
                Ok(Self { answer: Some(answer) })
            }
        }

        impl TryFrom<v1::$wire> for ClientReply {
            type Error = DecodeError;
            fn try_from(wire: v1::$wire) -> Result<Self, DecodeError> {
                use v1::$module::Answer;
                Ok(match present("answer", wire.answer)? {
                    Answer::NotLeading(answer) => Self::NotLeading(inside("not_leading", answer)?),
                    $($received => $reply,)+
                })
            }
        }
    };
}

reply!(SubmitDriverReply, submit_driver_reply {
    ClientReply::Submitted { driver } => Answer::DriverId(driver.to_string()),
    ClientReply::Invalid { reason } => Answer::Invalid(v1::Invalid { reason: cut(reason) }),
} {
    Answer::DriverId(driver) => ClientReply::Submitted { driver: id("driver_id", &driver)? },
    Answer::Invalid(invalid) => ClientReply::Invalid { reason: prose("invalid.reason", invalid.reason)? },
});

reply!(KillDriverReply, kill_driver_reply {
    ClientReply::KillRequested { found, message } => Answer::KillRequested(from_kill(*found, message)),
} {
    Answer::KillRequested(kill) => to_kill(kill)?,
});

reply!(KillAllDriversReply, kill_all_drivers_reply {
    ClientReply::KillAllRequested { drivers } => Answer::Drivers(*drivers),
} {
    Answer::Drivers(drivers) => ClientReply::KillAllRequested { drivers },
});

reply!(ClearCompletedReply, clear_completed_reply {
    ClientReply::Cleared => Answer::Cleared(v1::clear_completed_reply::Cleared {}),
} {
    Answer::Cleared(v1::clear_completed_reply::Cleared {}) => ClientReply::Cleared,
});

reply!(ReadyReply, ready_reply {
    ClientReply::Ready(ready) => Answer::Ready(*ready),
} {
    Answer::Ready(ready) => ClientReply::Ready(ready),
});

reply!(KillApplicationReply, kill_application_reply {
    ClientReply::KillRequested { found, message } => Answer::KillRequested(from_kill(*found, message)),
} {
    Answer::KillRequested(kill) => to_kill(kill)?,
});

reply!(DecommissionHostsReply, decommission_hosts_reply {
    ClientReply::Decommissioning { workers } => Answer::Workers(*workers),
} {
    Answer::Workers(workers) => ClientReply::Decommissioning { workers },
});

fn from_kill(found: bool, message: &str) -> v1::KillRequested {
    v1::KillRequested { found, message: cut(message) }
}

fn to_kill(wire: v1::KillRequested) -> Result<ClientReply, DecodeError> {
    let message = prose("kill_requested.message", wire.message)?;
    Ok(ClientReply::KillRequested { found: wire.found, message })
}
