//! `tanist ctl explain`.

use std::process::ExitCode;

use super::ask;
use crate::cmd::Context;
use crate::cmd::client::ClientFlags;
use crate::exit::{self, Failure};
use crate::office::{self, Books, Explanation, Verdict};

/// Terms of the history that are looked at: far more than anybody should have within minutes.
const TERMS: u32 = 20;

/// Say why there is no leader, who is waited for, and what is not as it should be
///
/// Ends with 0 where a leader is ALIVE and nothing is missing, 6 where nobody leads, 1 otherwise.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let (client, output) = ask::masters(context, &args.client)?;
    let picture = ask::picture(&client, TERMS).await;
    let books = match picture.leading() {
        None => None,
        Some(leader) => {
            let state = client.masters().state_of(&leader.address).await;
            Some(state.map(Books::from).map_err(|error| error.to_string()))
        }
    };
    let explanation = office::explain(&picture, books.as_ref());
    output.item(&explanation, |explanation| {
        let findings: Vec<String> = explanation.findings.iter().map(|finding| finding.text.clone()).collect();
        output.sentences(&explanation.summary, &findings)
    })?;
    Ok(code(&explanation))
}

fn code(explanation: &Explanation) -> ExitCode {
    ExitCode::from(match explanation.verdict {
        Verdict::Fine => 0,
        Verdict::Trouble => exit::FAILED,
        Verdict::NoLeader => exit::NO_LEADER,
    })
}
