//! A small world of real machines: two masters, three workers, two applications and a submitter, with everything
//! between them that can go wrong.
//!
//! ```text
//!   faults ──▶ ┌──────────── World, in virtual time ────────────┐
//!              │ masters  core::master + commit loop  ── store   │   ledger: what must hold at every moment
//!              │ hosts    core::worker + programs     ── net     │   peace:  what must come true after the faults
//!              │ clients  core::app                              │
//!              └─────────────────────────────────────────────────┘
//! ```
//!
//! The shells here carry out the machines' effects literally, as the real ones do; nothing else decides. A case is a
//! seed and a list of acts. A failing one is told in full by `WORLD_TRACE=1 cargo test -p tanist-core --test world`;
//! `PROPTEST_CASES` sets how many lives are lived.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod agenda;
mod clients;
mod faults;
mod hosts;
mod keepers;
mod ledger;
mod masters;
mod net;
mod outlets;
mod peace;
mod settings;
mod store;
mod submitter;
mod world;

use proptest::prelude::*;

use crate::faults::step;
use crate::world::World;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    /// I2 – I9 at every moment of any life, L1 – L3 after it.
    #[test]
    fn nothing_is_lost_doubled_or_disturbed(seed: u64, steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new(seed);
        world.pass(world::millis(500));
        for step in steps {
            world.step(step);
        }
        world.heals();
    }
}
