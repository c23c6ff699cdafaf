//! Fail points: places where a test may make this process fail. Without the feature `failpoints` nothing of this is in
//! the program. A simulated host orders its own (feature `simulated`).
//!
//! A test names them in the environment of the process, in the form of the crate `fail`:
//! `FAILPOINTS="store.commit.after=1*off->return(kill)"`. What `return` may ask for:
//!
//! | action | what happens there |
//! |---|---|
//! | `kill` | the process is gone at once, without a word to anybody |
//! | `error` | the call fails; at a point *before* a call nothing was sent, at a point *after* it the answer is lost |
//! | `wait:<milliseconds>` | the call waits that long, and then goes on |

use std::time::Duration;

/// A fault that a test has ordered.
#[derive(Debug, thiserror::Error)]
#[error("fail point {0}: an error was ordered")]
pub struct Injected(&'static str);

/// Sets up the fail points named in `FAILPOINTS`; to be held until the process ends. Does nothing without the feature.
#[must_use]
pub fn setup() -> impl Drop {
    #[cfg(feature = "failpoints")]
    return Scenario { _scenario: fail::FailScenario::setup() };
    #[cfg(not(feature = "failpoints"))]
    return Scenario {};
}

struct Scenario {
    #[cfg(feature = "failpoints")]
    _scenario: fail::FailScenario<'static>,
}

impl Drop for Scenario {
    fn drop(&mut self) {}
}

/// Comes to a fail point where nothing can wait: a `wait` there does nothing.
///
/// # Errors
/// If a test has ordered one.
#[cfg_attr(not(feature = "failpoints"), inline)]
pub fn hit(name: &'static str) -> Result<(), Injected> {
    match ordered(name) {
        Some(Ordered::Kill) => std::process::abort(),
        Some(Ordered::Error) => Err(Injected(name)),
        Some(Ordered::Wait(_)) | None => Ok(()),
    }
}

/// Comes to a fail point.
///
/// # Errors
/// If a test has ordered one.
#[cfg_attr(not(feature = "failpoints"), inline)]
pub async fn reach(name: &'static str) -> Result<(), Injected> {
    match ordered(name) {
        Some(Ordered::Kill) => std::process::abort(),
        Some(Ordered::Error) => Err(Injected(name)),
        Some(Ordered::Wait(pause)) => {
            tokio::time::sleep(pause).await;
            Ok(())
        }
        None => Ok(()),
    }
}

/// What a test may order.
#[cfg_attr(not(feature = "failpoints"), allow(dead_code, reason = "nobody can order everything"))]
enum Ordered {
    Kill,
    Error,
    Wait(Duration),
}

#[cfg_attr(not(feature = "failpoints"), inline)]
fn ordered(name: &'static str) -> Option<Ordered> {
    #[cfg(feature = "simulated")]
    if let Some(host) = crate::simulated::host() {
        return host.ordered(name).map(|order| match order {
            crate::simulated::Order::Error => Ordered::Error,
            crate::simulated::Order::Wait(pause) => Ordered::Wait(pause),
        });
    }
    by_environment(name)
}

#[cfg(not(feature = "failpoints"))]
#[inline]
fn by_environment(_name: &'static str) -> Option<Ordered> {
    None
}

#[cfg(feature = "failpoints")]
fn by_environment(name: &'static str) -> Option<Ordered> {
    let action = fail::eval(name, Option::unwrap_or_default)?;
    tracing::warn!(name, action, "fail point");
    Some(match action.strip_prefix("wait:").map(str::parse) {
        Some(Ok(milliseconds)) => Ordered::Wait(Duration::from_millis(milliseconds)),
        _ if action == "kill" => Ordered::Kill,
        _ => Ordered::Error,
    })
}
