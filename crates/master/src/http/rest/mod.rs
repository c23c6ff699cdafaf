//! The REST submission server (RE-01 … RE-20): protocol v1 as `spark-submit` and others speak it.
//!
//! | module | holds |
//! |---|---|
//! | `route` | which path and method mean what |
//! | `request` | the body of a submission, field by field |
//! | `describe` | from it to the description of a driver |
//! | `words` | splitting a line of options as a shell does, without any shell |
//! | `message` | the answers |
//! | `answer` | one request, answered |

mod answer;
pub(crate) mod describe;
mod message;
mod request;
mod route;
mod words;

#[cfg(test)]
mod describe_tests;
#[cfg(test)]
mod request_tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use tanist_web::axum::Router;
use tanist_web::axum::http::StatusCode;
use tanist_web::{Face, JwsKey, Limits};

use crate::handle::MasterHandle;
use answer::{Rest, handle};

/// The version of Spark that is named in answers unless another one is set: that of the contract. Clients of other
/// versions take it as well.
pub const SPARK_VERSION: &str = "4.1.4";

/// How the REST submission server of a master behaves.
#[derive(Debug, Clone)]
pub struct RestOptions {
    /// What a client may take of this process.
    pub limits: Limits,
    /// Whoever asks must show a token signed with this key (RE-18); none = everybody may ask.
    pub key: Option<JwsKey>,
    /// `serverSparkVersion` of all answers.
    pub spark_version: String,
    /// Port by which clients reach it.
    pub port: u16,
    /// What `{{NAME}}` may stand for in a submission (RE-13).
    pub variables: Variables,
}

/// Environment variables by name. Some hold secrets, so that values are in no log.
#[derive(Clone, Default)]
pub struct Variables(pub BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

/// Serves submissions until `stop`.
pub(crate) async fn serve(master: MasterHandle, listener: TcpListener, options: RestOptions, stop: CancellationToken) {
    let version = options.spark_version.clone();
    let face = Face {
        name: "rest",
        router: Router::new().fallback(handle).with_state(Arc::new(Rest::new(
            master,
            options.port,
            options.spark_version,
            options.variables,
        ))),
        error: Arc::new(move |status: StatusCode, why: &str| message::error(&version, status, why)),
        key: options.key,
        limits: options.limits,
    };
    tanist_web::serve(listener, face, stop).await;
}
