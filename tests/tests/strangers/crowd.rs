//! Thousands of connections that say nothing, or not all of it.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tanist_testkit::{Node, wait_for};

use crate::driver::{Driver, LIMIT, Line, cluster};

/// More than the ten seconds that a stranger has.
const CUT_WITHIN: Duration = Duration::from_secs(60);

/// Connections that the test, or a master, needs for itself.
const OTHERS: u64 = 500;

/// What a master may grow by, in KiB, whatever strangers do: far less than they have sent.
const GROWTH: u64 = 192 << 10;

/// How many strangers there can be: as many as files, of which both processes have as many.
fn crowd() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let files = limit.maximum.unwrap_or(u64::MAX).min(12_000);
    usize::try_from(files.checked_sub(OTHERS).unwrap()).unwrap()
}

/// What a process has in memory, in KiB.
fn resident(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn open_files(node: &Node) -> usize {
    fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count()
}

/// Strangers who have said this and wait; what the master has not taken stays with the kernel, or unsaid.
fn strangers(master: &str, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let stranger = |_| {
        let mut stream = TcpStream::connect(master).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut left = said;
        while let Ok(count) = stream.write(left) {
            left = &left[count..];
            if left.is_empty() {
                break;
            }
        }
        stream
    };
    (0..count).map(stranger).collect()
}

/// The beginning of a frame of this length, and some bytes of it.
fn begun(length: usize, bytes: usize) -> Vec<u8> {
    [&(length as u64).to_be_bytes()[..], &[9], &vec![0; bytes]].concat()
}

#[test]
fn half_open_and_silent_connections_take_no_memory_and_nobodys_place() {
    let cluster = cluster();
    let master = &cluster.masters[0];
    let mut first = Driver::served(&master.address);
    let (files, before) = (open_files(master), resident(master));

    let crowd = crowd();
    // What one crowd has taken is there for the next.
    for _ in 0..2 {
        let mut all = strangers(&master.address, crowd / 2, &[]);
        all.extend(strangers(&master.address, crowd / 6, &begun(100, 0)[..1]));
        all.extend(strangers(&master.address, crowd / 10, &begun(LIMIT, 4_000)));
        // These alone could take 300 MiB.
        all.extend(strangers(&master.address, 300, &begun(LIMIT, LIMIT - 100)));
        let taken = || (open_files(master) >= files + all.len()).then_some(());
        wait_for("the master to take all of them", CUT_WITHIN, taken);
        let during = resident(master);
        let beside = Driver::served(&master.address);
        let most = during.max(resident(master));
        wait_for("the master to cut all of them", CUT_WITHIN, || (open_files(master) < files + 20).then_some(()));
        let after = resident(master);
        println!("{} strangers; {before} KiB before, {most} KiB with them, {after} KiB after them", all.len());
        assert!(most.max(after) < before + GROWTH, "{before} KiB before, {most} KiB with {} strangers", all.len());
        drop(beside);
    }
    assert!(!master.said().contains("panicked"), "{}", master.said());

    // Whoever was there is served as before.
    assert!(first.is_answered());
}

#[test]
fn whoever_comes_when_all_places_are_taken_is_told_so_by_the_log_and_finds_one_later() {
    let cluster = cluster();
    let master = &cluster.masters[0];
    let crowd = crowd();
    if crowd < 4_200 {
        eprintln!("LEFT OUT: a process here may open {crowd} files, and a master has 4096 places");
        return;
    }
    let all = strangers(&master.address, 4_096, &[0]);
    // The last of them may still be on their way: one that is closed at once was one too many.
    wait_for("all places to be taken", CUT_WITHIN, || {
        let mut line = Line::to(&master.address);
        line.say(&[0]);
        line.is_closed().then_some(())
    });
    assert!(master.said().contains("too many connections of Spark's programs: closed"), "{}", master.said());
    wait_for("a place", CUT_WITHIN, || (open_files(master) < 4_000).then_some(()));
    drop(Driver::served(&master.address));
    drop(all);
}

/// Spark's drivers say again that they come after twenty seconds.
#[test]
fn a_stranger_that_has_spoken_and_is_nobody_is_left_a_minute() {
    let cluster = cluster();
    let mut line = Line::to(&cluster.masters[0].address);
    let begin = Instant::now();
    line.asks();
    assert!(line.is_told_yes());
    let waited = wait_for("the master to close", CUT_WITHIN * 2, || line.has_ended().then(|| begin.elapsed()));
    assert!(waited >= Duration::from_secs(60), "{waited:?}");
}
