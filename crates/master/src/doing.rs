//! What a master does at the moment, in one plain sentence for people.

use tanist_core::ids::{MasterId, Term};
use tanist_core::master::Missing;
use tanist_core::time::Wall;
use tanist_store::intent::Obstacle;
use tanist_store::{Handover, Intent, LeaderRecord, Pause, Trouble};

/// Where a process stands as a candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Campaign {
    /// It gives up its former office.
    Leaving,
    /// It has left an office, and lets others go first.
    HoldsOff {
        /// Until then at the latest.
        until: Wall,
    },
    /// It waits for the office to be free.
    #[default]
    Waiting,
    /// The last try has failed.
    Failed {
        /// What came of it.
        why: String,
        /// Whether another try may succeed without anybody's help.
        passing: bool,
    },
}

/// How a process hears the leader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Following {
    /// There is nobody else to hear.
    #[default]
    Nobody,
    /// It is heard.
    Heard,
    /// It is not.
    Silent,
    /// Nobody listens at its address any more.
    Refused,
}

/// What a master does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doing {
    Leaves,
    HoldsOff { until: Wall },
    CannotStand { why: String },
    WaitsForStore { what: String },
    Waits { leader: MasterId, term: Term, silent: bool },
    WaitsForLease { former: MasterId },
    WaitsForResumption(Pause),
    WaitsForTarget(Handover),
    Stands,
    Reads,
    Recovers,
    Leads,
    Suspended { what: Option<String> },
}

/// What a master that does not lead sees around it.
pub(crate) struct Outlook<'a> {
    pub(crate) me: &'a MasterId,
    pub(crate) now: Wall,
    pub(crate) campaign: &'a Campaign,
    pub(crate) following: Following,
    pub(crate) leader: Option<&'a LeaderRecord>,
    pub(crate) intent: &'a Intent,
    pub(crate) trouble: Option<&'a Trouble>,
}

impl Outlook<'_> {
    /// What it waits for.
    pub(crate) fn doing(&self) -> Doing {
        match (self.campaign, self.trouble) {
            (Campaign::Leaving, _) => Doing::Leaves,
            (Campaign::HoldsOff { until }, _) => Doing::HoldsOff { until: *until },
            (Campaign::Failed { why, passing: false }, _) => Doing::CannotStand { why: why.clone() },
            (_, Some(trouble)) => Doing::WaitsForStore { what: trouble.what.clone() },
            (Campaign::Failed { why, .. }, None) => Doing::WaitsForStore { what: why.clone() },
            (Campaign::Waiting, None) => self.waiting(),
        }
    }

    fn waiting(&self) -> Doing {
        match self.leader {
            Some(leader) if leader.master != *self.me && self.following != Following::Refused => Doing::Waits {
                leader: leader.master.clone(),
                term: leader.term(),
                silent: self.following == Following::Silent,
            },
            gone => match (self.intent.obstacle(self.me, self.now), gone) {
                (Some(Obstacle::Paused(pause)), _) => Doing::WaitsForResumption(pause.clone()),
                // Its key is still there, and stays until its lease ends. It may be that of a former process of our own.
                (_, Some(former)) => Doing::WaitsForLease { former: former.master.clone() },
                (Some(Obstacle::Reserved(handover)), None) => Doing::WaitsForTarget(handover.clone()),
                (None, None) => Doing::Stands,
            },
        }
    }
}

impl Doing {
    /// Whether it is the same, but for its details.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Why the term may not act, if it may not.
    pub(crate) fn suspension(&self) -> Option<&str> {
        match self {
            Self::Suspended { what } => Some(what.as_deref().unwrap_or("the term could not be renewed in time")),
            _ => None,
        }
    }

    /// One sentence. `missing` is what a recovery still waits for; `since` is when all this began.
    pub(crate) fn sentence(&self, missing: Missing, since: Wall) -> String {
        match self {
            Self::Leaves => "leaves the office".to_owned(),
            Self::HoldsOff { until } => format!("has stepped down: lets others go first until {}", until.civil()),
            Self::CannotStand { why } => format!("cannot stand: {why}"),
            Self::WaitsForStore { what } => format!("waits for the store: {what}"),
            Self::Waits { leader, term, silent: false } => format!("waits: {leader} leads in term {term}"),
            Self::Waits { leader, term, silent: true } => {
                format!("waits: {leader} leads in term {term}, but is not heard from here")
            }
            Self::WaitsForLease { former } => format!("waits for the lease of the former leader {former} to end"),
            Self::WaitsForResumption(Pause { by, why, until }) => {
                format!("waits: failover is paused by {by} until {}: {why}", Wall(*until).civil())
            }
            Self::WaitsForTarget(Handover { target, why, until }) => {
                format!("waits: {target} is to lead, until {}: {why}", Wall(*until).civil())
            }
            Self::Stands => "stands for election".to_owned(),
            Self::Reads => "reads the records".to_owned(),
            Self::Recovers => format!("recovers: {}", unanswered(missing)),
            Self::Leads => "leads".to_owned(),
            Self::Suspended { what: None } => format!("suspended: no renewal since {}", since.civil()),
            Self::Suspended { what: Some(what) } => format!("suspended: no renewal since {}: {what}", since.civil()),
        }
    }
}

