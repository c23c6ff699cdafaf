//! Where somebody is reached, as text.

/// `host:port`; an IPv6 address gets its brackets.
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::host_port;

    #[test]
    fn an_ipv6_address_gets_its_brackets() {
        assert_eq!(host_port("h.example.org", 7077), "h.example.org:7077");
        assert_eq!(host_port("::1", 7077), "[::1]:7077");
        assert_eq!(host_port("[::1]", 7077), "[::1]:7077");
    }
}
