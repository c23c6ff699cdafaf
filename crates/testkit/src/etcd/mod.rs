//! A real etcd of its own for a test: one member or three, on free loopback ports and in a temporary directory.

mod admin;
mod http;
mod member;
mod program;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

pub use admin::{Admin, Entry};
pub use program::etcd_binary;

use http::get;
use member::{Addresses, Member};

/// How long etcd may take to elect a leader and to answer.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(25);
/// How often other ports are tried where somebody else was faster.
const PORT_TRIES: u32 = 5;
/// Ports are taken from here: below those that the kernel gives to outgoing connections, which would otherwise take the
/// port of a member while it is down.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A running etcd. It ends with the value, and when the test process dies; so does its directory.
///
/// Members are named by their place, from 0. All calls block; none needs a runtime, none minds being inside one.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    admin: Admin,
    // Dropped last: the members write into it.
    _directory: TempDir,
}

impl Etcd {
    /// Starts 1 or 3 members and waits until each of them answers.
    ///
    /// # Errors
    /// If there is no etcd on this machine (says how to get it), or if it does not start.
    pub fn start(members: usize) -> Result<Self> {
        Self::with_flags(members, &[])
    }

    /// As [`Etcd::start`], every member with further flags, such as `--quota-backend-bytes=2000000` or
    /// `--cert-file=/…/server.pem`. With a certificate [`Etcd::endpoints`] are `https`, and the test's own requests go
    /// over a port without TLS.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn with_flags(members: usize, flags: &[&str]) -> Result<Self> {
        ensure!(members > 0, "at least one member of etcd, not 0");
        let program = etcd_binary()?;
        for attempt in 1.. {
            match Self::attempt(&program, members, flags) {
                Err(error) if attempt < PORT_TRIES && format!("{error:#}").contains("address already in use") => {}
                outcome => return outcome,
            }
        }
        bail!("no free ports for etcd");
    }

    fn attempt(program: &std::path::Path, members: usize, flags: &[&str]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tanist-etcd-").tempdir()?;
        let tls = flags.iter().any(|flag| flag.starts_with("--cert-file"));
        let addresses = (0..members).map(|_| Addresses::free(tls)).collect::<Result<Vec<_>>>()?;
        let peers: Vec<String> = addresses.iter().enumerate().map(|(n, a)| format!("m{n}={}", a.peer())).collect();
        let peers = peers.join(",");
        let make = |(n, addresses): (usize, Addresses)| {
            Member::new(program, &format!("m{n}"), addresses, directory.path(), &peers, flags)
        };
        let members: Vec<Member> = addresses.into_iter().enumerate().map(make).collect();
        let admin = Admin::new(members.iter().map(|member| member.addresses.admin()).collect());
        let etcd = Self { members, admin, _directory: directory };
        etcd.start_all()?;
        Ok(etcd)
    }

    /// `http://host:port` (with a certificate `https://…`) of every member.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| member.addresses.client()).collect()
    }

    /// All of them as one text with commas.
    pub fn endpoint_list(&self) -> String {
        self.endpoints().join(",")
    }

    /// The test's own hands in it.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// `kill -9` of a member. Nothing happens where it is down.
    pub fn kill(&self, member: usize) {
        self.members[member].kill();
    }

    /// Freezes a member (SIGSTOP): its port stays open, nothing answers.
    pub fn stop(&self, member: usize) {
        self.members[member].signal(rustix::process::Signal::STOP);
    }

    /// Lets a frozen member go on.
    pub fn cont(&self, member: usize) {
        self.members[member].signal(rustix::process::Signal::CONT);
    }

    /// Starts a member again, in the same directory and on the same ports, and waits until it answers; a running one is
    /// killed first.
    ///
    /// # Errors
    /// If it does not start, or does not answer.
    pub fn restart(&self, member: usize) -> Result<()> {
        self.kill(member);
        self.members[member].start()?;
        self.await_answer(member)
    }

    /// Freezes all members.
    pub fn stop_all(&self) {
        (0..self.members.len()).for_each(|member| self.stop(member));
    }

    /// Lets all frozen members go on.
    pub fn cont_all(&self) {
        (0..self.members.len()).for_each(|member| self.cont(member));
    }

    /// `kill -9` of all members.
    pub fn kill_all(&self) {
        (0..self.members.len()).for_each(|member| self.kill(member));
    }

    /// Starts all members that are down, and waits until all answer.
    ///
    /// # Errors
    /// As [`Etcd::restart`].
    pub fn start_all(&self) -> Result<()> {
        for member in &self.members {
            member.start()?;
        }
        (0..self.members.len()).try_for_each(|member| self.await_answer(member))
    }

    /// Which member leads etcd; none while they elect one.
    pub fn leader(&self) -> Option<usize> {
        self.members.iter().position(|member| {
            let Ok(status) = self.admin.ask(&member.addresses.admin(), "maintenance/status", &serde_json::json!({}))
            else {
                return false;
            };
            status["leader"].is_string() && status["leader"] == status["header"]["member_id"]
        })
    }

    /// Waits until a member answers with the word of a majority.
    fn await_answer(&self, member: usize) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        let member = &self.members[member];
        loop {
            match get(&member.addresses.admin(), "/health") {
                Ok(answer) if answer.contains("true") => return Ok(()),
                _ => {}
            }
            let in_time = Instant::now() < deadline;
            if !in_time || !member.runs() {
                bail!("etcd member {} does not answer; its log ends with:\n{}", member.name, member.last_words());
            }
            std::thread::sleep(ASK_EVERY);
        }
    }
}

impl Drop for Etcd {
    /// A test that fails tells what etcd said last: nobody can look later.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for member in &self.members {
                eprintln!(
                    "--- etcd {} at {} said last:\n{}",
                    member.name,
                    member.addresses.client(),
                    member.last_words()
                );
            }
        }
    }
}

/// A port of loopback that is free now, and that no outgoing connection will take. No port is given twice: who is given one
/// may be yet to listen on it.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    const TRIES: u32 = 200;
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..TRIES {
        // The hasher's keys are the standard library's only source of random numbers.
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        let port =
            PORTS.start + u16::try_from(random % u64::from(PORTS.end - PORTS.start)).context("within the range")?;
        let is_new = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
        if is_new && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port in {PORTS:?}")
}
