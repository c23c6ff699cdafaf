//! The picture of a run: who led, what was done to it, what ran where, and how long submissions took. All against one clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::svg::{Anchor, Svg, width_of};
use crate::check::{Ledger, Tenure};
use crate::clock::Boot;
use crate::history::Histories;
use crate::run::Outcome;
use crate::scenario::{Kind, names};

/// Least width of the field; long runs get more, so that their faults do not crowd.
const FIELD_WIDTH: f64 = 1164.0;
const WIDTH_OF_A_SECOND: f64 = 4.0;
/// Room for names at the left, and for nothing at the right.
const LEFT: f64 = 92.0;
const RIGHT: f64 = 24.0;
const LANE: f64 = 20.0;
const GAP: f64 = 30.0;
/// Height of a worker's lane, and of the field of submissions.
const WORKER: f64 = 34.0;
const FIELD: f64 = 130.0;

const COLORS: [&str; 5] = ["#3b6fb6", "#d9822b", "#3d9a5f", "#8a5fb5", "#b5495b"];
const FAULT: &str = "#d64545";
const GREY: &str = "#8a8f98";
const FAINT: &str = "#e6e8eb";
const HEAD: &str = "font-size:12px;font-weight:bold";
const SMALL: &str = "font-size:10px;fill:#666";

/// Draws it.
pub(super) fn draw(outcome: &Outcome) -> String {
    let told = &outcome.histories;
    let began = told.began.unwrap_or_default();
    let end = told.finished.or(told.calm).unwrap_or(began + Duration::from_secs(1));
    let seconds = end.since(began).as_secs_f64().max(1.0);
    let scale = Scale { began, seconds, right: LEFT + FIELD_WIDTH.max(seconds * WIDTH_OF_A_SECOND) };
    let width = scale.right + RIGHT;
    let packed = pack(told, &scale);
    let masters: Vec<String> = of_kind(outcome, Kind::Master);
    let workers: Vec<String> = of_kind(outcome, Kind::Worker);
    let fault_lanes = packed.iter().map(|fault| fault.lane + 1).max().unwrap_or(1);
    let heights = [masters.len() as f64 * LANE, fault_lanes as f64 * LANE, workers.len() as f64 * WORKER, FIELD];
    let top = 56.0;
    let height = top + heights.iter().map(|height| height + GAP).sum::<f64>() + 16.0;
    let mut picture = Picture { svg: Svg::new(width, height), scale };
    let color = if outcome.is_green() { "#2c7a4b" } else { FAULT };
    let verdict = if outcome.is_green() { "green" } else { "red" };
    picture.svg.text((16.0, 24.0), &outcome.name, Anchor::Start, "font-size:16px;font-weight:bold");
    picture.svg.text(
        (scale.right, 24.0),
        verdict,
        Anchor::End,
        &format!("font-size:14px;font-weight:bold;fill:{color}"),
    );
    picture.svg.text((16.0, 42.0), &outcome.scenario.about, Anchor::Start, "font-size:12px;fill:#555");
    picture.grid(top + 8.0, height - 24.0, told.calm);
    let mut y = top + GAP - 4.0;
    picture.leaders(y, &masters, &Ledger::of(&told.changes).tenures);
    y += heights[0] + GAP;
    picture.faults(y, &packed);
    y += heights[1] + GAP;
    picture.work(y, told, &workers);
    y += heights[2] + GAP;
    picture.submissions(y, told);
    picture.svg.finish()
}

fn of_kind(outcome: &Outcome, kind: Kind) -> Vec<String> {
    names(&outcome.scenario.cluster).into_iter().filter(|name| Kind::of(name) == Some(kind)).collect()
}

/// From moments to places.
#[derive(Debug, Clone, Copy)]
struct Scale {
    began: Boot,
    seconds: f64,
    /// Where the field ends.
    right: f64,
}

impl Scale {
    fn x(&self, at: Boot) -> f64 {
        self.at(at.since(self.began).as_secs_f64())
    }

    fn at(&self, seconds: f64) -> f64 {
        LEFT + (self.right - LEFT) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    /// A round number of seconds between two lines of the grid.
    fn step(&self) -> f64 {
        let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];
        let most = (self.right - LEFT) / 72.0;
        steps.into_iter().find(|step| self.seconds / step <= most).unwrap_or(1800.0)
    }
}

/// A fault, in a lane in which it disturbs no other's words.
struct Packed<'a> {
    lane: usize,
    from: f64,
    to: f64,
    /// Where its words begin: behind its beginning, or before it where there is no room.
    words: f64,
    text: &'a str,
}

fn pack<'a>(told: &'a Histories, scale: &Scale) -> Vec<Packed<'a>> {
    let mut free: Vec<f64> = Vec::new();
    let mut packed = Vec::new();
    for fault in &told.faults {
        let (from, to) = (scale.x(fault.from), scale.x(fault.to.unwrap_or(fault.from)));
        let (text, length) = (fault.text.as_str(), width_of(&fault.text, 10.0));
        let fits = from + 7.0 + length <= scale.right + RIGHT;
        let words = if fits { from + 7.0 } else { from - 5.0 - length };
        let until = to.max(words + length) + 6.0;
        let lane = free.iter().position(|free| *free <= from.min(words)).unwrap_or(free.len());
        if lane == free.len() {
            free.push(until);
        } else if let Some(free) = free.get_mut(lane) {
            *free = until;
        }
        packed.push(Packed { lane, from, to, words, text });
    }
    packed
}

struct Picture {
    svg: Svg,
    scale: Scale,
}

