//! Reads a scenario as people write it: one sentence per line.
//!
//! ```text
//! about     The leader is cut off from etcd, and from nobody else
//! workers   4
//! drivers   plain 2, supervised 2, once 2
//! submit    every 250ms
//! at 5s     cut leader from etcd for 12s
//! upon election  restart workers
//! every 4s from 10s until 60s  switchover
//! ```

use std::fmt;
use std::time::Duration;

use tanist_core::units::parse_duration;

use super::who::Kind;
use super::{Cluster, Fault, Scenario, Step, Way, When, Who, Work};

/// What may begin a line.
const SETTINGS: &str = "about, etcd, masters, workers, lease, worker-timeout, drivers, executors, submit";
const FAULTS: &str = "kill, term, stop, restart, cut, slow, half-open, fill, switchover, step-down, pause, resume, drain, \
                      revoke-lease, delete-leader, compact, corrupt";
/// Longest time that is taken: a typing error should not run for a month.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Most times that one line happens.
const MOST_TIMES: u128 = 10_000;

/// A line that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) line: usize,
    pub(crate) why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// # Errors
/// Every line that cannot be followed: what is wrong in it, and what is allowed.
pub(crate) fn parse(text: &str) -> Result<Scenario, Vec<Problem>> {
    let mut scenario =
        Scenario { about: String::new(), cluster: Cluster::default(), work: Work::default(), steps: Vec::new() };
    let mut problems = Vec::new();
    // Settings first, wherever they stand: hosts in steps are checked against them.
    let lines =
        || text.lines().enumerate().map(|(at, line)| (at + 1, line.split('#').next().unwrap_or_default().trim()));
    let (steps, settings): (Vec<_>, Vec<_>) =
        lines().filter(|(_, line)| !line.is_empty()).partition(|(_, line)| is_step(line));
    for (line, words) in settings {
        if let Err(why) = setting(words, &mut scenario) {
            problems.push(Problem { line, why });
        }
    }
    for (line, words) in steps {
        match step(words, &scenario.cluster) {
            Ok(step) if step.when == When::UponElection && scenario.steps.is_empty() => {
                let why = "\"upon election\" needs a step before it, after which the election is waited for".to_owned();
                problems.push(Problem { line, why });
            }
            Ok(step) => scenario.steps.push(step),
            Err(why) => problems.push(Problem { line, why }),
        }
    }
    if scenario.about.is_empty() {
        problems.push(Problem { line: 1, why: "there is no \"about\" line; allowed: about SENTENCE, once".to_owned() });
    }
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(scenario) } else { Err(problems) }
}

fn is_step(line: &str) -> bool {
    matches!(line.split_whitespace().next(), Some("at" | "every" | "upon"))
}

fn setting(line: &str, scenario: &mut Scenario) -> Result<(), String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let (cluster, work) = (&mut scenario.cluster, &mut scenario.work);
    match word {
        "about" if !rest.is_empty() => rest.clone_into(&mut scenario.about),
        "about" => return Err("about is empty; allowed: a sentence".to_owned()),
        "etcd" => cluster.etcd = one_of(word, rest, &[1, 3, 5])?,
        "masters" => cluster.masters = one_of(word, rest, &[1, 2, 3, 4, 5])?,
        "workers" => cluster.workers = one_of(word, rest, &[1, 2, 3, 4, 5, 6, 7, 8, 9])?,
        "lease" => cluster.lease = within(word, rest, Duration::from_secs(3), Duration::from_secs(60))?,
        "worker-timeout" => {
            cluster.worker_timeout = within(word, rest, Duration::from_secs(12), Duration::from_secs(600))?;
        }
        "drivers" => drivers(rest, work)?,
        "executors" => work.executors = number(word, rest, 0, 16)?,
        "submit" => work.submit_every = submit(rest)?,
        other => return Err(format!("{other:?} begins no line; allowed: {SETTINGS}, at, every, upon")),
    }
    Ok(())
}

fn number(field: &str, text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{field} is {text:?}; allowed: a whole number from {least} to {most}"))
}

fn one_of(field: &str, text: &str, allowed: &[usize]) -> Result<usize, String> {
    let shown: Vec<String> = allowed.iter().map(usize::to_string).collect();
    let number = text.parse().ok().filter(|number| allowed.contains(number));
    number.ok_or_else(|| format!("{field} is {text:?}; allowed: {}", shown.join(", ")))
}

fn time(field: &str, text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).ok().filter(|time| *time <= LONGEST);
    time.ok_or_else(|| format!("{field} {text:?} is no time; allowed: such as 500ms, 5s or 2min, up to 24h"))
}

fn within(field: &str, text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let allowed = format!("a time from {} s to {} s", least.as_secs(), most.as_secs());
    let time = time(field, text).ok().filter(|time| (least..=most).contains(time));
    time.ok_or_else(|| format!("{field} is {text:?}; allowed: {allowed}"))
}

fn drivers(text: &str, work: &mut Work) -> Result<(), String> {
    (work.plain, work.supervised, work.once) = (0, 0, 0);
    for part in text.split(',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        let (kind, count) = match words.as_slice() {
            [kind, count] => (*kind, number(kind, count, 0, 16)?),
            _ => return Err(format!("drivers {part:?}; allowed: plain N, supervised N, once N")),
        };
        match kind {
            "plain" => work.plain = count,
            "supervised" => work.supervised = count,
            "once" => work.once = count,
            other => return Err(format!("drivers of kind {other:?}; allowed: plain, supervised, once")),
        }
    }
    Ok(())
}