fn unanswered(missing: Missing) -> String {
    let some = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        more => Some(format!("{more} {one}s")),
    };
    let who = [some(missing.workers, "worker"), some(missing.apps, "application")];
    let who = who.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    match missing.workers + missing.apps {
        0 => "everybody has answered".to_owned(),
        1 => format!("{who} has not answered"),
        _ => format!("{who} have not answered"),
    }
}

#[cfg(test)]
mod tests {
    use tanist_core::ids::{ClusterId, Epoch, Generation, Nonce};

    use super::*;

    fn master(id: &str) -> MasterId {
        MasterId::new(id).unwrap()
    }

    fn leader(id: &str) -> LeaderRecord {
        LeaderRecord {
            cluster: ClusterId::new("c").unwrap(),
            generation: Generation(0),
            epoch: Epoch(7),
            master: master(id),
            nonce: Nonce::new("n").unwrap(),
            rpc: "m:1".to_owned(),
            ui: None,
            rest: None,
            version: "0".to_owned(),
        }
    }

    fn says(outlook: &Outlook<'_>) -> String {
        outlook.doing().sentence(Missing::default(), Wall(0))
    }

    #[test]
    fn a_standby_says_what_it_waits_for() {
        let (me, other, own) = (master("m1"), leader("m2"), leader("m1"));
        let pause = Pause { by: "op".to_owned(), why: "disks".to_owned(), until: 9_000 };
        let paused = Intent { pause: Some(pause), handover: None };
        let handover = Handover { target: master("m3"), why: "update".to_owned(), until: 9_000 };
        let reserved = Intent { pause: None, handover: Some(handover) };
        let none = Intent::default();
        let base = Outlook {
            me: &me,
            now: Wall(1_000),
            campaign: &Campaign::Waiting,
            following: Following::Heard,
            leader: Some(&other),
            intent: &none,
            trouble: None,
        };
        assert_eq!(says(&base), "waits: m2 leads in term 0.7");
        let silent = Outlook { following: Following::Silent, ..base };
        assert_eq!(says(&silent), "waits: m2 leads in term 0.7, but is not heard from here");
        let refused = Outlook { following: Following::Refused, ..base };
        assert_eq!(says(&refused), "waits for the lease of the former leader m2 to end");
        let ours = Outlook { leader: Some(&own), ..base };
        assert_eq!(says(&ours), "waits for the lease of the former leader m1 to end");
        let pausing = Outlook { intent: &paused, ..refused };
        assert_eq!(says(&pausing), "waits: failover is paused by op until 1970-01-01T00:00:09Z: disks");
        assert_eq!(says(&Outlook { intent: &paused, ..base }), "waits: m2 leads in term 0.7", "it is not needed now");
        assert_eq!(says(&Outlook { leader: None, ..base }), "stands for election");
        let waiting = Outlook { leader: None, intent: &reserved, ..base };
        assert_eq!(says(&waiting), "waits: m3 is to lead, until 1970-01-01T00:00:09Z: update");
    }

    #[test]
    fn what_keeps_it_from_standing_comes_first() {
        let (me, other, none) = (master("m1"), leader("m2"), Intent::default());
        let trouble = Trouble { since: Wall(0), what: "etcd cannot be reached at a:1".to_owned() };
        let failed = |passing| Campaign::Failed { why: "wrong password".to_owned(), passing };
        let says = |campaign: &Campaign, trouble| {
            let following = Following::Nobody;
            let leader = Some(&other);
            says(&Outlook { me: &me, now: Wall(0), campaign, following, leader, intent: &none, trouble })
        };
        assert_eq!(says(&failed(false), Some(&trouble)), "cannot stand: wrong password");
        assert_eq!(says(&failed(true), Some(&trouble)), "waits for the store: etcd cannot be reached at a:1");
        assert_eq!(says(&failed(true), None), "waits for the store: wrong password");
        let holds_off = Campaign::HoldsOff { until: Wall(1_000) };
        let others_first = "has stepped down: lets others go first until 1970-01-01T00:00:01Z";
        assert_eq!(says(&holds_off, Some(&trouble)), others_first);
    }

    #[test]
    fn who_has_not_answered_is_counted_in_words() {
        let says = |workers, apps| Doing::Recovers.sentence(Missing { workers, apps }, Wall(0));
        assert_eq!(says(3, 1), "recovers: 3 workers and 1 application have not answered");
        assert_eq!(says(1, 0), "recovers: 1 worker has not answered");
        assert_eq!(says(0, 2), "recovers: 2 applications have not answered");
        assert_eq!(says(0, 0), "recovers: everybody has answered");
    }
}
