//! One request, answered: what changes something is asked of the machine, the rest is read from the board.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use tanist_core::ids::DriverId;
use tanist_core::model::MasterRole;
use tanist_core::msg::{ClientReply, ClientRequest, DriverStatus, NotLeading};
use tanist_proto::convert::status::StatusAnswer;
use tanist_web::axum::body::{Body, Bytes};
use tanist_web::axum::extract::State;
use tanist_web::axum::http::header::{ALLOW, ORIGIN, RETRY_AFTER};
use tanist_web::axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tanist_web::axum::response::Response;

use super::Variables;
use super::describe::{Here, describe};
use super::message::{self, Message, UNKNOWN_VERSION};
use super::request::{Malformed, Submission};
use super::route::{Route, WHERE, route};
use crate::board::Leadership;
use crate::connect::{Unreached, knock};
use crate::doing::Following;
use crate::error::RequestError;
use crate::handle::MasterHandle;
use crate::limits;

/// How long an answer waits for a leader to be known. With the machine's own patience it stays below the 10 s that Spark's
/// client waits (SS-05).
const LEADER_PATIENCE: Duration = Duration::from_secs(4);

/// What all requests share.
#[derive(Debug)]
pub(super) struct Rest {
    master: MasterHandle,
    here: Here,
    version: String,
}

/// Answers any request at all.
pub(super) async fn handle(
    State(rest): State<Arc<Rest>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // Browsers name the page that asks; no client of this protocol does. A page must not reach a port that is open to
    // this host only.
    if headers.contains_key(ORIGIN) {
        return rest.error(StatusCode::FORBIDDEN, "Requests of web pages are not answered");
    }
    match route(&method, uri.path()) {
        Route::Create => rest.create(&body).await,
        Route::Kill(id) => rest.kill(id).await,
        Route::KillAll => rest.kill_all().await,
        Route::Clear => rest.clear().await,
        Route::Status(id) => rest.status(id).await,
        Route::Ready => rest.ready(),
        Route::Options { allowed } => allowing(Response::new(Body::empty()), allowed),
        Route::WrongMethod { allowed } => {
            let why = format!("HTTP method {method} is not supported by this URL; allowed: {allowed}");
            allowing(rest.error(StatusCode::METHOD_NOT_ALLOWED, &why), allowed)
        }
        Route::Nowhere(missing) => rest.error(StatusCode::BAD_REQUEST, &format!("{missing} {WHERE}")),
        Route::UnknownVersion(version) => {
            let status = StatusCode::from_u16(UNKNOWN_VERSION).unwrap_or(StatusCode::BAD_REQUEST);
            rest.error(status, &format!("Unknown protocol version '{version}'. {WHERE}"))
        }
    }
}

impl Rest {
    pub(super) fn new(master: MasterHandle, rest_port: u16, version: String, variables: Variables) -> Self {
        let here = Here { rpc: master.address().to_owned(), rest_port, variables };
        Self { master, here, version }
    }

    /// Asks the machine. While nobody is known to lead, the answer waits for that: a client walks along its masters only
    /// once, and a change of leader must not look like a cluster without one.
    async fn ask(&self, request: ClientRequest) -> Result<ClientReply, RequestError> {
        self.leader_known().await;
        self.master.request(request).await
    }

    async fn leader_known(&self) {
        let mut leadership = self.master.leadership();
        let mut following = self.master.me().board.following.subscribe();
        let known = async {
            loop {
                let (now, heard) = (leadership.borrow_and_update().clone(), *following.borrow_and_update());
                if is_known(&now, heard) && !is_refused(&now).await {
                    break;
                }
                let changed = tokio::select! {
                    biased;
                    changed = leadership.changed() => changed,
                    changed = following.changed() => changed,
                };
                if changed.is_err() {
                    break;
                }
            }
        };
        if timeout(LEADER_PATIENCE, known).await.is_err() {
            tracing::debug!("nobody is known to lead");
        }
    }

    /// Each request makes a new driver: the protocol has no name for a request, so that a repetition cannot be told
    /// from another submission of the same program (RE-07).
    async fn create(&self, body: &[u8]) -> Response {
        let submission = match Submission::read(body) {
            Ok(submission) => submission,
            Err(malformed) => return self.malformed(&malformed),
        };
        let description = match describe(&submission, &self.here) {
            Ok(description) => description,
            Err(malformed) => return self.malformed(&malformed),
        };
        if let Err(error) = limits::check_driver(&description) {
            return self.error(StatusCode::BAD_REQUEST, &format!("Malformed request: {error}"));
        }
        let request = ClientRequest::SubmitDriver { request: None, description: Box::new(description) };
        let created = Message { unknown_fields: submission.unknown, ..self.message("CreateSubmissionResponse") };
        match self.ask(request).await {
            Ok(ClientReply::Submitted { driver }) => Message {
                message: Some(format!("Driver successfully submitted as {driver}")),
                submission_id: Some(driver.to_string()),
                success: Some(true),
                ..created
            }
            .ok(),
            Ok(ClientReply::Invalid { reason }) => {
                self.error(StatusCode::BAD_REQUEST, &format!("Malformed request: {reason}"))
            }
            Ok(ClientReply::NotLeading(not)) => {
                let why = not_alive(&not, "Can only accept driver submissions in ALIVE state.");
                Message { message: Some(why), success: Some(false), ..created }.ok()
            }
            other => self.without(other),
        }
    }