impl Picture {
    fn grid(&mut self, top: f64, bottom: f64, calm: Option<Boot>) {
        let step = self.scale.step();
        let mut seconds = 0.0;
        while seconds <= self.scale.seconds {
            let x = self.scale.at(seconds);
            self.svg.line([x, top, x, bottom], FAINT, "");
            self.svg.text((x, bottom + 16.0), &format!("{seconds} s"), Anchor::Middle, SMALL);
            seconds += step;
        }
        if let Some(calm) = calm {
            let x = self.scale.x(calm);
            self.svg.line([x, top, x, bottom], "#2c7a4b", "4 3");
            self.svg.text((x - 4.0, top + 4.0), "faults over", Anchor::End, "font-size:10px;fill:#2c7a4b");
        }
    }

    fn head(&mut self, y: f64, text: &str) {
        self.svg.text((16.0, y - 9.0), text, Anchor::Start, HEAD);
    }

    fn name(&mut self, y: f64, text: &str) {
        self.svg.text((LEFT - 10.0, y), text, Anchor::End, "");
    }

    fn leaders(&mut self, y: f64, masters: &[String], tenures: &[Tenure]) {
        self.head(y, "Leader");
        for (lane, (master, color)) in masters.iter().zip(COLORS.iter().cycle()).enumerate() {
            let y = y + lane as f64 * LANE;
            self.name(y + 13.0, master);
            self.svg.rect([LEFT, y + 2.0, self.scale.right - LEFT, LANE - 4.0], "#f5f6f7", "");
            for tenure in tenures.iter().filter(|tenure| tenure.master == *master) {
                let from = self.scale.x(tenure.from.1);
                let to = tenure.to.map_or(self.scale.right, |(_, to)| self.scale.x(to));
                if to <= LEFT {
                    continue;
                }
                let words = format!("epoch {}", tenure.epoch);
                self.svg.rect([from, y + 2.0, to - from, LANE - 4.0], color, &format!("{master} in {words}"));
                let short = tenure.epoch.to_string();
                let fits = |text: &str| width_of(text, 10.0) + 6.0 < to - from;
                if let Some(text) = [&words, &short].into_iter().find(|text| fits(text)) {
                    self.svg.text(
                        (f64::midpoint(from, to), y + 14.0),
                        text,
                        Anchor::Middle,
                        "font-size:10px;fill:#fff",
                    );
                }
            }
        }
    }

    fn faults(&mut self, y: f64, packed: &[Packed<'_>]) {
        self.head(y, "Faults");
        for Packed { lane, from, to, words, text } in packed {
            let y = y + *lane as f64 * LANE;
            self.svg.rect([*from, y + 3.0, (to - from).max(3.0), LANE - 6.0], "#f3c1c1", text);
            self.svg.rect([*from, y + 3.0, 3.0, LANE - 6.0], FAULT, "");
            let (x, anchor) = if words > from { (*words, Anchor::Start) } else { (from - 5.0, Anchor::End) };
            self.svg.text((x, y + 14.0), text, anchor, "font-size:10px");
        }
    }

    /// How many processes live on each worker.
    fn work(&mut self, y: f64, told: &Histories, workers: &[String]) {
        self.head(y, "Running processes");
        let end = self.scale.began + Duration::from_secs_f64(self.scale.seconds);
        let most = told.setting.cores.max(1);
        for (lane, worker) in workers.iter().enumerate() {
            let (top, bottom) = (y + lane as f64 * WORKER + 3.0, y + (lane + 1) as f64 * WORKER - 3.0);
            self.name(bottom - 9.0, worker);
            self.svg.rect([LEFT, top, self.scale.right - LEFT, bottom - top], "#f5f6f7", "");
            let mut turns: BTreeMap<Boot, i32> = BTreeMap::new();
            for life in told.lives.iter().filter(|life| life.host == *worker) {
                *turns.entry(life.start.max(self.scale.began)).or_default() += 1;
                *turns.entry(life.alive.max(self.scale.began)).or_default() -= 1;
            }
            let height = |count: i32| bottom - (bottom - top) * (f64::from(count) / f64::from(most)).min(1.0);
            let mut points = vec![(LEFT, bottom)];
            let mut count = 0;
            for (at, change) in turns.range(..=end) {
                let x = self.scale.x(*at);
                points.push((x, height(count)));
                count += change;
                points.push((x, height(count)));
            }
            points.extend([(self.scale.right, height(count)), (self.scale.right, bottom)]);
            self.svg.area(&points, "#a9c1e0");
        }
    }

    /// Each at the moment when it was due; the higher, the longer it took, on a logarithmic scale.
    fn submissions(&mut self, y: f64, told: &Histories) {
        self.head(y, "Submissions, by the time from when they were due to their answer");
        let (top, bottom) = (y + 4.0, y + FIELD);
        let place = |millis: f64| bottom - (bottom - top) * (millis.max(1.0).log10() / 5.0).min(1.0);
        for (millis, name) in [(1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1000.0, "1 s"), (10_000.0, "10 s")] {
            self.svg.line([LEFT, place(millis), self.scale.right, place(millis)], FAINT, "");
            self.name(place(millis) + 4.0, name);
        }
        for asked in told.requests.values().filter(|asked| asked.intended >= self.scale.began) {
            let x = self.scale.x(asked.intended);
            match &asked.answered {
                Some((at, _)) => {
                    let millis = at.since(asked.intended).as_secs_f64() * 1000.0;
                    let color = if millis < 1000.0 { COLORS[0] } else { FAULT };
                    self.svg.dot((x, place(millis)), 2.0, color);
                }
                None => self.svg.text((x, top + 6.0), "×", Anchor::Middle, &format!("fill:{GREY}")),
            }
        }
    }
}
