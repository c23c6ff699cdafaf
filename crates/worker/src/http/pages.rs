//! Where the worker's faces are.

use std::sync::Arc;

use tokio::sync::Semaphore;

use tanist_core::worker::WorkerStatus;
use tanist_web::answer;
use tanist_web::axum::Router;
use tanist_web::axum::extract::rejection::QueryRejection;
use tanist_web::axum::extract::{Query as Parameters, State};
use tanist_web::axum::http::{HeaderMap, StatusCode, Uri};
use tanist_web::axum::middleware::map_response;
use tanist_web::axum::response::Response;
use tanist_web::axum::routing::get;
use tanist_web::prometheus::CONTENT_TYPE;
use tanist_web::turn::in_turn;

use super::log::{Piece, Query};
use super::{health, json, log_page, metrics};
use crate::board::Board;
use crate::place::Place;

/// Output read from the disk at a time: readers are many, and programs need the disk too.
const READERS: usize = 8;

/// What there is, for those who ask for something else.
const NOTHING_HERE: &str =
    "nothing here. There is: /json/ /metrics/json/ /metrics/prometheus/ /log/ /logPage/ /livez /readyz";

/// What the faces read from. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    board: Arc<Board>,
    place: Arc<Place>,
    readers: Arc<Semaphore>,
}

impl Pages {
    pub(crate) fn new(board: Arc<Board>, place: Arc<Place>) -> Self {
        Self { board, place, readers: Arc::new(Semaphore::new(READERS)) }
    }
}

/// Parameters in the order they came, or what is wrong with them.
type Given = Result<Parameters<Vec<(String, String)>>, QueryRejection>;

/// The faces. Whatever is not GET or HEAD is 405.
pub(crate) fn router(pages: Pages) -> Router {
    Router::new()
        .route("/json", get(with_slash))
        .route("/json/", get(json))
        .route("/metrics/json", get(with_slash))
        .route("/metrics/json/", get(gauges))
        .route("/metrics/prometheus", get(with_slash))
        .route("/metrics/prometheus/", get(prometheus))
        .route("/log", get(with_slash))
        .route("/log/", get(log))
        .route("/logPage", get(with_slash))
        .route("/logPage/", get(log_page))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(|| async { answer::plain(StatusCode::NOT_FOUND, NOTHING_HERE.to_owned()) })
        .with_state(pages)
        .layer(map_response(answer::with_headers))
}

async fn with_slash(headers: HeaderMap, uri: Uri) -> Response {
    answer::with_slash(&headers, &uri)
}

async fn json(State(pages): State<Pages>) -> Response {
    pages.shown(|status| answer::json(&json::whole(status))).await
}

async fn gauges(State(pages): State<Pages>) -> Response {
    pages.shown(|status| answer::json_line(&metrics::document(status))).await
}

async fn prometheus(State(pages): State<Pages>) -> Response {
    pages.shown(|status| answer::text(StatusCode::OK, CONTENT_TYPE, metrics::prometheus(status))).await
}

async fn livez(State(pages): State<Pages>) -> Response {
    probe(health::live(&pages.board))
}

async fn readyz(State(pages): State<Pages>) -> Response {
    let status = pages.board.read().await;
    probe(health::ready(&pages.board, status.as_deref()))
}

async fn log(State(pages): State<Pages>, given: Given) -> Response {
    match pages.piece(given).await {
        Ok((_, piece)) => answer::text(StatusCode::OK, "text/plain;charset=utf-8", piece.to_text()),
        Err((status, why)) => answer::plain(status, why),
    }
}

async fn log_page(State(pages): State<Pages>, given: Given) -> Response {
    // Before the output, which nobody holds who waits for something else.
    let status = pages.board.read().await;
    let master = status.as_ref().and_then(|status| status.following.leader()).map(|leader| leader.ui_url.clone());
    match pages.piece(given).await {
        Ok((query, piece)) => {
            let page = log_page::page(&query, &piece, master.as_deref().filter(|url| !url.is_empty()));
            answer::text(StatusCode::OK, "text/html;charset=utf-8", page)
        }
        Err((status, why)) => answer::plain(status, why),
    }
}

impl Pages {
    async fn shown(&self, show: impl FnOnce(&WorkerStatus) -> Response) -> Response {
        match self.board.read().await {
            Some(status) => show(&status),
            None => answer::plain(StatusCode::SERVICE_UNAVAILABLE, "the worker is starting".to_owned()),
        }
    }

    async fn piece(&self, given: Given) -> Result<(Query, Piece), (StatusCode, String)> {
        let bad = |why| (StatusCode::BAD_REQUEST, why);
        let Parameters(parameters) = given.map_err(|error| bad(error.body_text()))?;
        let query = Query::read(&parameters).map_err(|error| bad(error.to_string()))?;
        let stops = |_| (StatusCode::SERVICE_UNAVAILABLE, "the worker stops".to_owned());
        let turn = self.readers.clone().acquire_owned().await.map_err(stops)?;
        let place = self.place.clone();
        let read = in_turn(turn, move || {
            let piece = query.piece(&place);
            (query, piece)
        });
        read.await.map_err(|died| (StatusCode::INTERNAL_SERVER_ERROR, format!("reading logs: {died}")))
    }
}

fn probe((yes, text): (bool, String)) -> Response {
    answer::plain(if yes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}
