//! What a test does to the content of etcd, over its JSON gateway.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http::post;

/// The test's own hands in an etcd: blocking, each call at the first member that answers.
#[derive(Debug)]
pub struct Admin {
    addresses: Vec<String>,
    /// Of user `root`, once authentication is on.
    token: Mutex<Option<String>>,
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// What stands there.
    pub value: Vec<u8>,
    /// Revision at which the key was made.
    pub create_revision: i64,
    /// Revision of its last change.
    pub mod_revision: i64,
    /// The lease it is bound to, 0 for none.
    pub lease: i64,
}

impl Entry {
    /// The value as JSON, null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.value).unwrap_or_default()
    }
}

impl Admin {
    /// Hands in the members at these addresses (`host:port`), from the network of whoever calls.
    pub fn new(addresses: Vec<String>) -> Self {
        Self { addresses, token: Mutex::new(None) }
    }

    /// What stands at a key.
    ///
    /// # Errors
    /// If no member answers, or if etcd refuses; so in all that follows.
    pub fn get(&self, key: &str) -> Result<Option<Entry>> {
        Ok(entries(&self.call("kv/range", &json!({ "key": text(key) }))?)?.pop())
    }

    /// All keys that begin with `prefix`, in order.
    pub fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        entries(&self.call("kv/range", &json!({ "key": text(prefix), "range_end": encode(&end_of(prefix)) }))?)
    }

    /// Writes a value.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        self.call("kv/put", &json!({ "key": text(key), "value": encode(value) })).map(drop)
    }

    /// Deletes a key; says whether it was there.
    pub fn delete(&self, key: &str) -> Result<bool> {
        let answer = self.call("kv/deleterange", &json!({ "key": text(key) }))?;
        Ok(number(&answer["deleted"]) > 0)
    }

    /// Current revision.
    pub fn revision(&self) -> Result<i64> {
        Ok(number(&self.call("kv/range", &json!({ "key": text("\0"), "limit": "1" }))?["header"]["revision"]))
    }

    /// Forgets everything before a revision.
    pub fn compact(&self, revision: i64) -> Result<()> {
        self.call("kv/compaction", &json!({ "revision": revision.to_string(), "physical": true })).map(drop)
    }

    /// All leases.
    pub fn leases(&self) -> Result<Vec<i64>> {
        let answer = self.call("lease/leases", &json!({}))?;
        Ok(answer["leases"].as_array().into_iter().flatten().map(|lease| number(&lease["ID"])).collect())
    }

    /// Grants a lease for a time in seconds.
    pub fn grant(&self, seconds: u64) -> Result<i64> {
        Ok(number(&self.call("lease/grant", &json!({ "TTL": seconds.to_string() }))?["ID"]))
    }

    /// Ends a lease, and with it the keys that are bound to it.
    pub fn revoke(&self, lease: i64) -> Result<()> {
        self.call("lease/revoke", &json!({ "ID": lease.to_string() })).map(drop)
    }

    /// Alarms that are raised, such as `NOSPACE`.
    pub fn alarms(&self) -> Result<Vec<String>> {
        let answer = self.call("maintenance/alarm", &json!({ "action": "GET" }))?;
        let alarms = answer["alarms"].as_array().into_iter().flatten();
        Ok(alarms.filter_map(|alarm| alarm["alarm"].as_str().map(str::to_owned)).collect())
    }

    /// Raises the alarm that a full member raises: from then on writes are refused.
    pub fn raise_no_space(&self) -> Result<()> {
        self.call("maintenance/alarm", &json!({ "action": "ACTIVATE", "alarm": "NOSPACE" })).map(drop)
    }

    /// Ends all alarms that are raised.
    pub fn disarm(&self) -> Result<()> {
        let raised = self.call("maintenance/alarm", &json!({ "action": "GET" }))?;
        for alarm in raised["alarms"].as_array().into_iter().flatten() {
            let (member, alarm) = (&alarm["memberID"], &alarm["alarm"]);
            let member = member.as_str().unwrap_or("0");
            self.call("maintenance/alarm", &json!({ "action": "DEACTIVATE", "memberID": member, "alarm": alarm }))?;
        }
        Ok(())
    }

    /// Turns authentication on: user `root` with `root_password`, and for each user (name, password, prefix) one that
    /// may read and write below its prefix. From then on this value's own calls are `root`'s.
    pub fn enable_auth(&self, root_password: &str, users: &[(&str, &str, &str)]) -> Result<()> {
        self.call("auth/user/add", &json!({ "name": "root", "password": root_password }))?;
        self.call("auth/role/add", &json!({ "name": "root" }))?;
        self.call("auth/user/grant", &json!({ "user": "root", "role": "root" }))?;
        for (name, password, prefix) in users {
            self.call("auth/user/add", &json!({ "name": name, "password": password }))?;
            self.call("auth/role/add", &json!({ "name": name }))?;
            let range = json!({ "permType": "READWRITE", "key": text(prefix), "range_end": encode(&end_of(prefix)) });
            self.call("auth/role/grant", &json!({ "name": name, "perm": range }))?;
            self.call("auth/user/grant", &json!({ "user": name, "role": name }))?;
        }
        self.call("auth/enable", &json!({}))?;
        let login = self.call("auth/authenticate", &json!({ "name": "root", "password": root_password }))?;
        let token = login["token"].as_str().context("a token for root")?.to_owned();
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(())
    }

    /// One call of the gateway, such as `kv/range`, at the first member that answers.
    ///
    /// # Errors
    /// If none answers, or if etcd refuses.
    pub fn call(&self, method: &str, body: &Value) -> Result<Value> {
        let mut last = None;
        for address in &self.addresses {
            match self.ask(address, method, body) {
                Err(error) if error.is::<Refused>() => return Err(error),
                Err(error) => last = Some(error),
                answer => return answer,
            }
        }
        Err(last.context("no member")?)
    }

    pub(super) fn ask(&self, address: &str, method: &str, body: &Value) -> Result<Value> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (status, answer) = post(address, &format!("/v3/{method}"), token.as_deref(), &body.to_string())
            .with_context(|| format!("asking etcd at {address} for {method}"))?;
        if status != 200 {
            bail!(Refused(format!("etcd refuses {method}: {answer}")));
        }
        serde_json::from_str(&answer).with_context(|| format!("{method}: {answer}"))
    }
}

/// An answer that another member would give as well.
#[derive(Debug)]
struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn text(key: &str) -> String {
    encode(key.as_bytes())
}

/// The first key behind all that begin with `prefix`, as etcd wants it; "\0" for all keys.
fn end_of(prefix: &str) -> Vec<u8> {
    match prefix.as_bytes().split_last() {
        Some((last, rest)) => [rest, &[last + 1]].concat(),
        None => vec![0],
    }
}

/// The gateway writes 64-bit numbers as texts, and leaves 0 out.
fn number(value: &Value) -> i64 {
    value.as_str().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn entries(answer: &Value) -> Result<Vec<Entry>> {
    let decode = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default()).context("base64 from etcd");
    let entry = |kv: &Value| {
        Ok(Entry {
            key: String::from_utf8(decode(&kv["key"])?).context("a key that is a text")?,
            value: decode(&kv["value"])?,
            create_revision: number(&kv["create_revision"]),
            mod_revision: number(&kv["mod_revision"]),
            lease: number(&kv["lease"]),
        })
    };
    answer["kvs"].as_array().into_iter().flatten().map(entry).collect()
}
