//! Which path and method mean what (RE-02 … RE-04).

use tanist_web::axum::http::Method;

/// The only version of the protocol.
pub(super) const VERSION: &str = "v1";

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `POST /v1/submissions/create`
    Create,
    /// `POST /v1/submissions/kill/<id>`; the id may be missing.
    Kill(Option<String>),
    /// `POST /v1/submissions/killall`
    KillAll,
    /// `POST /v1/submissions/clear`
    Clear,
    /// `GET /v1/submissions/status/<id>`; the id may be missing.
    Status(Option<String>),
    /// `GET /v1/submissions/readyz`
    Ready,
    /// `OPTIONS` on one of these.
    Options {
        /// What is allowed there.
        allowed: &'static str,
    },
    /// Another method on one of these.
    WrongMethod {
        /// What is allowed there.
        allowed: &'static str,
    },
    /// Nothing is there; says what could be.
    Nowhere(&'static str),
    /// Another version of the protocol.
    UnknownVersion(String),
}

const NO_VERSION: &str = "Missing protocol version.";
const NO_PREFIX: &str = "Missing the /submissions prefix.";
const NO_ACTION: &str =
    "Missing an action: please specify one of /create, /kill, /killall, /clear, /status, or /readyz.";

/// Ends every hint.
pub(super) const WHERE: &str = "Please submit requests through http://[host]:[port]/v1/submissions/...";

/// Methods of what changes something, and of what is only read.
const POST: &str = "POST, OPTIONS";
const GET: &str = "GET, HEAD, OPTIONS";

/// What a method and a path mean.
pub(super) fn route(method: &Method, path: &str) -> Route {
    let path = path.strip_prefix('/').unwrap_or(path).trim_end_matches('/');
    let mut segments = path.split('/');
    match (segments.next(), segments.next(), segments.next()) {
        (None | Some(""), ..) => Route::Nowhere(NO_VERSION),
        (Some(VERSION), None, _) => Route::Nowhere(NO_PREFIX),
        (Some(VERSION), Some("submissions"), action) => act(method, action.unwrap_or_default(), segments.next()),
        (Some(other), ..) => Route::UnknownVersion(decoded(other)),
    }
}

fn act(method: &Method, action: &str, id: Option<&str>) -> Route {
    let id = || id.filter(|id| !id.is_empty()).map(decoded);
    let (route, allowed) = match action {
        "create" => (Route::Create, POST),
        "kill" => (Route::Kill(id()), POST),
        "killall" => (Route::KillAll, POST),
        "clear" => (Route::Clear, POST),
        "status" => (Route::Status(id()), GET),
        "readyz" => (Route::Ready, GET),
        _ => return Route::Nowhere(NO_ACTION),
    };
    if *method == Method::OPTIONS {
        Route::Options { allowed }
    } else if allowed.split(", ").any(|allowed| allowed == method.as_str()) {
        route
    } else {
        Route::WrongMethod { allowed }
    }
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_paths_mean_their_actions_t_rs_15() {
        let some = |id: &str| Some(id.to_owned());
        for (method, path, wanted) in [
            (Method::POST, "/v1/submissions/create", Route::Create),
            (Method::POST, "/v1/submissions/create/", Route::Create),
            (Method::POST, "/v1/submissions/kill/anything", Route::Kill(some("anything"))),
            (Method::POST, "/v1/submissions/kill/any/thing", Route::Kill(some("any"))),
            (Method::POST, "/v1/submissions/kill", Route::Kill(None)),
            (Method::POST, "/v1/submissions/kill//", Route::Kill(None)),
            (Method::POST, "/v1/submissions/killall", Route::KillAll),
            (Method::POST, "/v1/submissions/clear", Route::Clear),
            (Method::GET, "/v1/submissions/status/anything", Route::Status(some("anything"))),
            (Method::GET, "/v1/submissions/status/any/thing", Route::Status(some("any"))),
            (Method::HEAD, "/v1/submissions/status/a%20b", Route::Status(some("a b"))),
            (Method::GET, "/v1/submissions/status/%2e%2e", Route::Status(some(".."))),
            (Method::GET, "/v1/submissions/status/%ff", Route::Status(some("\u{fffd}"))),
            (Method::GET, "/v1/submissions/readyz", Route::Ready),
        ] {
            assert_eq!(route(&method, path), wanted, "{method} {path}");
        }
    }

    #[test]
    fn bad_paths_say_what_is_missing_whatever_the_method_re_03_t_rs_17() {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            for path in ["", "/"] {
                assert_eq!(route(&method, path), Route::Nowhere(NO_VERSION), "{method} {path}");
            }
            for path in ["/v1", "/v1/"] {
                assert_eq!(route(&method, path), Route::Nowhere(NO_PREFIX), "{method} {path}");
            }
            for path in ["/v1/submissions", "/v1/submissions/", "/v1/submissions/bad", "/v1/submissions/bad/create"] {
                assert_eq!(route(&method, path), Route::Nowhere(NO_ACTION), "{method} {path}");
            }
            for (path, version) in
                [("/bad-version", "bad-version"), ("/v2/submissions/create", "v2"), ("/v1x", "v1x"), ("/v1/foo", "v1")]
            {
                assert_eq!(route(&method, path), Route::UnknownVersion(version.to_owned()), "{method} {path}");
            }
        }
    }

    #[test]
    fn wrong_methods_are_told_the_right_ones_re_04() {
        for action in ["create", "kill/x", "killall", "clear"] {
            let path = format!("/v1/submissions/{action}");
            for method in [Method::GET, Method::HEAD, Method::PUT, Method::TRACE] {
                assert_eq!(route(&method, &path), Route::WrongMethod { allowed: POST }, "{method} {path}");
            }
            assert_eq!(route(&Method::OPTIONS, &path), Route::Options { allowed: POST });
        }
        for action in ["status/x", "readyz"] {
            let path = format!("/v1/submissions/{action}");
            for method in [Method::POST, Method::DELETE] {
                assert_eq!(route(&method, &path), Route::WrongMethod { allowed: GET }, "{method} {path}");
            }
        }
    }
}
