//! What the commands share that ask a cluster.

use tanist_client::{CallName, ClientError, MasterList, Masters, SubmissionClient};

use super::Context;
use crate::config::{ClientSettings, ClusterSettings, Flags, missing};
use crate::exit::Failure;
use crate::output::Output;

/// Which cluster to ask, and how.
#[derive(Debug, clap::Args)]
pub(super) struct ClientFlags {
    #[command(flatten)]
    cluster: Flags<ClusterSettings>,
    #[command(flatten)]
    client: Flags<ClientSettings>,
}

/// A way to the cluster, and how to show what it says.
pub(super) struct Client {
    pub(super) cluster: SubmissionClient,
    pub(super) output: Output,
}

/// The cluster that flags, environment and file name.
///
/// # Errors
/// Settings that are not allowed, or masters that nobody named.
pub(super) fn client(context: &Context, flags: &ClientFlags) -> Result<Client, Failure> {
    let client = context.layers.resolve(&flags.client)?.settings;
    let masters = masters(context, &flags.cluster)?;
    let cluster = SubmissionClient::new(Masters::new(masters).with_deadline(client.timeout));
    Ok(Client { cluster, output: Output::new(client.output) })
}

/// The masters that flags, environment and file name.
///
/// # Errors
/// If they are not allowed, or nobody named any.
pub(super) fn masters(context: &Context, flags: &Flags<ClusterSettings>) -> Result<MasterList, Failure> {
    let cluster = context.layers.resolve(flags)?.settings;
    Ok(cluster.masters.ok_or_else(|| missing::<ClusterSettings>("masters"))?)
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::InvalidMasters { .. }
            | ClientError::InvalidArgument { .. }
            | ClientError::InvalidAddress { .. }
            | ClientError::InvalidRequest { .. }
            | ClientError::Refused { .. } => Self::Usage(error.to_string()),
            ClientError::OutcomeUnknown { call, .. } => Self::OutcomeUnknown(format!("{error}; {}", find_out(call))),
            ClientError::NoLeader { .. } | ClientError::NoSuccessor { .. } => Self::NoLeader(error.to_string()),
            ClientError::UnknownDriver { .. }
            | ClientError::NeverLaunched { .. }
            | ClientError::UnknownMaster { .. } => Self::NotFound(error.to_string()),
            ClientError::SwitchoverRefused { .. } | ClientError::Declined { .. } => Self::Refused(error.to_string()),
            error => Self::Failed(error.into()),
        }
    }
}

/// How to learn what came of a request whose answer is missing.
fn find_out(call: CallName) -> &'static str {
    match call {
        CallName::SubmitDriver => "look for it with: tanist drivers; submit it again only if it is not listed there",
        CallName::KillApplication => "look with: tanist apps; repeating the request does no harm",
        CallName::DecommissionHosts => "look with: tanist workers; repeating the request does no harm",
        CallName::Switchover => "look with: tanist ctl history; repeat it only if the term is still the same",
        CallName::PauseFailover | CallName::ResumeFailover => {
            "look with: tanist ctl explain; repeating the request does no harm"
        }
        CallName::KillDriver
        | CallName::KillAllDrivers
        | CallName::ClearCompleted
        | CallName::DriverStatus
        | CallName::Ready
        | CallName::GetState
        | CallName::GetLeader => "look with: tanist drivers; repeating the request does no harm",
    }
}

#[cfg(test)]
mod tests {
    use tanist_client::Attempts;

    use super::*;
    use crate::exit::{NO_LEADER, OUTCOME_UNKNOWN};

    #[test]
    fn doubt_and_absence_of_a_leader_are_different_ends() {
        let table = [
            (CallName::SubmitDriver, "tanist drivers"),
            (CallName::KillDriver, "tanist drivers"),
            (CallName::KillAllDrivers, "tanist drivers"),
            (CallName::ClearCompleted, "tanist drivers"),
            (CallName::KillApplication, "tanist apps"),
            (CallName::DecommissionHosts, "tanist workers"),
            (CallName::Switchover, "tanist ctl history"),
            (CallName::PauseFailover, "tanist ctl explain"),
            (CallName::ResumeFailover, "tanist ctl explain"),
        ];
        for (call, advice) in table {
            let failure = Failure::from(ClientError::OutcomeUnknown { call, attempts: Attempts::default() });
            assert_eq!(failure.code(), OUTCOME_UNKNOWN, "{call}");
            let words = failure.to_string();
            assert!(words.contains("may have taken effect") && words.contains(advice), "{words}");
        }
        let deadline = std::time::Duration::from_secs(1);
        let none = ClientError::NoLeader { call: CallName::KillDriver, deadline, attempts: Attempts::default() };
        assert_eq!(Failure::from(none).code(), NO_LEADER);
    }
}
