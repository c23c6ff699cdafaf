//! Chance: for names that nobody else has, and for moments that few share. Nothing that decides rests on it.

use uuid::Uuid;

/// A random id.
pub fn uuid() -> Uuid {
    #[cfg(feature = "simulated")]
    if let Some(host) = crate::simulated::host() {
        let (high, low) = (host.random(), host.random());
        return uuid::Builder::from_u128((u128::from(high) << 64) | u128::from(low))
            .with_version(uuid::Version::Random)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid();
    }
    Uuid::new_v4()
}

/// A random number below this one; 0 if that is 0.
pub fn below(limit: u64) -> u64 {
    let (random, _) = uuid().as_u64_pair();
    // The version of the id stands in its upper half: bits 12 to 15.
    (random >> 16).checked_rem(limit).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_kept() {
        assert_eq!((below(0), below(1)), (0, 0));
        let drawn: std::collections::BTreeSet<u64> = (0..1000).map(|_| below(4)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
