//! Whose connection is it? The kernel tells, by the inode of a socket.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use super::Whose;

/// The socket at the other end of an accepted connection.
#[derive(Debug)]
pub(super) struct Socket {
    local: SocketAddr,
    remote: SocketAddr,
    /// As a process's list of files shows it; none if the kernel does not know it any more. Looked up when it is asked
    /// for: the kernel's table has a line for each of thousands of connections that have just ended.
    link: OnceLock<Option<String>>,
}

impl Socket {
    /// The socket that is connected from `local` to `remote`.
    pub(super) fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local, remote, link: OnceLock::new() }
    }

    fn link(&self) -> Option<&str> {
        let find = || {
            let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
            let (_, rest) = table.split_once(&format!(" {} {} ", as_listed(self.local), as_listed(self.remote)))?;
            // state queues timer retransmits uid timeout inode …
            let inode = rest.lines().next()?.split_whitespace().nth(6)?;
            Some(format!("socket:[{inode}]"))
        };
        self.link.get_or_init(find).as_deref()
    }

    pub(super) fn belongs_to(&self, whose: Whose) -> bool {
        match whose {
            // `local` is where who connected sits: its own end.
            Whose::Address(address) => self.local.ip() == address,
            Whose::Process(process) => self.is_of(process),
        }
    }

    fn is_of(&self, process: i32) -> bool {
        let Some(link) = self.link() else { return false };
        let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file.as_os_str() == link)
    }
}

/// `127.0.0.1:80` as `0100007F:0050`: the address as the machine keeps it, the port as people do.
fn as_listed(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) => u32::from_ne_bytes(ip.octets()),
        IpAddr::V6(_) => 0,
    };
    format!("{ip:08X}:{:04X}", address.port())
}
