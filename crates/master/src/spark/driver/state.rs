//! Who is at the other end of a connection, and what is to happen next for it.

use std::future::pending;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use tanist_core::ids::AppId;
use tanist_core::msg::{MasterToApp, RegisterApplication};

use super::describe::Driver;
use crate::spark::session::Session;

/// Who has said something and is nobody yet says more within this time; a driver that no master answers repeats its
/// registration every 20 s.
const NEXT_FRAME_WITHIN: Duration = Duration::from_secs(60);

/// Who is at the other end.
pub(super) enum State {
    /// Somebody who has not registered, and who must say something until then.
    Stranger(Instant),
    /// A driver that has registered and was not answered.
    Waiting(Box<Waiting>),
    /// The driver of an application.
    Registered(Box<Registered>),
}

pub(super) struct Waiting {
    pub(super) driver: Driver,
    /// What the loop is told, or why it cannot be.
    pub(super) registration: Result<RegisterApplication, String>,
    pub(super) session: Option<Session>,
    /// When it is offered to the loop; none = it was, and is not answered yet.
    pub(super) offer_at: Option<Instant>,
    pub(super) until: Instant,
}

pub(super) struct Registered {
    pub(super) driver: Driver,
    pub(super) registration: RegisterApplication,
    pub(super) session: Session,
    /// Its id; none = its driver was called, and the loop has yet to confirm it.
    pub(super) app: Option<AppId>,
    /// Its driver has said that it ends, and hears nothing more.
    pub(super) leaves: bool,
    /// When its driver is to be told again who leads, and of which pages.
    pub(super) reminder: Option<(Instant, String)>,
    /// Hears that the loop has taken a driver that was called.
    pub(super) taken: Option<oneshot::Sender<()>>,
}

/// What happens next on this side.
pub(super) enum Next {
    Told(Option<MasterToApp>),
    Due,
}

impl State {
    /// Safe to drop.
    pub(super) async fn next(&mut self) -> Next {
        let (session, due) = match self {
            Self::Stranger(until) => (None, Some(*until)),
            Self::Waiting(waiting) => {
                let due = waiting.offer_at.map_or(waiting.until, |at| at.min(waiting.until));
                (waiting.session.as_mut(), Some(due))
            }
            Self::Registered(registered) => {
                (Some(&mut registered.session), registered.reminder.as_ref().map(|(at, _)| *at))
            }
        };
        let told = async { if let Some(session) = session { session.told().await } else { pending().await } };
        let due = async { if let Some(at) = due { sleep_until(at).await } else { pending().await } };
        tokio::select! {
            biased;
            told = told => Next::Told(told),
            () = due => Next::Due,
        }
    }

    /// Somebody who has said something that makes nobody of him.
    pub(super) fn stranger() -> Self {
        Self::Stranger(Instant::now() + NEXT_FRAME_WITHIN)
    }
}
