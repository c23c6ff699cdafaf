//! What the model takes for granted about the core's worker, held against it.

use tanist_core::rng::Rng;

use super::*;
use crate::scope::ATTEMPTS;
use crate::state::Run;

/// Who leads in the epochs of this test; 0 names none.
const HOLDERS: Holders = [0, 0, 1, 0, 1];

/// A process that lives on from one event to the next, as a real one does, beside what the model thinks of it.
struct Alive {
    process: Process,
    standing: Standing,
    runs: Runs,
    workers: Workers,
}

impl Alive {
    fn new() -> Self {
        let mut process = Process::new(2, 0);
        process.open_what_is_asked_for();
        let standing = Standing { mode: Mode::Boot { hinted: false }, heard: 0, links: [Some(0), Some(0), None] };
        Self { process, standing, runs: [Run::None; ATTEMPTS], workers: Workers::default() }
    }

    fn hears(&mut self, news: News) {
        let expected = self.workers.react(2, self.standing, HOLDERS, news);
        let before = self.process.links();
        if let Some(event) = news_event(&self.process, HOLDERS, news) {
            self.process.handle(event);
        }
        self.settle(expected, before);
    }

    fn hears_order(&mut self, master: u8, epoch: u8, order: Order) {
        let expected = self.workers.react(2, self.standing, HOLDERS, News::Command(master, epoch));
        let before = self.process.links();
        if let Some(link) = self.process.link_with(master) {
            let body = match order {
                Order::Launch(attempt) => past::launch(attempt),
                Order::Kill(attempt) => past::kill(attempt),
                Order::Exit(_) => panic!("no master orders that"),
            };
            self.process.command_on(link, epoch, body);
        }
        if expected.obeys {
            self.runs = self.workers.order(self.runs, order);
        }
        self.settle(expected, before);
    }

    fn exits(&mut self, attempt: u8) {
        self.process.exits(attempt);
        self.runs = self.workers.order(self.runs, Order::Exit(attempt));
        assert_eq!(self.process.runs(), self.runs);
    }

    /// The process has become what the model expects.
    fn settle(&mut self, expected: Reaction, before: [Option<LinkId>; MASTERS]) {
        let opened = self.process.open_what_is_asked_for();
        assert!(
            opened.iter().all(|running| *running == self.workers.inventory(self.runs)),
            "{opened:?}: {:?}",
            self.runs
        );
        let (mode, heard) = self.process.shows(expected.mode == Mode::Boot { hinted: true });
        assert_eq!((mode, heard), (expected.mode, expected.heard), "after {:?}", self.standing);
        let links = fates(before, self.process.links());
        assert_eq!(links, expected.links, "after {:?}", self.standing);
        (self.standing.mode, self.standing.heard) = (mode, heard);
        for (known, link) in self.standing.links.iter_mut().zip(links) {
            match link {
                Link::None => *known = None,
                Link::Kept => {}
                Link::New => *known = Some(heard),
            }
        }
        if let Mode::Connected(master) = mode {
            self.standing.links[usize::from(master)] = Some(heard);
        }
        assert_eq!(self.process.runs(), self.runs, "after {expected:?}");
    }

    /// Something that may happen to it now.
    fn happens(&mut self, rng: &mut Rng) {
        let small = |rng: &mut Rng, low, high| u8::try_from(rng.between(low, high)).unwrap();
        let (master, epoch, attempt) = (small(rng, 0, 2), small(rng, 1, 5), small(rng, 1, ATTEMPTS as u64 + 1));
        let leads = HOLDERS[usize::from(epoch)] == master && self.standing.links[usize::from(master)].is_some();
        let ending = self.runs[usize::from(attempt) - 1] == Run::Ending;
        match rng.between(0, 10) {
            0 => self.hears(News::Hears(epoch)),
            1 if self.process.link_with(master).is_some() => self.hears(News::Closed(master)),
            2 | 3 if !matches!(self.standing.mode, Mode::Connected(_)) => self.hears(News::Retry),
            4 | 5 if leads => self.hears(News::Registered(master, epoch)),
            6 | 7 if leads => self.hears_order(master, epoch, Order::Launch(attempt)),
            8 if leads => self.hears_order(master, epoch, Order::Kill(attempt)),
            9 if ending => self.exits(attempt),
            _ => {}
        }
    }
}

#[test]
fn whom_a_worker_follows_and_what_it_runs_are_kept_apart() {
    let mut furthest = 0;
    for seed in 0..300 {
        let rng = &mut Rng::new(seed);
        let mut alive = Alive::new();
        for _ in 0..60 {
            alive.happens(rng);
        }
        furthest = furthest.max(alive.runs.iter().filter(|run| **run != Run::None).count());
    }
    assert!(furthest > 2, "several attempts came in some life");
}