fn submit(text: &str) -> Result<Duration, String> {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["every", every] => within("submit every", every, Duration::from_millis(20), Duration::from_secs(60))
            .map_err(|_| format!("submit every {every:?}; allowed: a time from 20ms to 60s")),
        _ => Err(format!("submit {text:?}; allowed: every TIME")),
    }
}

/// The words of a step that are still to be read.
struct Words<'a>(std::iter::Peekable<std::str::SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    fn next(&mut self, wanted: &str) -> Result<&'a str, String> {
        self.0.next().ok_or_else(|| format!("the line ends where {wanted} is wanted"))
    }

    /// The word that must stand here.
    fn word(&mut self, word: &str) -> Result<(), String> {
        let found = self.next(&format!("{word:?}"))?;
        if found == word { Ok(()) } else { Err(format!("{found:?} stands where {word:?} is wanted")) }
    }

    fn time(&mut self, field: &str) -> Result<Duration, String> {
        time(field, self.next("a time")?)
    }

    /// `for TIME`.
    fn lasts(&mut self) -> Result<Duration, String> {
        self.word("for")?;
        self.time("for")
    }

    fn who(&mut self, cluster: &Cluster) -> Result<Who, String> {
        Who::read(self.next("a host")?, cluster)
    }

    /// Hosts of these kinds only.
    fn only(&mut self, cluster: &Cluster, kinds: &[Kind], verb: &str) -> Result<Who, String> {
        let who = self.who(cluster)?;
        let single = |crowd: &super::Crowd| kinds.iter().any(|kind| Who(vec![crowd.clone()]).all(*kind));
        if who.0.iter().all(single) {
            return Ok(who);
        }
        let words: Vec<&str> = kinds.iter().map(|kind| kind.plural()).collect();
        Err(format!("{verb} {who}: allowed: {} only", words.join(", ")))
    }
}

fn step(line: &str, cluster: &Cluster) -> Result<Step, String> {
    let mut words = Words(line.split_whitespace().peekable());
    let when = when(&mut words)?;
    let fault = fault(&mut words, cluster)?;
    match words.0.next() {
        None => Ok(Step { when, fault }),
        Some(more) => Err(format!("{more:?} stands behind the end of {}", fault.verb())),
    }
}

fn when(words: &mut Words<'_>) -> Result<When, String> {
    match words.next("a time")? {
        "at" => Ok(When::At(words.time("at")?)),
        "upon" => words.word("election").map(|()| When::UponElection),
        _ => {
            let every = words.time("every")?;
            words.word("from")?;
            let from = words.time("from")?;
            words.word("until")?;
            let until = words.time("until")?;
            let times = until.saturating_sub(from).as_millis().checked_div(every.as_millis()).unwrap_or(u128::MAX);
            if from >= until || times > MOST_TIMES {
                return Err(format!(
                    "it happens {times} times; allowed: 1 to {MOST_TIMES}, so from must be before until"
                ));
            }
            Ok(When::Every { every, from, until })
        }
    }
}

fn fault(words: &mut Words<'_>, cluster: &Cluster) -> Result<Fault, String> {
    use Kind::{Etcd, Master, Worker};
    let process = &[Etcd, Master, Worker];
    Ok(match words.next("a fault")? {
        "kill" => Fault::Kill { who: words.only(cluster, process, "kill")?, lasts: words.lasts()? },
        "term" => Fault::Term { who: words.only(cluster, &[Master, Worker], "term")?, lasts: words.lasts()? },
        "stop" => Fault::Stop { who: words.only(cluster, process, "stop")?, lasts: words.lasts()? },
        "restart" => Fault::Restart { who: words.only(cluster, process, "restart")? },
        "cut" => {
            let from = words.who(cluster)?;
            let way = match words.next("\"from\" or \"to\"")? {
                "from" => Way::Both,
                "to" => Way::Forth,
                other => {
                    return Err(format!("{other:?} stands where \"from\" (both ways) or \"to\" (one way) is wanted"));
                }
            };
            Fault::Cut { from, way, to: words.who(cluster)?, lasts: words.lasts()? }
        }
        "slow" => {
            let from = words.who(cluster)?;
            words.word("to")?;
            let to = words.who(cluster)?;
            words.word("by")?;
            Fault::Slow { from, to, by: words.time("by")?, lasts: words.lasts()? }
        }
        "half-open" => {
            let from = words.who(cluster)?;
            words.word("to")?;
            Fault::HalfOpen { from, to: words.who(cluster)?, lasts: words.lasts()? }
        }
        "fill" => Fault::Fill { who: words.only(cluster, &[Etcd, Worker], "fill")?, lasts: words.lasts()? },
        "switchover" if words.0.peek().is_none() => Fault::Switchover { to: None },
        "switchover" => {
            words.word("to")?;
            Fault::Switchover { to: Some(words.only(cluster, &[Master], "switchover to")?) }
        }
        "step-down" => Fault::StepDown,
        "pause" => Fault::Pause { lasts: words.lasts()? },
        "resume" => Fault::Resume,
        "drain" => Fault::Drain { who: words.only(cluster, &[Worker], "drain")? },
        "revoke-lease" => Fault::RevokeLease,
        "delete-leader" => Fault::DeleteLeader,
        "compact" => Fault::Compact,
        "corrupt" => Fault::Corrupt,
        other => return Err(format!("{other:?} is no fault; allowed: {FAULTS}")),
    })
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
