//! Getting one file over http or https, with limits on everything the other side decides.

use std::{error::Error, io, path::Path, time::Duration};

use backoff::{ExponentialBackoff, future::retry_notify};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, combinators::BoxBody};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tanist_core::time::millis;
use tokio::{fs::File, io::AsyncWriteExt as _, time::timeout};
use tonic::codegen::http::{Response, Uri};

use super::{
    RunnerError,
    artifact::{FetchLimits, STEP_BYTES, scheme},
    blocking,
};

/// Redirects followed before the chain counts as endless.
const MAX_REDIRECTS: usize = 5;
/// Pause before the second attempt; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The file on its way; errors are already text.
type Body = BoxBody<Bytes, String>;
type Attempt<T> = Result<T, backoff::Error<RunnerError>>;

/// Downloads `url` into the new file `to`, repeating what may succeed the next time.
pub(super) async fn download(url: &str, to: &Path, limits: &FetchLimits) -> Result<(), RunnerError> {
    let pauses = ExponentialBackoff {
        initial_interval: FIRST_PAUSE,
        max_interval: LONGEST_PAUSE,
        multiplier: 2.0,
        max_elapsed_time: Some(limits.retry_for),
        ..ExponentialBackoff::default()
    };
    let notify = |error, pause: Duration| {
        tracing::info!(error = %error, pause_ms = millis(pause), "fetch is tried again");
    };
    retry_notify(pauses, || attempt(url, to, limits), notify).await
}

/// The URL without user, password, query and fragment: signed URLs carry their secret in the query.
pub(super) fn without_secrets(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("://") else { return bare.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

async fn attempt(url: &str, to: &Path, limits: &FetchLimits) -> Attempt<()> {
    let mut url = url.to_owned();
    for _ in 0..=MAX_REDIRECTS {
        let response = get(&url, limits).await?;
        let status = response.status();
        if status.is_success() {
            return save(response, &url, to, limits).await;
        }
        if !status.is_redirection() {
            let error = RunnerError::HttpStatus { url: without_secrets(&url), status: status.as_u16() };
            let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            return Err(if passing { backoff::Error::transient(error) } else { backoff::Error::permanent(error) });
        }
        let location = response.headers().get("location").and_then(|value| value.to_str().ok());
        url = redirect(&url, location).map_err(|problem| {
            backoff::Error::permanent(RunnerError::HttpRedirect { url: without_secrets(&url), problem })
        })?;
    }
    let problem = format!("more than {MAX_REDIRECTS} redirects");
    Err(backoff::Error::permanent(RunnerError::HttpRedirect { url: without_secrets(&url), problem }))
}

async fn get(url: &str, limits: &FetchLimits) -> Attempt<Response<Body>> {
    let bad = |problem| backoff::Error::permanent(RunnerError::BadLocation { location: without_secrets(url), problem });
    let uri: Uri = url.parse().map_err(|error| bad(format!("not a URL: {error}")))?;
    // The client would take the scheme's own port instead of one that is no number.
    if uri.port_u16().is_none()
        && uri.authority().is_none_or(|authority| !authority.as_str().ends_with(authority.host()))
    {
        return Err(bad("no host, or a port that is none".to_owned()));
    }
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(limits.connect));
    // Plain connections do not need the host's certificates, and must work where there are none.
    let answer = if uri.scheme_str() == Some("https") {
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
            let problem = format!("the host's root certificates cannot be read: {error}");
            backoff::Error::permanent(RunnerError::Http { url: without_secrets(url), problem })
        })?;
        let connector = tls.https_only().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
        timeout(limits.idle, client.get(uri)).await
    } else {
        let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(tcp);
        timeout(limits.idle, client.get(uri)).await
    };
    let response = answer.map_err(|_| idle(url, limits))?.map_err(|error| broken(url, chain(&error)))?;
    Ok(response.map(|body| body.map_err(|error| chain(&error)).boxed()))
}

