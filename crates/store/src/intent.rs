//! What operators want of the masters, written down beside the office: `ha/intent`.
//!
//! All times here are wall clock, compared with each master's own: they bound how long an operator's wish holds when
//! nobody takes it back, and nothing that must be safe rests on them.

use serde::{Deserialize, Serialize};

use tanist_core::ids::MasterId;
use tanist_core::time::Wall;

use crate::form;

/// The content of `ha/intent`. Nothing wanted = the key does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// No master takes the office, and none is deposed.
    pub pause: Option<Pause>,
    /// One master is to take the office, the others wait for it.
    pub handover: Option<Handover>,
}

/// Failover is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Who asked, as far as known.
    pub by: String,
    /// Why, for people.
    pub why: String,
    /// Until then, in milliseconds since 1970; a pause without end does not exist.
    pub until: u64,
}

/// A planned switchover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// Who is to lead.
    #[serde(with = "form")]
    pub target: MasterId,
    /// Why, for people.
    pub why: String,
    /// Until then the others wait for it, in milliseconds since 1970.
    pub until: u64,
}

/// A change of what operators want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentChange {
    /// Pauses failover, or changes the pause.
    Pause(Pause),
    /// Ends the pause.
    Resume,
}

/// What stands between a master and the office at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle<'a> {
    /// Failover is paused.
    Paused(&'a Pause),
    /// Another master is to follow.
    Reserved(&'a Handover),
}

impl Intent {
    /// What keeps this master from taking the office now. What has expired keeps nobody.
    pub fn obstacle(&self, me: &MasterId, now: Wall) -> Option<Obstacle<'_>> {
        if let Some(pause) = self.paused(now) {
            return Some(Obstacle::Paused(pause));
        }
        let handover = self.handover.as_ref().filter(|handover| handover.until > now.0 && handover.target != *me)?;
        Some(Obstacle::Reserved(handover))
    }

    /// The pause, while it lasts.
    pub fn paused(&self, now: Wall) -> Option<&Pause> {
        self.pause.as_ref().filter(|pause| pause.until > now.0)
    }

    /// Whether this master is the one that is to lead, and so need not let anybody go first.
    pub fn is_target(&self, me: &MasterId, now: Wall) -> bool {
        self.handover.as_ref().is_some_and(|handover| handover.until > now.0 && handover.target == *me)
    }

    /// When the next wish expires.
    pub fn next_expiry(&self, now: Wall) -> Option<Wall> {
        let pause = self.pause.as_ref().map(|pause| pause.until);
        let handover = self.handover.as_ref().map(|handover| handover.until);
        [pause, handover].into_iter().flatten().filter(|until| *until > now.0).min().map(Wall)
    }

    /// Nothing is wanted: the key can go.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// After the change, without what has expired.
    #[must_use]
    pub fn changed(&self, change: &IntentChange, now: Wall) -> Self {
        let pause = match change {
            IntentChange::Pause(pause) => Some(pause.clone()),
            IntentChange::Resume => None,
        };
        Self { pause, handover: self.handover.clone().filter(|handover| handover.until > now.0) }
    }

    /// With this successor named.
    #[must_use]
    pub fn handing_over(&self, handover: Handover, now: Wall) -> Self {
        Self { pause: self.paused(now).cloned(), handover: Some(handover) }
    }

    /// Once somebody has taken the office: nobody is waited for any more.
    #[must_use]
    pub fn settled(&self, now: Wall) -> Self {
        Self { pause: self.paused(now).cloned(), handover: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(id: &str) -> MasterId {
        MasterId::new(id).unwrap()
    }

    fn pause(until: u64) -> Pause {
        Pause { by: "op".to_owned(), why: "disk change".to_owned(), until }
    }

    fn handover(target: &str, until: u64) -> Handover {
        Handover { target: master(target), why: "test".to_owned(), until }
    }

    #[test]
    fn a_pause_keeps_everybody_until_it_expires() {
        let intent = Intent { pause: Some(pause(100)), handover: Some(handover("m1", 200)) };
        assert_eq!(intent.obstacle(&master("m1"), Wall(99)), Some(Obstacle::Paused(&pause(100))));
        assert_eq!(intent.obstacle(&master("m1"), Wall(100)), None, "the target of a switchover");
        assert_eq!(intent.obstacle(&master("m2"), Wall(100)), Some(Obstacle::Reserved(&handover("m1", 200))));
        assert_eq!(intent.obstacle(&master("m2"), Wall(200)), None);
        assert!(intent.is_target(&master("m1"), Wall(199)) && !intent.is_target(&master("m1"), Wall(200)));
        let expiries = [0, 99, 100, 199, 200].map(|now| intent.next_expiry(Wall(now)));
        assert_eq!(expiries, [Some(Wall(100)), Some(Wall(100)), Some(Wall(200)), Some(Wall(200)), None]);
    }

    #[test]
    fn changes_leave_the_other_wish_alone_and_drop_what_has_expired() {
        let intent = Intent { pause: None, handover: Some(handover("m1", 200)) };
        let paused = intent.changed(&IntentChange::Pause(pause(300)), Wall(100));
        assert_eq!(paused, Intent { pause: Some(pause(300)), handover: Some(handover("m1", 200)) });
        assert_eq!(paused.settled(Wall(100)), Intent { pause: Some(pause(300)), handover: None });
        assert!(paused.changed(&IntentChange::Resume, Wall(200)).is_empty());
        assert!(paused.settled(Wall(300)).is_empty());
        let handing = paused.handing_over(handover("m2", 900), Wall(300));
        assert_eq!(handing, Intent { pause: None, handover: Some(handover("m2", 900)) });
    }
}
