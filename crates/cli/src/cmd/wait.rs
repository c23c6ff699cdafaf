//! Waiting for the end of a driver, with a live line of where it stands and, if wanted, its output.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tanist_client::SubmissionClient;
use tanist_core::ids::DriverId;
use tanist_core::model::DriverState;
use tanist_core::msg::DriverStatus;
use tanist_proto::convert::status::DriverReport;

use super::follow::Follower;
use crate::exit::{self, Failure};
use crate::output::note;
use crate::signals::{EndRequest, EndRequests};

/// How often a driver's status is asked for.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// How often the live line moves.
const TICK_EVERY: Duration = Duration::from_millis(100);

/// How the waiting ended.
pub(super) enum Waited {
    /// The driver ended.
    Ended(DriverStatus),
    /// This process was asked to end.
    Asked(EndRequest),
}

/// Waits until a driver has ended, or somebody asks for the end of this process; shows its output meanwhile if `follow`.
///
/// # Errors
/// If the cluster cannot be asked any more: the outcome is unknown then.
pub(super) async fn wait_for_end(
    client: &SubmissionClient,
    id: &DriverId,
    follow: bool,
    end_requests: &mut EndRequests,
) -> Result<Waited, Failure> {
    let mut follower = follow.then(|| Follower::new(id.clone()));
    let mut line = StatusLine::new(follow);
    loop {
        let status = tokio::select! {
            biased;
            // A person that does not want to wait any more is obeyed at once.
            request = end_requests.next() => return Ok(Waited::Asked(request)),
            status = ask(client, id) => status?,
        };
        if let Some(follower) = &mut follower {
            follower.see(&status);
        }
        if status.state.is_final() {
            if let Some(follower) = follower {
                follower.finish().await;
            }
            line.end(&status);
            return Ok(Waited::Ended(status));
        }
        line.show(&status);
        tokio::select! {
            biased;
            request = end_requests.next() => return Ok(Waited::Asked(request)),
            () = tokio::time::sleep(POLL_EVERY) => {}
        }
    }
}

async fn ask(client: &SubmissionClient, id: &DriverId) -> Result<DriverStatus, Failure> {
    let unknown = |why: String| {
        Failure::OutcomeUnknown(format!("driver {id} was accepted, but how it ended is not known: {why}"))
    };
    match client.status(id).await {
        Ok(DriverReport { status: Some(status), .. }) => Ok(status),
        Ok(_) => Err(unknown("the cluster does not list it any more".to_owned())),
        Err(error) => Err(unknown(error.to_string())),
    }
}

/// The exit code that stands for the end of a driver.
pub(super) fn exit_code(status: &DriverStatus) -> ExitCode {
    match (status.state, status.exit_code) {
        (DriverState::Finished, _) => ExitCode::SUCCESS,
        (DriverState::Failed | DriverState::Killed, Some(code)) if code != 0 => exit::of_program(code),
        _ => ExitCode::from(exit::FAILED),
    }
}

/// Where a driver stands, in one line.
fn standing(status: &DriverStatus) -> String {
    let place = status.worker.as_ref().filter(|_| !status.state.is_final());
    let parts = [
        Some(format!("driver {} {}", status.driver, status.state)),
        (status.attempt.0 > 1).then(|| format!(", attempt {}", status.attempt)),
        place.map(|worker| format!(" on {worker}")),
        status.exit_code.map(|code| format!(", exit code {code}")),
        status.message.as_ref().map(|message| format!(": {message}")),
    ];
    parts.into_iter().flatten().collect()
}

/// The live line on a terminal; elsewhere one line per change. Standard error in both cases.
struct StatusLine {
    bar: Option<ProgressBar>,
    last: String,
    with_output: bool,
}

impl StatusLine {
    /// A line beside which the driver's output is shown stays out of its way: it only tells the end.
    fn new(with_output: bool) -> Self {
        let live = io::stderr().is_terminal() && !with_output;
        let bar = live.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(TICK_EVERY);
            bar
        });
        Self { bar, last: String::new(), with_output }
    }

    fn show(&mut self, status: &DriverStatus) {
        let text = standing(status);
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if self.with_output => {}
            None if text != self.last => {
                note(&text);
                self.last = text;
            }
            None => {}
        }
    }

    /// A driver that simply did its work, and whose output was shown, needs no epitaph.
    fn end(self, status: &DriverStatus) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.with_output || status.state != DriverState::Finished {
            note(&standing(status));
        }
    }
}

#[cfg(test)]
mod tests {
    use tanist_core::ids::{Attempt, WorkerId};

    use super::*;

    fn status(state: DriverState, exit_code: Option<i32>, message: Option<&str>) -> DriverStatus {
        DriverStatus {
            driver: DriverId::new("driver-1").unwrap(),
            state,
            attempt: Attempt(1),
            worker: Some(WorkerId::new("w").unwrap()),
            worker_address: None,
            exit_code,
            message: message.map(str::to_owned),
        }
    }

    #[test]
    fn the_driver_s_exit_code_is_ours() {
        let table = [
            (DriverState::Finished, Some(0), 0),
            (DriverState::Failed, Some(3), 3),
            (DriverState::Failed, Some(137), 137),
            (DriverState::Failed, None, 1),
            (DriverState::Killed, Some(143), 143),
            (DriverState::Killed, Some(0), 1),
            (DriverState::Killed, None, 1),
            (DriverState::Error, None, 1),
            (DriverState::Error, Some(0), 1),
        ];
        for (state, code, wanted) in table {
            assert_eq!(exit_code(&status(state, code, None)), ExitCode::from(wanted), "{state} {code:?}");
        }
    }

    #[test]
    fn a_driver_s_standing_is_one_line() {
        assert_eq!(standing(&status(DriverState::Running, None, None)), "driver driver-1 RUNNING on w");
        let failed = status(DriverState::Failed, Some(3), None);
        assert_eq!(standing(&failed), "driver driver-1 FAILED, exit code 3");
        let error = status(DriverState::Error, None, Some("cannot start program \"/x\""));
        assert_eq!(standing(&error), "driver driver-1 ERROR: cannot start program \"/x\"");
    }
}
