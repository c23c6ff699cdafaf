//! Enumerations: the same names on both sides; zero and unknown numbers are refused.

use tanist_core::model;

use super::Problem;
use super::endpoint::LogStream;
use crate::v1;

/// An enumeration of the core that has a twin on the wire.
pub(super) trait Enumerated: Sized {
    /// The value of a wire number.
    fn from_number(value: i32) -> Result<Self, Problem>;
}

macro_rules! enumerations {
    ($($core:ty = $wire:ident { $($variant:ident),+ $(,)? })+) => {$(
        impl From<$core> for v1::$wire {
            fn from(value: $core) -> Self {
                match value {
                    $(<$core>::$variant => Self::$variant,)+
                }
            }
        }

        impl TryFrom<v1::$wire> for $core {
            type Error = Problem;
            fn try_from(value: v1::$wire) -> Result<Self, Problem> {
                Self::from_number(value.into())
            }
        }

        impl Enumerated for $core {
            fn from_number(value: i32) -> Result<Self, Problem> {
                match v1::$wire::try_from(value) {
                    $(Ok(v1::$wire::$variant) => Ok(Self::$variant),)+
                    Ok(v1::$wire::Unspecified) | Err(_) => {
                        Err(Problem::NotOneOf { value, allowed: &[$(stringify!($variant)),+] })
                    }
                }
            }
        }
    )+};
}

enumerations! {
    model::MasterRole = MasterRole { Standby, Recovering, Alive, Suspended }
    model::WorkerState = WorkerState { Alive, Dead, Decommissioned, Unknown }
    model::ApplicationState = ApplicationState { Waiting, Running, Finished, Failed, Killed, Unknown, Unreachable }
    model::DriverState = DriverState {
        Submitted, Running, Finished, Relaunching, Unknown, Killed, Failed, Error,
    }
    model::OnIsolation = OnIsolation { Continue, Kill }
    model::ExecutorState = ExecutorState { Launching, Running, Killed, Failed, Lost, Exited, Decommissioned }
    LogStream = LogStream { Stdout, Stderr }
}
