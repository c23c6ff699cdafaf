//! Asking the masters about the office.

use std::time::SystemTime;

use futures_util::future::join_all;
use tanist_client::HaClient;
use tanist_core::time::millis;

use crate::cmd::Context;
use crate::cmd::client::{ClientFlags, client};
use crate::exit::Failure;
use crate::office::{Picture, Said};
use crate::output::Output;

/// Which cluster to ask, and how to show what it says.
///
/// # Errors
/// Settings that are not allowed, or masters that nobody named.
pub(super) fn masters(context: &Context, flags: &ClientFlags) -> Result<(HaClient, Output), Failure> {
    let client = client(context, flags)?;
    Ok((HaClient::new(client.cluster.masters().clone()), client.output))
}

/// Asks every configured master, and then those whom they name and who are not configured.
pub(super) async fn picture(client: &HaClient, history_limit: u32) -> Picture {
    let configured = client.survey(history_limit).await.into_iter();
    let mut said: Vec<Said> = configured.map(|(address, answer)| Said { address, configured: true, answer }).collect();
    let ask = async |address: String| {
        let answer = client.ask(&address, history_limit).await;
        Said { address, configured: false, answer }
    };
    said.extend(join_all(Picture::unasked(&said).into_iter().map(ask)).await);
    Picture::new(said, now_ms())
}

/// This host's wall clock. One before 1970 is shown as 1970; nothing is decided by it.
pub(super) fn now_ms() -> u64 {
    millis(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}
