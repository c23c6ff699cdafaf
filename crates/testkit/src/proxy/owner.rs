//! Whose connection is it? The kernel tells, by the inode of a socket.

use std::fs;
use std::net::{IpAddr, SocketAddr};

/// The socket at the other end of an accepted connection.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    /// As a process's list of files shows it; none if the kernel does not know it any more.
    link: Option<String>,
}

impl Socket {
    /// The socket that is connected from `local` to `remote`.
    pub(super) fn find(local: SocketAddr, remote: SocketAddr) -> Self {
        let (local, remote) = (as_listed(local), as_listed(remote));
        let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let inode = table.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // sl local remote state queues timer retransmits uid timeout inode …
            let ours = fields.get(1) == Some(&local.as_str()) && fields.get(2) == Some(&remote.as_str());
            ours.then(|| fields.get(9).map(|inode| (*inode).to_owned())).flatten()
        });
        Self { link: inode.map(|inode| format!("socket:[{inode}]")) }
    }

    pub(super) fn belongs_to(&self, process: i32) -> bool {
        let Some(link) = &self.link else { return false };
        let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|file| file.as_os_str() == link.as_str())
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
