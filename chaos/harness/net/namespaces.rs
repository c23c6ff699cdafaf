//! Hosts as network namespaces: each has one interface, `eth0`, and the other ends of all are ports of a bridge, which has a
//! namespace of its own. Nothing of it is seen in the machine's own network.

use std::fs::File;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::FIRST_HOST;
use super::host::Host;
use super::leftovers::{NAMESPACES, PREFIX};

/// The network of all hosts. It is closed: it may be the same in every run, and the machine's own may have it too.
const NETWORK: [u8; 3] = [10, 77, 0];

/// Why namespaces cannot be used here; none = they can. Tries it for real, with everything that a run needs.
pub(crate) fn allowed(run: &str) -> Result<(), String> {
    let names = ["probe1".to_owned(), "probe2".to_owned()];
    let tried = make(run, &names).and_then(|hosts| {
        let [first, second] = hosts.as_slice() else { bail!("two hosts were made, not {}", hosts.len()) };
        let other = second.ip.to_string();
        first.inside(|| command("iptables", &["-A", "INPUT", "-s", &other, "-j", "DROP"], ""))?
    });
    remove(run);
    tried.map_err(|error| format!("{error:#}"))
}

/// Removes what [`make`] has made.
fn remove(run: &str) {
    for name in super::leftovers::namespaces_of(run) {
        // What cannot be removed is found and told at the end of the run.
        let _: Result<()> = command("ip", &["netns", "del", &name], "");
    }
}

/// Makes hosts with these names.
pub(super) fn make(run: &str, names: &[String]) -> Result<Vec<Host>> {
    let made = try_make(run, names);
    if made.is_err() {
        remove(run);
    }
    made
}

fn try_make(run: &str, names: &[String]) -> Result<Vec<Host>> {
    let of = |name: &str| format!("{PREFIX}{run}-{name}");
    let net = of("net");
    ip(&["netns", "add", &net])?;
    ip(&["-n", &net, "link", "add", "br0", "type", "bridge"])?;
    ip(&["-n", &net, "link", "set", "br0", "up"])?;
    let hosts = names.iter().zip(FIRST_HOST..).map(|(name, last)| {
        let (namespace, [a, b, c]) = (of(name), NETWORK);
        let address = Ipv4Addr::new(a, b, c, last);
        ip(&["netns", "add", &namespace])?;
        ip(&["-n", &net, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
        ip(&["-n", &net, "link", "set", name, "master", "br0", "up"])?;
        ip(&["-n", &namespace, "addr", "add", &format!("{address}/24"), "dev", "eth0"])?;
        ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        let path = format!("{NAMESPACES}/{namespace}");
        let file = File::open(&path).with_context(|| format!("opening {path}"))?;
        Ok(Host::in_namespace(name, address, file))
    });
    hosts.collect()
}

fn ip(arguments: &[&str]) -> Result<()> {
    command("ip", arguments, "")
}

/// Runs a command of the system with this input; what it complains of is the error.
pub(super) fn command(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    use std::io::Write as _;
    let line = || format!("{program} {}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {:?} (packages iproute2 and iptables have it)", line()))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes()).with_context(line)?;
    }
    let output = child.wait_with_output().with_context(line)?;
    if !output.status.success() {
        bail!("{}: {}", line(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
