//! What is known to be wrong with the etcd that answers. Nothing rests on it: the protocol stays safe on all of these,
//! but an operator should know why a master was suspended, or why a watch had to be opened again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::pool::{Endpoint, Lane};

/// For one answer about a version.
const STATUS_WITHIN: Duration = Duration::from_secs(2);

/// A release: major, minor, patch.
type Release = (u32, u32, u32);

/// Per line of releases, the first one that is not warned of. Later lines never had these defects; of 3.4 nothing newer
/// will come.
const FLOORS: [Release; 3] = [(3, 4, 45), (3, 5, 28), (3, 6, 9)];

/// Something known to be wrong, and the first release of each line that has it mended. A line that is not named never
/// had it.
struct Defect {
    what: &'static str,
    mended: &'static [Release],
}

const DEFECTS: [Defect; 10] = [
    Defect { what: "members can differ after a crash under load", mended: &[(3, 5, 3)] },
    Defect { what: "watches repeat events, or report progress before them", mended: &[(3, 4, 25), (3, 5, 8)] },
    Defect { what: "a deposed leader of etcd revokes leases", mended: &[(3, 4, 31), (3, 5, 13)] },
    Defect { what: "slow watches lose events", mended: &[(3, 4, 31), (3, 5, 13)] },
    Defect { what: "the revision can fall after a crash during a compaction", mended: &[(3, 4, 32), (3, 5, 14)] },
    Defect { what: "watches opened at the compacted revision miss deletions", mended: &[(3, 4, 36), (3, 5, 18)] },
    Defect { what: "watches opened ahead return old events", mended: &[(3, 4, 38), (3, 5, 22), (3, 6, 2)] },
    Defect {
        what: "renewals of revoked leases are reported as successful",
        mended: &[(3, 4, 38), (3, 5, 23), (3, 6, 5)],
    },
    Defect { what: "a defragmentation can damage a member", mended: &[(3, 4, 38), (3, 5, 23), (3, 6, 5)] },
    Defect {
        what: "a member that was paused can answer linearizable reads with old content",
        mended: &[(3, 4, 42), (3, 5, 28), (3, 6, 9)],
    },
];

/// What is known of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is held against it.
    Fine,
    /// It should be replaced.
    Outdated {
        /// By this release, or a later one.
        floor: Release,
        /// Because of these. May be empty: the last release of an old line is still the one to have.
        defects: Vec<&'static str>,
    },
    /// It is none that can be read.
    Unreadable,
}

/// What is known of a version such as `3.5.16`. Pure.
pub(super) fn defects(version: &str) -> Verdict {
    let Some(release) = release(version) else { return Verdict::Unreadable };
    let line = (release.0, release.1);
    let oldest = (FLOORS[0].0, FLOORS[0].1);
    // Before the oldest line, everything that was ever found is there.
    let floor = FLOORS.into_iter().find(|floor| line < oldest || (floor.0, floor.1) == line);
    let Some(floor) = floor.filter(|floor| release < *floor) else { return Verdict::Fine };
    let has = |defect: &&Defect| {
        line < oldest || defect.mended.iter().any(|mended| (mended.0, mended.1) == line && release < *mended)
    };
    Verdict::Outdated { floor, defects: DEFECTS.iter().filter(has).map(|defect| defect.what).collect() }
}

/// What stands behind the numbers, as in `3.6.0-rc.1`, is not looked at.
fn release(version: &str) -> Option<Release> {
    let numbers = version.split(['-', '+']).next()?;
    let mut numbers = numbers.split('.').map(str::parse);
    let release = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    numbers.next().is_none().then_some(release)
}

/// Asks a member for its version, and warns once of what is known of it.
pub(super) async fn inspect(endpoint: Arc<Endpoint>) {
    let Ok(mut client) = endpoint.client(Lane::Requests).await else { return };
    let name = &endpoint.name;
    match timeout(STATUS_WITHIN, client.status()).await {
        Ok(Ok(status)) => {
            let version = status.version();
            if endpoint.is_new_version(version) {
                report(name, version);
            }
        }
        Ok(Err(error)) => tracing::debug!(endpoint = name, %error, "etcd does not say its version"),
        Err(_) => tracing::debug!(endpoint = name, "etcd does not say its version in time"),
    }
}

fn report(endpoint: &str, version: &str) {
    match defects(version) {
        Verdict::Fine => tracing::info!(endpoint, version, "etcd answers"),
        Verdict::Outdated { floor: (major, minor, patch), defects } => {
            let (floor, defects) = (format!("{major}.{minor}.{patch}"), defects.join("; "));
            tracing::warn!(endpoint, version, floor, defects, "etcd is outdated");
        }
        Verdict::Unreadable => tracing::warn!(endpoint, version, "etcd has a version that cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(version: &str) -> (String, Vec<&'static str>) {
        match defects(version) {
            Verdict::Outdated { floor: (a, b, c), defects } => (format!("{a}.{b}.{c}"), defects),
            other => panic!("{version}: {other:?}"),
        }
    }

    #[test]
    fn floors_are_exact() {
        for fine in
            ["3.4.45", "3.4.46", "3.5.28", "3.5.100", "3.6.9", "3.6.9-rc.1", "3.7.0", "3.7.2", "4.0.0", "3.10.0"]
        {
            assert_eq!(defects(fine), Verdict::Fine, "{fine}");
        }
        for (below, floor) in [
            ("2.3.8", "3.4.45"),
            ("3.3.27", "3.4.45"),
            ("3.4.44", "3.4.45"),
            ("3.5.27", "3.5.28"),
            ("3.6.8", "3.6.9"),
            ("3.6.0-rc.1", "3.6.9"),
        ] {
            assert_eq!(found(below).0, floor, "{below}");
        }
        for unreadable in ["", "3", "3.5", "v3.5.1", "3.5.x", "3.5.1.1"] {
            assert_eq!(defects(unreadable), Verdict::Unreadable, "{unreadable:?}");
        }
    }

    #[test]
    fn defects_are_named_until_they_are_mended() {
        let paused = "a member that was paused can answer linearizable reads with old content";
        let renewals = "renewals of revoked leases are reported as successful";
        let crash = "members can differ after a crash under load";
        let has = |version: &str, what: &str| found(version).1.contains(&what);
        for (version, what, expected) in [
            ("3.4.41", paused, true),
            ("3.4.42", paused, false),
            ("3.5.27", paused, true),
            ("3.6.8", paused, true),
            ("3.4.37", renewals, true),
            ("3.5.22", renewals, true),
            ("3.5.23", renewals, false),
            ("3.6.4", renewals, true),
            ("3.6.5", renewals, false),
            ("3.5.2", crash, true),
            ("3.5.3", crash, false),
            ("3.4.23", crash, false),
            ("3.3.0", crash, true),
        ] {
            assert_eq!(has(version, what), expected, "{version}: {what}");
        }
        assert_eq!(found("3.5.0").1.len(), DEFECTS.len());
        assert_eq!(found("3.4.23").1.len(), DEFECTS.len() - 1);
        assert!(found("3.4.44").1.is_empty());
    }
}
