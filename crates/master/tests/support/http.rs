//! HTTP as it is on the wire: one request per connection.

use tanist_testkit::http::{Answer, tell};

/// Sends `METHOD /path`, headers and body, and reads the answer.
pub(crate) async fn ask(address: &str, line: &str, headers: &str, body: &[u8]) -> Answer {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}{length}\r\n");
    tell(address, &[head.as_bytes(), body].concat()).await.unwrap()
}
