//! Answers in the form of the original's pages: their headers (UI-17), their JSON (UI-10), their redirects.

use std::future::{Ready, ready};

use axum::body::Body;
use axum::http::header::{
    self, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use crate::tree::Json;

/// The original's content type of JSON on its pages.
const JSON: &str = "text/json;charset=utf-8";

/// What every answer carries.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    (X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (VARY, HeaderValue::from_static("Accept-Encoding")),
];

/// Puts the headers of all pages on an answer (UI-17); for [`axum::middleware::map_response`].
pub fn with_headers(mut response: Response) -> Ready<Response> {
    response.headers_mut().extend(HEADERS.map(|(name, value)| (Some(name), value)));
    ready(response)
}

/// JSON over several lines, as the original's pages write it.
pub fn json(value: &Json) -> Response {
    crate::json::response(StatusCode::OK, JSON, value)
}

/// JSON in one line, as the original's metrics are.
pub fn json_line(value: &Json) -> Response {
    match serde_json::to_string(value) {
        Ok(line) => text(StatusCode::OK, JSON, line),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("writing JSON: {error}")),
    }
}

/// Text of a type.
pub fn text(status: StatusCode, content_type: &'static str, text: String) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static(content_type))], Body::from(text)).into_response()
}

/// Plain text, with a line end where it has none.
pub fn plain(status: StatusCode, mut line: String) -> Response {
    if !line.ends_with('\n') {
        line.push('\n');
    }
    text(status, "text/plain;charset=utf-8", line)
}

/// To the same address with a slash behind its path (UI-10), as the original does: an absolute one, if the request says on
/// which host.
pub fn with_slash(headers: &HeaderMap, uri: &Uri) -> Response {
    let is_plain = |host: &&str| host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(is_plain);
    let origin = host.map(|host| format!("http://{host}")).unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::try_from(format!("{origin}{}/{query}", uri.path())) {
        Ok(location) => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        Err(_) => plain(StatusCode::BAD_REQUEST, "address: it cannot be said in a header".to_owned()),
    }
}
