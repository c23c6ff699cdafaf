//! Two answers side by side, and the list of differences that is written down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::exchange::{Cluster, Fields};
use super::script::Party;

/// Fields whose values are of the moment; only their kinds are compared.
const OF_THE_MOMENT: [&str; 4] = ["duration", "starttime", "submitdate", "lastheartbeat"];
/// So many digits in a row are a moment, too.
const DIGITS_OF_A_MOMENT: usize = 13;

/// A field that is not the same.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) exchange: String,
    pub(crate) field: String,
    pub(crate) original: Option<Value>,
    pub(crate) ours: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string);
        let Self { exchange, field, original, ours } = self;
        write!(f, "| {exchange} | {field} | {} | {} |", shown(original), shown(ours))
    }
}

/// What differs, once ids, addresses and moments have the same names on both sides.
pub(crate) fn differences(exchange: &str, original: (&Cluster, &Fields), ours: (&Cluster, &Fields)) -> Vec<Difference> {
    let (original, ours) = (named(original.0, original.1), named(ours.0, ours.1));
    let fields: BTreeSet<&String> = original.keys().chain(ours.keys()).collect();
    let differ = fields.into_iter().filter(|field| original.get(*field) != ours.get(*field));
    differ
        .map(|field| Difference {
            exchange: exchange.to_owned(),
            field: field.clone(),
            original: original.get(field).cloned(),
            ours: ours.get(field).cloned(),
        })
        .collect()
}

fn named(cluster: &Cluster, fields: &Fields) -> Fields {
    let kept: Vec<(&str, String)> =
        cluster.kept.iter().map(|(name, value)| (value.as_str(), format!("{{{name}}}"))).collect();
    let parties = cluster.parties.iter().filter_map(|(party, address)| {
        Some((address.rsplit(':').next()?.to_owned(), format!("{{port of {party:?}}}")))
    });
    let others = cluster.ports.iter().map(|(port, name)| (port.to_string(), format!("{{{name}}}")));
    let ports: BTreeMap<String, String> = parties.chain(others).collect();
    fields.iter().map(|(field, value)| (field.clone(), without_moments(field, value, &kept, &ports))).collect()
}

fn without_moments(field: &str, value: &Value, kept: &[(&str, String)], ports: &BTreeMap<String, String>) -> Value {
    let of_the_moment = field.rsplit('.').next().is_some_and(|last| OF_THE_MOMENT.contains(&last));
    match value {
        Value::Number(_) | Value::String(_) if of_the_moment => Value::from("a moment"),
        // A port may stand alone.
        Value::Number(number) => {
            ports.get(&number.to_string()).map_or_else(|| value.clone(), |name| Value::from(name.as_str()))
        }
        Value::String(text) => {
            // First what holds such numbers.
            let text = kept.iter().fold(text.clone(), |text, (value, name)| text.replace(value, name));
            Value::from(without_numbers(&text, ports))
        }
        other => other.clone(),
    }
}

/// Every number is taken whole: a moment may hold the digits of a port.
fn without_numbers(text: &str, ports: &BTreeMap<String, String>) -> String {
    let (mut whole, mut digits) = (String::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let is_moment = digits.len() >= DIGITS_OF_A_MOMENT;
        whole += if is_moment { "{moment}" } else { ports.get(&digits).unwrap_or(&digits) };
        digits.clear();
        whole.extend(Some(c).filter(|c| *c != '\0'));
    }
    whole
}

/// The rows `| exchange | field | original | ours | why |` of a page; a `*` stands for any text.
pub(crate) fn written_down(page: &str) -> Vec<(String, String)> {
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().to_owned()).collect() };
    let rows = page.lines().filter(|line| line.starts_with('|')).map(cells).filter(|cells| cells.len() == 7);
    let rows = rows.filter(|cells| cells[1] != "exchange" && !cells[1].starts_with("--"));
    rows.map(|cells| (cells[1].clone(), cells[2].replace('`', ""))).collect()
}

/// Differences that no row has, and rows that no difference has.
pub(crate) fn checked(found: &[Difference], rows: &[(String, String)]) -> (Vec<Difference>, Vec<(String, String)>) {
    let fits = |row: &(String, String), one: &Difference| like(&row.0, &one.exchange) && like(&row.1, &one.field);
    let new = found.iter().filter(|one| !rows.iter().any(|row| fits(row, one))).cloned().collect();
    let gone = rows.iter().filter(|row| !found.iter().any(|one| fits(row, one))).cloned().collect();
    (new, gone)
}

fn like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| like(after, rest)))),
        None => pattern == text,
    }
}

#[test]
fn a_moment_that_holds_the_digits_of_a_port_is_a_moment() {
    let cluster = Cluster {
        parties: BTreeMap::from([(Party::Leader, "127.0.0.1:10112".to_owned())]),
        ports: vec![(20261, "worker")],
        kept: BTreeMap::from([("driver".to_owned(), "driver-20261120101125-0000".to_owned())]),
    };
    let said = "driver-20261120101125-0000 on worker-20261120101125-127.0.0.1-20261 of 127.0.0.1:10112, not 101120";
    let fields = Fields::from([("body.message".to_owned(), Value::from(said)), ("body.port".to_owned(), 20261.into())]);
    let named = named(&cluster, &fields);
    assert_eq!(
        named["body.message"],
        "{driver} on worker-{moment}-127.0.0.1-{worker} of 127.0.0.1:{port of Leader}, not 101120"
    );
    assert_eq!(named["body.port"], "{worker}");
}
