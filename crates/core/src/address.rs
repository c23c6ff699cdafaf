//! Where somebody is reached, as text.

use core::net::Ipv6Addr;

/// `host:port`; an IPv6 address gets its brackets.
pub fn host_port(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

/// A host as it stands in front of a port, which is how programs of Spark know an IPv6 address.
pub fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// Whether nothing but a host can be meant: what has a colon in it is an IPv6 address, with its brackets or without.
pub fn is_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if bare.contains(':') { bare.parse::<Ipv6Addr>().is_ok() } else { !host.is_empty() && !host.contains(['[', ']']) }
}

#[cfg(test)]
mod tests {
    use super::{host_port, is_host};

    #[test]
    fn an_ipv6_address_gets_its_brackets() {
        assert_eq!(host_port("h.example.org", 7077), "h.example.org:7077");
        assert_eq!(host_port("::1", 7077), "[::1]:7077");
        assert_eq!(host_port("[::1]", 7077), "[::1]:7077");
    }

    #[test]
    fn what_has_a_colon_is_an_ipv6_address_or_no_host() {
        for host in ["h.example.org", "10.0.0.1", "fd00::5", "[fd00::5]"] {
            assert!(is_host(host), "{host}");
        }
        for other in ["", "h:7078", "10.0.0.1:7078", "[fd00::5]:7078", "[fd00::5", "[h]", "::1::2"] {
            assert!(!is_host(other), "{other}");
        }
    }
}