    async fn kill(&self, id: Option<String>) -> Response {
        let Some(id) = id else {
            return self.error(StatusCode::BAD_REQUEST, "Submission ID is missing in kill request.");
        };
        let (found, why) = match DriverId::new(&id) {
            // No driver can be called so.
            Err(_) => (false, format!("Driver {id} has already finished or does not exist")),
            Ok(driver) => match self.ask(ClientRequest::KillDriver { driver }).await {
                Ok(ClientReply::KillRequested { found, message }) => (found, message),
                Ok(ClientReply::NotLeading(not)) => (false, not_alive(&not, CANNOT_KILL)),
                other => return self.without(other),
            },
        };
        let killed = self.message("KillSubmissionResponse");
        Message { message: Some(why), submission_id: Some(id), success: Some(found), ..killed }.ok()
    }

    async fn kill_all(&self) -> Response {
        let (done, why) = match self.ask(ClientRequest::KillAllDrivers).await {
            Ok(ClientReply::KillAllRequested { .. }) => (true, "Kill request for all drivers submitted".to_owned()),
            Ok(ClientReply::NotLeading(not)) => (false, not_alive(&not, CANNOT_KILL)),
            other => return self.without(other),
        };
        Message { message: Some(why), success: Some(done), ..self.message("KillAllSubmissionResponse") }.ok()
    }

    /// A standby has nothing to forget, and says yes as the original does.
    async fn clear(&self) -> Response {
        match self.ask(ClientRequest::ClearCompleted).await {
            Ok(ClientReply::Cleared | ClientReply::NotLeading(_)) => self.done("ClearResponse"),
            other => self.without(other),
        }
    }

    async fn status(&self, id: Option<String>) -> Response {
        let Some(id) = id else {
            return self.error(StatusCode::BAD_REQUEST, "Submission ID is missing in status request.");
        };
        let answer = match DriverId::new(&id) {
            Ok(driver) => {
                self.leader_known().await;
                self.master.driver_status(&driver).await.map(Some)
            }
            // No driver can be called so.
            Err(_) => Ok(None),
        };
        let told =
            Message { submission_id: Some(id), success: Some(false), ..self.message("SubmissionStatusResponse") };
        match answer {
            Ok(Some(StatusAnswer::Report(report))) => report.status.map_or(told.clone(), |s| with_status(told, s)).ok(),
            Ok(Some(StatusAnswer::NotLeading(not))) => {
                let why = not_alive(&not, "Can only request driver status in ALIVE state.");
                Message { message: Some(exception(&format!("java.lang.Exception: {why}"))), ..told }.ok()
            }
            Ok(None) => told.ok(),
            Err(error) => self.unanswered(&error),
        }
    }

    /// RE-16. A leader past its local deadline does not know whether it leads.
    fn ready(&self) -> Response {
        if self.master.me().board.may_act() {
            return self.done("ReadyzResponse");
        }
        self.error(StatusCode::SERVICE_UNAVAILABLE, "Master is not ready.")
    }

    fn message(&self, action: &'static str) -> Message<'_> {
        Message { action, server_spark_version: &self.version, ..Message::default() }
    }

    fn done(&self, action: &'static str) -> Response {
        Message { message: Some(String::new()), success: Some(true), ..self.message(action) }.ok()
    }

    fn error(&self, status: StatusCode, why: &str) -> Response {
        message::error(&self.version, status, why)
    }

    fn malformed(&self, why: &Malformed) -> Response {
        self.error(StatusCode::BAD_REQUEST, &why.to_string())
    }

    /// An answer that the machine did not give, or that belongs to another request.
    fn without(&self, reply: Result<ClientReply, RequestError>) -> Response {
        match reply {
            Err(error) => self.unanswered(&error),
            Ok(reply) => {
                tracing::error!(?reply, "the machine's reply is of another kind than the request");
                self.error(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The reply is of another kind than the request; see the log",
                )
            }
        }
    }

    /// No answer, but perhaps one for a client that asks again, here or at the next master.
    fn unanswered(&self, error: &RequestError) -> Response {
        if let RequestError::NeverStorable { .. } = error {
            return self.error(StatusCode::BAD_REQUEST, &format!("Malformed request: {error}"));
        }
        let mut response = self.error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
        // Nothing that programs obey by themselves where a repetition may be a second driver.
        if !error.is_in_doubt() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Whether somebody leads as far as this master can tell: itself, or another one that it still hears.
fn is_known(now: &Leadership, following: Following) -> bool {
    match now.role {
        MasterRole::Standby => now.leader.is_some() && matches!(following, Following::Heard | Following::Nobody),
        MasterRole::Recovering | MasterRole::Alive => true,
        MasterRole::Suspended => false,
    }
}

/// Whether nobody listens any more where another one leads: its end is seen so a moment before it is certain. Whoever is
/// sent on in that moment finds no leader anywhere.
async fn is_refused(now: &Leadership) -> bool {
    match &now.leader {
        Some(leader) if now.role == MasterRole::Standby => {
            matches!(knock(&leader.address).await, Err(Unreached::Refused))
        }
        _ => false,
    }
}

const CANNOT_KILL: &str = "Can only kill drivers in ALIVE state.";

/// By its beginning clients know that another master has to be asked (SS-04).
fn not_alive(not: &NotLeading, consequence: &str) -> String {
    format!("Current state is not alive: {}. {consequence}", not.role)
}

/// RE-15
fn exception(text: &str) -> String {
    format!("Exception from the cluster:\n{text}")
}

fn with_status(told: Message<'_>, status: DriverStatus) -> Message<'_> {
    // While a driver waits, the message says for what: no exception, and nothing that the protocol has a place for.
    let why = status.message.filter(|_| status.state.is_final());
    Message {
        driver_state: Some(status.state.name()),
        message: why.map(|why| exception(&why)),
        success: Some(true),
        worker_host_port: status.worker_address,
        worker_id: status.worker.map(|worker| worker.to_string()),
        ..told
    }
}

fn allowing(mut response: Response, allowed: &'static str) -> Response {
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}
