//! What a scenario may say, and what is answered to the rest.

use super::*;

const HEAD: &str = "about x\n";

fn step_of(line: &str) -> Step {
    parse(&format!("{HEAD}{line}")).unwrap().steps.remove(0)
}

#[test]
fn a_whole_file_is_read_and_written_back_the_same() {
    let text = "\
# for people
about the leader loses etcd
workers 3   # fewer
worker-timeout 30s
drivers plain 1, once 3
executors 2
submit every 100ms
at 5s cut leader from etcd for 12s
at 7s cut leader,e1 to workers for 500ms
upon election restart workers
every 4s from 10s until 1min switchover to a-standby
at 20s slow masters to etcd by 200ms for 5s
at 21s half-open w1 to leader for 5s
at 22s fill e2 for 3s
at 23s pause for 4s
at 24s drain w1
";
    let read = parse(text).unwrap();
    assert_eq!((read.cluster.workers, read.cluster.masters, read.work.supervised), (3, 3, 0));
    assert_eq!(read.work.submit_every, Duration::from_millis(100));
    assert_eq!(read.steps.len(), 9);
    assert_eq!(parse(&read.to_string()).unwrap(), read, "{read}");
    assert!(read.needs_proxies() && read.needs_disks());
}

#[test]
fn every_fault_can_be_said() {
    let lines = [
        "kill leader for 5s",
        "term m1 for 5s",
        "stop etcd-leader for 5s",
        "restart e1,m1,w1",
        "cut leader to workers for 5s",
        "cut leader from others for 5s",
        "slow m1 to e1 by 1s for 5s",
        "half-open m1 to w1 for 5s",
        "fill e1 for 5s",
        "switchover",
        "switchover to m2",
        "step-down",
        "pause for 5s",
        "resume",
        "drain w1",
        "revoke-lease",
        "delete-leader",
        "compact",
        "corrupt",
    ];
    for line in lines {
        let step = step_of(&format!("at 1s {line}"));
        let verb = line.split(' ').next().unwrap();
        assert_eq!(step.fault.verb(), verb, "{line}");
        assert!(FAULTS.contains(verb), "{verb} is offered in messages");
        assert_eq!(step.to_string(), format!("at 1s {line}"));
    }
}

#[test]
fn a_line_that_cannot_be_followed_is_named_with_what_is_allowed() {
    let table = [
        ("at 5s kill leeder for 5s", "\"leeder\" is no host; allowed: leader, standbys"),
        ("at 5s kill m4 for 5s", "m1 to m3"),
        ("at 5s kill leader", "the line ends where \"for\" is wanted"),
        ("at 5s explode leader for 5s", "\"explode\" is no fault; allowed: kill, term"),
        ("at soon kill leader for 5s", "at \"soon\" is no time; allowed: such as 500ms, 5s or 2min"),
        ("at 25h step-down", "up to 24h"),
        ("at 5s term e1 for 5s", "term e1: allowed: masters, workers only"),
        ("at 5s cut leader with e1 for 5s", "\"with\" stands where \"from\" (both ways) or \"to\" (one way) is wanted"),
        ("at 5s step-down now", "\"now\" stands behind the end of step-down"),
        ("at 5s drain leader", "drain leader: allowed: workers only"),
        ("every 1s from 9s until 5s step-down", "from must be before until"),
        ("every 0s from 1s until 5s step-down", "it happens"),
        ("upon election step-down", "needs a step before it"),
        ("upon arrival step-down", "\"arrival\" stands where \"election\" is wanted"),
        ("wrokers 3", "\"wrokers\" begins no line; allowed: about, etcd"),
        ("workers 40", "workers is \"40\"; allowed: 1, 2"),
        ("etcd 2", "etcd is \"2\"; allowed: 1, 3, 5"),
        ("drivers twice 2", "drivers of kind \"twice\"; allowed: plain, supervised, once"),
        ("submit often", "submit \"often\"; allowed: every TIME"),
        ("lease 1s", "lease is \"1s\"; allowed: a time from 3 s to 60 s"),
    ];
    for (line, wanted) in table {
        let problems = parse(&format!("{HEAD}\n{line}\n")).unwrap_err();
        let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert!(shown.len() == 1 && shown[0].starts_with("line 3: ") && shown[0].contains(wanted), "{line}: {shown:?}");
    }
    let all = parse("at 1s kill x for 1s\nworkers none\n").unwrap_err();
    assert_eq!(all.iter().map(|problem| problem.line).collect::<Vec<_>>(), [1, 1, 2], "all at once: {all:?}");
}
