//! The script: exchanges in a form that people read.
//!
//! ```text
//! # name of the exchange
//! POST leader /v1/submissions/create
//!   {"the": "body"}
//! > driver = submissionId
//! > until driverState = RUNNING
//! ```
//!
//! Lines with two blanks before them are the body. `> name = field` keeps a field of the answer; `{name}` stands for it later
//! on. `> until field = value` repeats the request until the answer has it. Lines with `;` are comments.

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    /// REST of the master that leads.
    Leader,
    /// REST of a master that does not.
    Standby,
    /// Pages of the master that leads.
    LeaderPages,
    /// Pages of a master that does not lead.
    StandbyPages,
    /// Pages of a worker.
    WorkerPages,
}

/// One request, and what is done with its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) party: Party,
    pub(crate) path: String,
    pub(crate) body: Option<String>,
    /// Name and field.
    pub(crate) keep: Vec<(String, String)>,
    /// Field and value.
    pub(crate) until: Option<(String, String)>,
}

/// Reads a script.
pub(crate) fn parse(text: &str) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    let mut name = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(';')) {
        if let Some(title) = line.strip_prefix("# ") {
            assert!(exchanges.iter().all(|exchange| exchange.name != title), "{title:?} is there twice");
            title.clone_into(&mut name);
        } else if let Some(body) = line.strip_prefix("  ") {
            let last = exchanges.last_mut().unwrap();
            let before = last.body.take().map(|before| before + "\n").unwrap_or_default();
            last.body = Some(before + body);
        } else if let Some(rule) = line.strip_prefix("> ") {
            let last = exchanges.last_mut().unwrap();
            let (left, right) = rule.split_once(" = ").unwrap_or_else(|| panic!("{line:?} has no ' = '"));
            match left.strip_prefix("until ") {
                Some(field) => last.until = Some((field.to_owned(), right.to_owned())),
                None => last.keep.push((left.to_owned(), right.to_owned())),
            }
        } else {
            exchanges.push(request(line, std::mem::take(&mut name)));
        }
    }
    exchanges
}

fn request(line: &str, name: String) -> Exchange {
    assert!(!name.is_empty(), "{line:?} has no name");
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_else(|| panic!("{line:?} is not METHOD PARTY PATH")).to_owned();
    let (method, party, path) = (word(), party(&word()), word());
    Exchange { name, method, party, path, body: None, keep: Vec::new(), until: None }
}

fn party(word: &str) -> Party {
    match word {
        "leader" => Party::Leader,
        "standby" => Party::Standby,
        "leader-pages" => Party::LeaderPages,
        "standby-pages" => Party::StandbyPages,
        "worker-pages" => Party::WorkerPages,
        _ => panic!("{word:?} is nobody"),
    }
}
