//! What every handler is given: the time, and where its effects go.

use super::effect::{Effect, Trouble};
use crate::time::Now;

pub(super) struct Ctx<'a> {
    pub(super) now: Now,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Ctx<'_> {
    pub(super) fn warn(&mut self, trouble: impl Into<Trouble>) {
        self.effects.push(Effect::Warn(trouble.into()));
    }
}
