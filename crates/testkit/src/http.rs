//! The smallest HTTP client: one request, one connection, everything that came back.

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its first line: `HTTP/1.1 200 OK`.
    pub line: String,
    /// Its status.
    pub status: u16,
    /// Names and values, as and in the order they came.
    pub headers: Vec<(String, String)>,
    /// What came behind the headers.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A field of the body; null where there is none.
    pub fn field(&self, name: &str) -> Value {
        self.json()[name].take()
    }
}

/// Sends `GET <path>`, unchanged, to `host:port`.
///
/// # Errors
/// What was tried.
pub async fn get(address: &str, path: &str) -> Result<Answer> {
    ask(address, "GET", path).await
}

/// Sends a request without a body.
///
/// # Errors
/// What was tried.
pub async fn ask(address: &str, method: &str, path: &str) -> Result<Answer> {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    tell(address, request.as_bytes()).await
}

/// Sends these bytes, and reads all that comes back.
///
/// # Errors
/// What was tried.
pub async fn tell(address: &str, bytes: &[u8]) -> Result<Answer> {
    let told = async {
        let mut stream = TcpStream::connect(address).await.context("connecting")?;
        stream.write_all(bytes).await.context("sending")?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.context("reading")?;
        parse(&String::from_utf8_lossy(&heard)).context("not an answer")
    };
    let first_line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let what = || format!("{} at {address}", String::from_utf8_lossy(first_line));
    timeout(PATIENCE, told).await.with_context(what)?.with_context(what)
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(Answer { line, status, headers, body: body.to_owned() })
}
