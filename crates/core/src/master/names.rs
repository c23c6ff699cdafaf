//! Ids of new drivers and applications. Patterns that leave out the time stamp or the number may repeat an id (RC-19), so
//! each is checked against those that are taken.

use super::config::MasterConfig;
use super::id_series::IdSeries;
use super::leader::Ctx;
use crate::ids::{AppId, DriverId, IdPattern, InvalidId, PatternArg, Term};
use crate::time::Wall;

/// So many tries with the plain pattern; one without a counter would never become unique.
const PLAIN_TRIES: usize = 1000;

/// Longest part of an application's name that becomes its id; leaves room for a suffix.
const NAME_IN_ID_CHARS: usize = 40;

/// What the ids of one term are made of.
#[derive(Debug, Clone)]
pub(super) struct Names {
    apps: IdSeries,
    drivers: IdSeries,
}

impl Names {
    pub(super) fn of(term: &Term, config: &MasterConfig) -> Self {
        let drivers = IdSeries::of(term);
        Self { apps: config.app_number_modulo.map_or_else(|| drivers.clone(), IdSeries::below), drivers }
    }

    /// A new driver id (DR-02).
    pub(super) fn driver(&mut self, ctx: &Ctx<'_>, taken: impl Fn(&DriverId) -> bool) -> DriverId {
        let text = || next(&mut self.drivers, &ctx.config.driver_id_pattern, ctx.now.wall);
        free_id(text, PLAIN_TRIES, DriverId::new, taken)
    }

    /// A new application id (AP-01).
    pub(super) fn app(&mut self, name: &str, ctx: &Ctx<'_>, taken: impl Fn(&AppId) -> bool) -> AppId {
        if ctx.config.app_name_as_id {
            return free_id(|| id_from_name(name), 1, AppId::new, taken);
        }
        let text = || next(&mut self.apps, &ctx.config.app_id_pattern, ctx.now.wall);
        free_id(text, PLAIN_TRIES, AppId::new, taken)
    }
}

fn next(series: &mut IdSeries, pattern: &IdPattern, now: Wall) -> String {
    let (stamp, number) = series.next(now);
    pattern.format(&[PatternArg::Text(&stamp), PatternArg::Number(number)])
}

/// The first text that is a free id: as it comes for so many tries, then with a suffix that makes it unique.
fn free_id<Id>(
    mut text: impl FnMut() -> String,
    plain_tries: usize,
    make: fn(&str) -> Result<Id, InvalidId>,
    taken: impl Fn(&Id) -> bool,
) -> Id {
    let mut attempt = 0usize;
    loop {
        let candidate = if attempt < plain_tries { text() } else { format!("{}-{attempt}", text()) };
        if let Some(id) = make(&candidate).ok().filter(|id| !taken(id)) {
            return id;
        }
        attempt += 1;
    }
}

/// An application's name as an id: lower case, without white space and what else an id may not hold (T-MS-28).
fn id_from_name(name: &str) -> String {
    let kept: String = name
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control() && *c != '/')
        .flat_map(char::to_lowercase)
        .take(NAME_IN_ID_CHARS)
        .collect();
    if kept.trim_matches('.').is_empty() { "app".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::id_from_name;

    #[test]
    fn names_become_ids() {
        assert_eq!(id_from_name(" spark - 45756 "), "spark-45756", "T-MS-28");
        assert_eq!(id_from_name(".."), "app");
        assert_eq!(id_from_name("A/b\u{7}"), "ab");
    }
}
