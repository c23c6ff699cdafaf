//! Whom a step means: hosts by name, or by what they are at the moment when it happens.

use std::fmt;

use super::Cluster;

/// Some hosts, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who(pub(crate) Vec<Crowd>);

/// One word of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// The master whose key lies in etcd, or lay there last.
    Leader,
    /// All masters but the leader.
    Standbys,
    /// The first of them.
    AStandby,
    Masters,
    Workers,
    /// All members of etcd.
    Etcd,
    EtcdLeader,
    EtcdFollowers,
    /// Where submissions, applications and operators come from.
    Clients,
    /// Everybody who is not named on the other side.
    Others,
    /// One host by its name.
    Host(String),
}

const WORDS: [(&str, Crowd); 10] = [
    ("leader", Crowd::Leader),
    ("standbys", Crowd::Standbys),
    ("a-standby", Crowd::AStandby),
    ("masters", Crowd::Masters),
    ("workers", Crowd::Workers),
    ("etcd", Crowd::Etcd),
    ("etcd-leader", Crowd::EtcdLeader),
    ("etcd-followers", Crowd::EtcdFollowers),
    ("clients", Crowd::Clients),
    ("others", Crowd::Others),
];

impl Who {
    /// Reads words such as `leader,e1`.
    ///
    /// # Errors
    /// The word that means nobody in this cluster, with what is allowed.
    pub(crate) fn read(text: &str, cluster: &Cluster) -> Result<Self, String> {
        let hosts = names(cluster);
        let crowd = |word: &str| {
            let known = WORDS.iter().find(|(known, _)| *known == word).map(|(_, crowd)| crowd.clone());
            let host = || hosts.iter().any(|host| host == word).then(|| Crowd::Host(word.to_owned()));
            known.or_else(host).ok_or_else(|| format!("{word:?} is no host; allowed: {}", allowed(cluster)))
        };
        text.split(',').map(crowd).collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Whether all of them are of this kind, such as workers.
    pub(crate) fn all(&self, kind: Kind) -> bool {
        self.0.iter().all(|crowd| match crowd {
            Crowd::Leader | Crowd::Standbys | Crowd::AStandby | Crowd::Masters => kind == Kind::Master,
            Crowd::Workers => kind == Kind::Worker,
            Crowd::Etcd | Crowd::EtcdLeader | Crowd::EtcdFollowers => kind == Kind::Etcd,
            Crowd::Clients => kind == Kind::Client,
            Crowd::Others => false,
            Crowd::Host(name) => Kind::of(name) == Some(kind),
        })
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(Crowd::word).collect();
        f.write_str(&words.join(","))
    }
}

impl Crowd {
    fn word(&self) -> &str {
        if let Self::Host(name) = self {
            return name;
        }
        WORDS.iter().find(|(_, crowd)| crowd == self).map_or("", |(word, _)| word)
    }
}

/// What a host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Etcd,
    Master,
    Worker,
    Client,
}

impl Kind {
    /// What names of hosts of this kind begin with.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Etcd => 'e',
            Self::Master => 'm',
            Self::Worker => 'w',
            Self::Client => 'c',
        }
    }

    /// In sentences.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Etcd => "members of etcd",
            Self::Master => "masters",
            Self::Worker => "workers",
            Self::Client => "clients",
        }
    }

    /// From a name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Etcd, Self::Master, Self::Worker, Self::Client].into_iter().find(|kind| name.starts_with(kind.letter()))
    }
}

/// All hosts that a scenario may name, in order.
pub(crate) fn names(cluster: &Cluster) -> Vec<String> {
    let counts = [(Kind::Etcd, cluster.etcd), (Kind::Master, cluster.masters), (Kind::Worker, cluster.workers)];
    let of = |(kind, count): (Kind, usize)| (1..=count).map(move |n| format!("{}{n}", kind.letter()));
    counts.into_iter().flat_map(of).chain(["c1".to_owned()]).collect()
}

/// For messages.
fn allowed(cluster: &Cluster) -> String {
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    let range = |letter: char, count: usize| match count {
        1 => format!("{letter}1"),
        count => format!("{letter}1 to {letter}{count}"),
    };
    let hosts = [('e', cluster.etcd), ('m', cluster.masters), ('w', cluster.workers)];
    let hosts: Vec<String> = hosts.into_iter().map(|(letter, count)| range(letter, count)).collect();
    format!("{}; {}, c1; several with commas between them", words.join(", "), hosts.join(", "))
}
