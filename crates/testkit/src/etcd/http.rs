//! As much of HTTP as etcd's JSON gateway needs. Version 1.0: the answer ends with the connection, nothing is chunked.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How long one answer may take. A frozen member must not hold a test for long.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// `GET path` from `host:port`: the body, whatever the status.
pub(super) fn get(address: &str, path: &str) -> Result<String> {
    Ok(exchange(address, &format!("GET {path} HTTP/1.0\r\n\r\n"))?.1)
}

/// `POST body` to `host:port`: the status and the body.
pub(super) fn post(address: &str, path: &str, token: Option<&str>, body: &str) -> Result<(u16, String)> {
    let authorization = token.map(|token| format!("Authorization: {token}\r\n")).unwrap_or_default();
    let length = body.len();
    exchange(
        address,
        &format!(
            "POST {path} HTTP/1.0\r\nContent-Type: application/json\r\n{authorization}Content-Length: {length}\r\n\r\n{body}"
        ),
    )
}

fn exchange(address: &str, request: &str) -> Result<(u16, String)> {
    let target = address.parse().with_context(|| format!("{address:?} as host:port"))?;
    let mut connection = TcpStream::connect_timeout(&target, ANSWER_WITHIN)?;
    connection.set_read_timeout(Some(ANSWER_WITHIN))?;
    connection.set_write_timeout(Some(ANSWER_WITHIN))?;
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("no HTTP from {address}: {answer:?}") };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.with_context(|| format!("no status from {address}: {head:?}"))?, body.to_owned()))
}
