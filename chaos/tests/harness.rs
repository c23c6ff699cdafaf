//! The harness itself: what it answers to bad input, and that nothing is left of a run however it ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tanist_chaos::Slot;
use tanist_testkit::{alive, kill_nine, wait_for};
use tempfile::TempDir;

/// A run of the smallest cluster that can change its leader.
const SMALL: &str = "\
about     a small one
etcd 1
masters 2
workers 1
drivers   plain 1, supervised 1, once 1
executors 1
at 1s     kill leader for 2s
";
const LONG: &str = "about     a long one\netcd 1\nmasters 1\nworkers 1\nat 10min  compact\n";
const SOON: Duration = Duration::from_secs(90);

/// A directory for temporary files of the harness's own, and files for it.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.path("tmp")).unwrap();
        desk
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tanist-chaos"));
        command.args(arguments).env("TMPDIR", self.path("tmp")).env("TANIST_BIN", tanist_testkit::binary());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn ended(&self, arguments: &[&str]) -> (i32, String) {
        said(&self.command(arguments).output().unwrap())
    }

    /// Starts a long run and waits until its cluster is there; the id of the run comes with it.
    fn long_run(&self) -> (Child, String) {
        let scenario = self.file("long.scn", LONG);
        let report = self.path("report");
        let run = self.command(&["run", &scenario, "--report", &report]).stderr(Stdio::null()).spawn().unwrap();
        let id = wait_for("work of a run", SOON, || {
            let directory = fs::read_dir(self.path("tmp")).ok()?.find_map(Result::ok)?;
            fs::read_dir(directory.path().join("hosts/w1/witnesses")).ok()?.next()?.ok()?;
            Some(directory.file_name().to_str()?.rsplit('-').next()?.to_owned())
        });
        (run, id)
    }

    #[track_caller]
    fn assert_nothing_is_left(&self, id: &str) {
        let files = || fs::read_dir(self.path("tmp")).unwrap().count();
        wait_for(&format!("nothing of run {id}"), SOON, || (left(id).is_empty() && files() == 0).then_some(()));
    }
}

fn said(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), text)
}

/// Processes, namespaces and mounts of a run.
fn left(id: &str) -> Vec<String> {
    let marked = format!("CHAOS_RUN={id}");
    let names = |folder: &str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let processes = names("/proc").into_iter().filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).split('\0').any(|pair| pair == marked) && pid.parse().is_ok_and(alive)
    });
    let prefix = format!("tanist-chaos-{id}");
    let namespaces = names("/run/netns").into_iter().filter(|name| name.starts_with(&prefix));
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mounts = mounts.lines().filter(|mount| mount.contains(&prefix)).map(str::to_owned);
    processes.chain(namespaces).chain(mounts.collect::<Vec<_>>()).collect()
}

fn signal(process: &Child, name: &str) {
    let pid = process.id().to_string();
    assert!(Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap().success());
}

/// The janitor of a run.
fn janitor(id: &str) -> i32 {
    let words = format!("\0janitor\0{id}\0");
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_it = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).ends_with(&words)
    };
    pids.into_iter().find(is_it).unwrap()
}

#[test]
fn bad_input_is_answered_in_words_and_starts_nothing() {
    let desk = Desk::new();
    let bad = desk.file("bad.scn", "about x\nat 5s kill leeder for 5s\nat soon compact\nat 5s explode m1\n");
    let (code, text) = desk.ended(&["run", &bad]);
    assert_eq!(code, 3, "{text}");
    for wanted in
        ["line 2: \"leeder\" is no host; allowed: leader", "line 3: at \"soon\" is no time", "line 4: \"explode\""]
    {
        assert!(text.contains(wanted), "{wanted:?} is missing in {text}");
    }
    let (code, text) = desk.ended(&["check", &bad]);
    assert!(code == 3 && text.contains("line 2: "), "{text}");
    let (code, text) = desk.ended(&["run", "no-such-scenario"]);
    assert!(code == 3 && text.contains("one of") && text.contains("leader-killed"), "{text}");
    let (code, text) = desk.ended(&["random", "--print", "--seed", "v99-1"]);
    assert!(code == 2 && text.contains("version 99 of the generator, this one is version"), "{text}");
    let good = desk.file("good.scn", SMALL);
    let (code, text) = desk.ended(&["run", &good, "--report", &desk.path("tmp")]);
    assert!(
        code == 3 && text.contains("exists already") && text.contains("allowed: one that does not exist"),
        "{text}"
    );
    let missing = desk.command(&["run", &good]).env("TANIST_ETCD", "/no/such/etcd").output().unwrap();
    let (code, text) = said(&missing);
    assert!(code == 3 && text.contains("TANIST_ETCD is /no/such/etcd, which is not a file"), "{text}");
    let missing = desk.command(&["run", &good]).env("TANIST_BIN", "/no/such/tanist").output().unwrap();
    let (code, text) = said(&missing);
    assert!(code == 3 && text.contains("/no/such/tanist is not there: run this by `cargo xtask chaos`"), "{text}");
    assert_eq!(fs::read_dir(desk.path("tmp")).unwrap().count(), 0);
}

