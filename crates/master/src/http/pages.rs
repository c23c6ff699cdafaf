//! Where the faces for reading are: `/json/`, `/metrics/…`, and what load balancers ask.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

use tanist_core::master::MasterView;
use tanist_core::model::MasterRole;
use tanist_store::clock;
use tanist_web::axum::Router;
use tanist_web::axum::extract::{FromRef, State};
use tanist_web::axum::http::{HeaderMap, StatusCode, Uri};
use tanist_web::axum::middleware::map_response;
use tanist_web::axum::response::Response;
use tanist_web::axum::routing::get;
use tanist_web::prometheus::CONTENT_TYPE;
use tanist_web::turn::in_turn;
use tanist_web::{Face, answer};

use super::health::{self, Question};
use super::json::{self, Shown};
use super::metrics;
use crate::handle::MasterHandle;

/// What there is, for those who ask for something else.
const NOTHING_HERE: &str = "nothing here. There is: /json/ /json/<field> /json/clusterutilization /metrics/master/json/ \
     /metrics/applications/json/ /metrics/prometheus/ /livez /readyz /leader /standby";

/// Texts of `/json/` that are written at a time: the store commits through the same pool of threads.
const WRITERS: usize = 2;

/// What the faces read from. Cheap to clone.
#[derive(Debug, Clone)]
struct Pages {
    handle: MasterHandle,
    writers: Arc<Semaphore>,
}

impl FromRef<Pages> for MasterHandle {
    fn from_ref(pages: &Pages) -> Self {
        pages.handle.clone()
    }
}

/// The port for reading.
pub(crate) fn web(handle: MasterHandle) -> Face {
    Face::of_pages(router(Pages { handle, writers: Arc::new(Semaphore::new(WRITERS)) }))
}

/// Whatever is not GET or HEAD is 405.
fn router(pages: Pages) -> Router {
    let health = |question| {
        get(move |State(handle): State<MasterHandle>| async move {
            let (yes, text) = health::answer(&handle, question);
            answer::plain(if yes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
        })
    };
    Router::new()
        .route("/json", get(with_slash))
        .route("/json/", get(json))
        .route("/json/{*rest}", get(json))
        .route("/metrics/master/json", get(with_slash))
        .route("/metrics/master/json/", get(master_metrics))
        .route("/metrics/applications/json", get(with_slash))
        .route("/metrics/applications/json/", get(application_metrics))
        .route("/metrics/prometheus", get(with_slash))
        .route("/metrics/prometheus/", get(prometheus))
        .route("/livez", health(Question::Live))
        .route("/readyz", health(Question::Ready))
        .route("/leader", health(Question::Leader))
        .route("/standby", health(Question::Standby))
        .fallback(|| async { answer::plain(StatusCode::NOT_FOUND, NOTHING_HERE.to_owned()) })
        .with_state(pages)
        .layer(map_response(answer::with_headers))
}

async fn with_slash(headers: HeaderMap, uri: Uri) -> Response {
    answer::with_slash(&headers, &uri)
}

async fn json(State(Pages { handle, writers }): State<Pages>, uri: Uri) -> Response {
    // A view is waited for without a turn, and a turn without a view: the one that is published by then is no older.
    let (role, _) = view(&handle).await;
    let Ok(turn) = writers.acquire_owned().await else {
        return answer::plain(StatusCode::SERVICE_UNAVAILABLE, "the master stops".to_owned());
    };
    let view = last_view(&handle, role);
    let rest = uri.path().strip_prefix("/json/").unwrap_or_default().to_owned();
    // Of a large cluster this is some megabytes of text.
    let written = in_turn(turn, move || {
        let shown = Shown { address: handle.address(), role, view: &view, zone: &TimeZone::system() };
        answer::json(&json::answer(&shown, &rest))
    });
    written.await.unwrap_or_else(|died| {
        answer::plain(StatusCode::INTERNAL_SERVER_ERROR, format!("writing the state of the cluster: {died}"))
    })
}

async fn master_metrics(State(handle): State<MasterHandle>) -> Response {
    answer::json_line(&metrics::master(&view(&handle).await.1))
}

async fn application_metrics(State(handle): State<MasterHandle>) -> Response {
    answer::json_line(&metrics::applications(&view(&handle).await.1))
}

async fn prometheus(State(handle): State<MasterHandle>) -> Response {
    let (_, view) = view(&handle).await;
    answer::text(StatusCode::OK, CONTENT_TYPE, metrics::prometheus(&handle, &view))
}

/// The published view, once there is one of now or none in time.
async fn view(handle: &MasterHandle) -> (MasterRole, Arc<MasterView>) {
    let role = handle.leadership().borrow().role;
    if role != MasterRole::Standby {
        handle.view().await;
    }
    (role, last_view(handle, role))
}

/// The view that is published; of a standby, an empty cluster: what it last knew as a leader is nobody's business any more.
fn last_view(handle: &MasterHandle, role: MasterRole) -> Arc<MasterView> {
    if role == MasterRole::Standby {
        return Arc::new(MasterView { taken_at: clock::wall(), ..MasterView::default() });
    }
    handle.me().board.last_view()
}
