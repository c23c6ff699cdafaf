//! Lists of masters as people write them.

use std::fmt;

use crate::error::ClientError;

/// The original's form of such a list, before the addresses or before each of them.
const SCHEME: &str = "spark://";

/// Addresses of masters, at least one, each once, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterList(Vec<String>);

impl MasterList {
    /// Reads `host:port,host:port` or `spark://host:port,host:port`; IPv6 hosts stand in brackets. `field` is named in
    /// errors, e.g. `--master` or [`super::MASTERS_VARIABLE`]. Repeated addresses count once.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, ClientError> {
        let refused = |why| ClientError::InvalidMasters { field, value: text.to_owned(), why };
        let mut all: Vec<String> = Vec::new();
        for entry in text.split(',') {
            let entry = entry.trim();
            let address = entry.strip_prefix(SCHEME).unwrap_or(entry);
            check_address(address).map_err(|why| refused(format!("{address:?} {why}")))?;
            if !all.iter().any(|known| known == address) {
                all.push(address.to_owned());
            }
        }
        Ok(Self(all))
    }

    /// The addresses.
    pub fn addresses(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for MasterList {
    /// `host:port,host:port`, which [`MasterList::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// What is wrong with a text as `host:port`, if anything.
pub(crate) fn check_address(address: &str) -> Result<(), String> {
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err("has no port".to_owned());
    };
    let name = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let allowed = |c: char| match name {
        Some(_) => c.is_ascii_hexdigit() || c == ':' || c == '.' || c == '%',
        None => c.is_alphanumeric() || matches!(c, '-' | '.' | '_'),
    };
    let name = name.unwrap_or(host);
    if name.is_empty() {
        return Err("has no host".to_owned());
    }
    if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
        return Err(format!("has {bad:?} in its host, which no host can have (IPv6 addresses stand in brackets)"));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!("has port {port:?}, but ports are 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_repetitions_dropped() {
        for text in ["m1:7077,m2:7077", "spark://m1:7077,m2:7077", " m1:7077 , spark://m2:7077,m1:7077 "] {
            let list = MasterList::parse("--master", text).unwrap();
            assert_eq!(list.addresses(), ["m1:7077", "m2:7077"], "{text}");
            assert_eq!(MasterList::parse("again", &list.to_string()).unwrap(), list);
        }
        assert_eq!(MasterList::parse("f", "[::1]:1,127.0.0.1:65535").unwrap().addresses().len(), 2);
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_with_field_value_and_reason() {
        for (text, why) in [
            ("", "has no port"),
            ("m1", "has no port"),
            ("m1:7077,", "has no port"),
            (":7077", "has no host"),
            ("[]:7077", "has no host"),
            ("m1:0", "has port \"0\", but ports are 1 to 65535"),
            ("m1:65536", "has port \"65536\""),
            ("m1:-1", "has port \"-1\""),
            ("m1:x", "has port \"x\""),
            ("::1:7077", "has ':' in its host"),
            ("http://m1:7077", "has ':' in its host"),
            ("a b:7077", "has ' ' in its host"),
            ("u@m1:7077", "has '@' in its host"),
        ] {
            let error = MasterList::parse("--master", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--master {text:?}: ")), "{error}");
            assert!(error.contains(why) && error.contains("host1:7077,host2:7077"), "{text}: {error}");
        }
    }
}
