//! What this host is called.

/// The host's own name, `localhost` if it has none that is text.
pub(crate) fn name() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_str().ok().filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned()
}