async fn save(response: Response<Body>, url: &str, to: &Path, limits: &FetchLimits) -> Attempt<()> {
    let location = without_secrets(url);
    let write_error = |error: io::Error| backoff::Error::permanent(RunnerError::io("write fetched file", to, error));
    let announced = response.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    let announced: u64 = announced.unwrap_or_default();
    limits.check_size(&location, announced).map_err(backoff::Error::permanent)?;
    check_room(&location, to, limits, announced).await?;
    let mut body = response.into_body();
    // Overwrites what an earlier attempt left.
    let mut file = File::create(to).await.map_err(write_error)?;
    let (mut received, mut look_again_at): (u64, u64) = (0, STEP_BYTES);
    while let Some(frame) = timeout(limits.idle, body.frame()).await.map_err(|_| idle(url, limits))? {
        let frame = frame.map_err(|problem| broken(url, problem))?;
        let Some(data) = frame.data_ref() else { continue };
        received += data.len() as u64;
        limits.check_size(&location, received).map_err(backoff::Error::permanent)?;
        file.write_all(data).await.map_err(write_error)?;
        if received >= look_again_at {
            look_again_at = received + STEP_BYTES;
            check_room(&location, to, limits, 0).await?;
        }
    }
    file.flush().await.map_err(write_error)
}

/// [`FetchLimits::check_room`] on a thread that may wait for the disk.
async fn check_room(location: &str, to: &Path, limits: &FetchLimits, bytes: u64) -> Attempt<()> {
    let (location, dir, limits) = (location.to_owned(), to.parent().unwrap_or(to).to_owned(), limits.clone());
    let of = dir.clone();
    let checked = blocking("read the free space of", &of, move || limits.check_room(&location, &dir, bytes));
    checked.await.map_err(backoff::Error::permanent)
}

fn idle(url: &str, limits: &FetchLimits) -> backoff::Error<RunnerError> {
    backoff::Error::transient(RunnerError::HttpIdle { url: without_secrets(url), idle: limits.idle })
}

fn broken(url: &str, problem: String) -> backoff::Error<RunnerError> {
    backoff::Error::transient(RunnerError::Http { url: without_secrets(url), problem })
}

/// The useful part of a client's error is at the end of its chain.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Where a redirect leads (RFC 3986, 4.2); never from https to http, and never away from http altogether.
fn redirect(from: &str, location: Option<&str>) -> Result<String, String> {
    let location = location.ok_or("redirect without a location")?;
    let (scheme, rest) = scheme(from).ok_or("redirect from a URL without a scheme")?;
    let rest = rest.trim_start_matches('/');
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let next = if self::scheme(location).is_some() {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{host}{path}{location}")
    } else {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{host}{folder}/{location}")
    };
    match (scheme.as_str(), self::scheme(&next).as_ref().map(|(scheme, _)| scheme.as_str())) {
        (_, Some("https")) | ("http", Some("http")) => Ok(next),
        _ => Err(format!("redirect from {scheme} to {:?} is not followed", without_secrets(&next))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_messages_carry_no_secrets() {
        assert_eq!(without_secrets("https://me:pw@host:1/a/b.jar?sig=x#y"), "https://host:1/a/b.jar");
        assert_eq!(without_secrets("http://host"), "http://host");
        assert_eq!(without_secrets("/a/b.jar"), "/a/b.jar");
    }

    #[test]
    fn redirects_are_resolved_and_never_leave_https() {
        let from = "http://h:1/a/b.jar?q=/x";
        assert_eq!(redirect(from, Some("/c")).unwrap(), "http://h:1/c");
        assert_eq!(redirect(from, Some("c.jar")).unwrap(), "http://h:1/a/c.jar");
        assert_eq!(redirect(from, Some("//i/c")).unwrap(), "http://i/c");
        assert_eq!(redirect(from, Some("https://i/c")).unwrap(), "https://i/c");
        assert_eq!(redirect("http://h", Some("c")).unwrap(), "http://h/c");
        let login = "login?back=http://h:1/a/b.jar";
        assert_eq!(
            redirect(from, Some(login)).unwrap(),
            format!("http://h:1/a/{login}"),
            "a URL in a query is no scheme"
        );
        assert_eq!(redirect(from, Some("?sig=1")).unwrap(), "http://h:1/a/b.jar?sig=1");
        assert_eq!(redirect("HTTP://h/a", Some("HTTPS://i/c")).unwrap(), "HTTPS://i/c");
        assert!(redirect(from, Some("mailto:me@h")).is_err());
        assert!(redirect("https://h/a", Some("http://h/a")).unwrap_err().contains("not followed"));
        assert!(redirect(from, Some("file:///etc/passwd")).is_err());
        assert!(redirect(from, None).is_err());
    }
}