#[test]
fn every_scenario_of_the_project_can_be_followed() {
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().to_str().unwrap().to_owned());
    let files: Vec<String> = files.collect();
    assert!(files.len() > 20);
    let words: Vec<&str> = ["check"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let (code, text) = desk.ended(&words);
    assert_eq!(code, 0, "{text}");
}

/// Without `ip` there are no namespaces: the run says so and goes on with proxies. Then its histories are judged once more.
#[test]
fn where_namespaces_cannot_be_had_a_run_falls_back_and_says_so() {
    let (desk, _slot) = (Desk::new(), Slot::take());
    let (scenario, report) = (desk.file("small.scn", SMALL), desk.path("report"));
    let run = ["run", &scenario, "--report", &report, "--patience", "5"];
    let (code, text) = said(&desk.command(&run).env("PATH", "/no/such/folder").output().unwrap());
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("namespaces cannot be used here: making") || text.contains("running \"ip"), "{text}");
    assert_eq!(fs::read_dir(desk.path("tmp")).unwrap().count(), 0, "only the report is left");
    for name in
        ["report.md", "report.json", "timeline.svg", "scenario.scn", "hosts/m1/log", "hosts/observer/history.jsonl"]
    {
        assert!(Path::new(&report).join(name).is_file(), "{name}");
    }
    let (code, again) = desk.ended(&["judge", &report]);
    assert!(code == 0 && again.contains("S1   held"), "{again}");
    let asked = ["run", &scenario, "--network", "namespaces"];
    let (code, text) = said(&desk.command(&asked).env("PATH", "/no/such/folder").output().unwrap());
    assert!(code == 3 && text.contains("namespaces were asked for and cannot be used here"), "{text}");
}

#[test]
fn an_interrupted_run_leaves_its_logs_and_nothing_else() {
    let (desk, _slot) = (Desk::new(), Slot::take());
    let (run, id) = desk.long_run();
    signal(&run, "INT");
    let (code, text) = said(&run.wait_with_output().unwrap());
    assert_eq!(code, 3, "{text}");
    desk.assert_nothing_is_left(&id);
    assert!(Path::new(&desk.path("report/hosts/m1/log")).is_file());
    assert!(!Path::new(&desk.path("report/report.md")).exists(), "nothing was judged");
}

#[test]
fn a_killed_run_is_cleaned_up_by_its_janitor() {
    let (desk, _slot) = (Desk::new(), Slot::take());
    let (mut run, id) = desk.long_run();
    run.kill().unwrap();
    run.wait().unwrap();
    desk.assert_nothing_is_left(&id);
}

#[test]
fn what_is_left_where_the_janitor_was_killed_too_is_removed_by_clean() {
    let (desk, _slot) = (Desk::new(), Slot::take());
    let (mut run, id) = desk.long_run();
    let (code, text) = desk.ended(&["clean"]);
    assert!(code == 0 && text.contains(&format!("run {id} goes on: left alone")), "{text}");
    kill_nine(janitor(&id));
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!left(&id).is_empty(), "etcd at least does not end by itself");
    let (code, text) = desk.ended(&["clean"]);
    assert!(code == 0 && text.contains(&format!("run {id}: removed its directory")), "{text}");
    desk.assert_nothing_is_left(&id);
}
