//! One request over a socket, and its answer taken apart into fields.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::script::{Exchange, Party};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Headers that are compared.
const HEADERS: [&str; 3] = ["content-type", "location", "allow"];

/// An answer: `status`, these headers, and each leaf of a body that is JSON, such as `body.workers[0].cores`.
pub(crate) type Fields = BTreeMap<String, Value>;

/// A cluster that can be asked: `host:port` of each party.
pub(crate) struct Cluster {
    pub(crate) parties: BTreeMap<Party, String>,
    /// Ports of other faces, by names that both sides share.
    pub(crate) ports: Vec<(u16, &'static str)>,
    /// What the script has kept.
    pub(crate) kept: BTreeMap<String, String>,
}

impl Cluster {
    /// Sends the request of an exchange, until its answer is the one that is waited for.
    pub(crate) fn ask(&mut self, exchange: &Exchange) -> Fields {
        let Some((field, wanted)) = &exchange.until else { return self.once(exchange) };
        tanist_testkit::wait_for(&format!("{}: {field} = {wanted}", exchange.name), 3 * ANSWER_WITHIN, || {
            let fields = self.once(exchange);
            (fields.get(&format!("body.{field}")).is_some_and(|found| found == wanted)).then_some(fields)
        })
    }

    fn once(&mut self, exchange: &Exchange) -> Fields {
        let filled = |text: &str| {
            let fill = |text: String, (name, value): (&String, &String)| text.replace(&format!("{{{name}}}"), value);
            self.kept.iter().fold(text.to_owned(), fill)
        };
        let (method, path, body) = (&exchange.method, filled(&exchange.path), exchange.body.as_deref().map(filled));
        let fields = ask(&self.parties[&exchange.party], method, &path, body.as_deref());
        for (name, field) in &exchange.keep {
            let value = fields.get(&format!("body.{field}")).and_then(Value::as_str);
            let value = value.unwrap_or_else(|| panic!("{}: no {field} in {fields:?}", exchange.name));
            self.kept.insert(name.clone(), value.to_owned());
        }
        fields
    }
}

/// Sends one request and takes its answer apart.
pub(crate) fn ask(address: &str, method: &str, path: &str, body: Option<&str>) -> Fields {
    let length = body.map(|body| format!("Content-Length: {}\r\n", body.len())).unwrap_or_default();
    let body = body.unwrap_or_default();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{length}Connection: close\r\n\r\n{body}");
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Who refuses a request early may reset the connection once it has answered.
    let end = stream.read_to_end(&mut answer);
    assert!(!answer.is_empty(), "{address} does not answer {request:?}: {end:?}");
    taken_apart(&answer)
}

fn taken_apart(answer: &[u8]) -> Fields {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let headers: BTreeMap<String, &str> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let mut fields = Fields::from([("status".to_owned(), Value::from(status))]);
    for name in HEADERS {
        fields.extend(headers.get(name).map(|value| (name.to_owned(), Value::from(*value))));
    }
    let chunked = headers.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
    let body = if chunked { joined(body) } else { body.to_owned() };
    match serde_json::from_str(&body) {
        Ok(value) => leaves("body", &value, &mut fields),
        Err(_) if body.is_empty() => {}
        // Nobody reads a page of the container's but people.
        Err(_) if body.starts_with('<') => drop(fields.insert("body".to_owned(), Value::from("a page"))),
        Err(_) => drop(fields.insert("body".to_owned(), Value::from(body))),
    }
    fields
}

/// A body without the lengths between its chunks.
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or_default();
        whole += rest.get(..length).unwrap_or(rest);
        body = rest.get(length + 2..).unwrap_or_default();
    }
    whole
}

fn leaves(path: &str, value: &Value, fields: &mut Fields) {
    match value {
        Value::Object(entries) => {
            entries.iter().for_each(|(name, inner)| leaves(&format!("{path}.{name}"), inner, fields));
        }
        Value::Array(items) if items.is_empty() => drop(fields.insert(format!("{path}[]"), Value::Null)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, inner)| leaves(&format!("{path}[{at}]"), inner, fields));
        }
        leaf => drop(fields.insert(path.to_owned(), leaf.clone())),
    }
}
