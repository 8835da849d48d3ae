//! Plots as inline SVG: accesses over time, bars by purpose, and the time line of the chains.
//!
//! Whole numbers alone, so that every machine draws the same bytes; colours are classes of the page. Each plot has a title and a
//! description for who cannot see it, and a table beside it in the page. Not here: the page (`html`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::chains::Epoch;
use super::facts::{HOUR_S, Lane};
use super::html_text::{esc, grouped};
use crate::clock;

/// Bars of a plot over time.
const BUCKETS_MAX: u64 = 60;

/// Places for bars, at least.
const SLOTS_MIN: u64 = 12;

/// Cells of a time line.
const CELLS: u64 = 120;

/// Issuers that a time line draws; all are in the table.
pub const LANES_MAX: usize = 40;

/// Lengths of a bar in hours, from which the shortest one that fits is taken.
const STEPS: [u64; 12] = [1, 2, 3, 6, 12, 24, 48, 168, 336, 672, 1_344, 8_736];

/// Hours since 1970 in equal steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The first hour.
    pub first: u64,
    /// Hours in a step.
    pub step: u64,
    /// Steps.
    pub count: u64,
}

impl Axis {
    /// An axis from one hour to another, both included.
    pub fn over(first: u64, last: u64) -> Axis {
        let hours = last.saturating_sub(first) + 1;
        let fits = |step: &u64| hours.div_ceil(*step) < BUCKETS_MAX;
        let step = STEPS.into_iter().find(fits).unwrap_or_else(|| hours.div_ceil(BUCKETS_MAX - 1));
        let first = first / step * step;
        Axis { first, step, count: (last.max(first) - first) / step + 1 }
    }

    /// The step in which an hour lies.
    pub fn at(&self, hour: u64) -> u64 {
        (hour.saturating_sub(self.first) / self.step).min(self.count - 1)
    }

    /// Where a step begins, as people write it.
    pub fn label(&self, at: u64) -> String {
        let time = clock::show((self.first + at * self.step).saturating_mul(HOUR_S));
        let shown = if self.step < 24 { time.get(..16) } else { time.get(..10) };
        shown.unwrap_or(&time).replace('T', " ")
    }

    /// `hour`, `6 hours`, `day`, `7 days`.
    pub fn unit(&self) -> String {
        match (self.step, self.step % 24) {
            (1, _) => "hour".to_owned(),
            (24, _) => "day".to_owned(),
            (step, 0) => format!("{} days", step / 24),
            (step, _) => format!("{step} hours"),
        }
    }
}

/// One colour of a stacked plot.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// The class of its colour.
    pub class: &'static str,
    /// Its heights, by step.
    pub counts: Vec<u64>,
}

/// The next round number, of 1, 2 and 5 times a power of ten, and the distance of the lines below it.
fn round_up(most: u64) -> (u64, u64) {
    let mut power = 1_u64;
    loop {
        for step in [1, 2, 5] {
            let line = power.saturating_mul(step);
            if line.saturating_mul(5) >= most {
                let lines = most.max(1).div_ceil(line).max(1);
                return (lines * line, line);
            }
        }
        power = power.saturating_mul(10);
    }
}

/// A part of a length, in tenths.
fn part(of: u64, all: u64, length: u64) -> u64 {
    let tenths = u128::from(of) * u128::from(length) * 10 / u128::from(all.max(1));
    u64::try_from(tenths).unwrap_or(u64::MAX)
}

fn px(tenths: u64) -> String {
    if tenths.is_multiple_of(10) { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) }
}

fn begin(id: &str, size: (u64, u64), title: &str, description: &str) -> String {
    let (title, description) = (esc(title), esc(description));
    format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>\n",
        size.0, size.1
    )
}

/// A plot of stacked bars over time.
pub fn stacked(id: &str, title: &str, axis: &Axis, series: &[Series]) -> String {
    const LEFT: u64 = 56;
    const TOP: u64 = 10;
    const WIDTH: u64 = 660;
    const HEIGHT: u64 = 180;
    let total = |at: usize| series.iter().filter_map(|one| one.counts.get(at)).sum::<u64>();
    let steps = usize::try_from(axis.count).unwrap_or(0);
    let most = (0..steps).map(total).max().unwrap_or(0);
    let all: u64 = (0..steps).map(total).sum();
    let (top, line) = round_up(most);
    let description = format!(
        "{} in all from {} on, one bar a {}, the highest {}",
        grouped(all),
        axis.label(0),
        axis.unit(),
        grouped(most)
    );
    let mut svg = begin(id, (LEFT + WIDTH + 4, TOP + HEIGHT + 26), title, &description);
    let mut value = 0;
    while value <= top {
        let y = TOP * 10 + HEIGHT * 10 - part(value, top, HEIGHT);
        let class = if value == 0 { "axis" } else { "grid" };
        let _ = writeln!(
            svg,
            "<path class=\"{class}\" d=\"M{LEFT} {y}H{}\"/><text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT + WIDTH,
            LEFT - 6,
            px(TOP * 10 + HEIGHT * 10 - part(value, top, HEIGHT) + 35),
            grouped(value),
            y = px(y)
        );
        value += line;
    }
    // Few bars do not become walls.
    let slots = axis.count.max(SLOTS_MIN);
    for at in 0..axis.count {
        let (from, to) = (part(at, slots, WIDTH), part(at + 1, slots, WIDTH));
        let gap = if to - from > 40 { 10 } else { (to - from) / 5 };
        let mut below = 0;
        for one in series {
            let count = usize::try_from(at).ok().and_then(|at| one.counts.get(at)).copied().unwrap_or(0);
            let (low, high) = (part(below, top, HEIGHT), part(below + count, top, HEIGHT));
            below += count;
            if count != 0 {
                let _ = writeln!(
                    svg,
                    "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{} {}: {}</title></rect>",
                    one.class,
                    px(LEFT * 10 + from),
                    px((TOP + HEIGHT) * 10 - high),
                    px(to - from - gap),
                    px((high - low).max(5)),
                    esc(&axis.label(at)),
                    esc(&one.name),
                    grouped(count)
                );
            }
        }
    }
    svg.push_str(&labels(slots, LEFT, WIDTH, TOP + HEIGHT + 18, |at| axis.label(at)));
    svg.push_str("</svg>\n");
    svg
}

/// Some labels below an axis, the first and the last ones inside it.
fn labels(count: u64, left: u64, width: u64, y: u64, label: impl Fn(u64) -> String) -> String {
    let every = count.div_ceil(5).max(1);
    let mut text = String::new();
    let mut at = 0;
    while at < count {
        let x = left * 10 + part(at, count, width);
        let anchor = if at == 0 { "start" } else { "middle" };
        // A label in the last tenth would stand outside.
        if at == 0 || at * 10 <= count * 9 {
            let _ = writeln!(
                text,
                "<text class=\"tick\" x=\"{}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>",
                px(x),
                esc(&label(at))
            );
        }
        at += every;
    }
    text
}

/// A plot of bars, one for each name.
pub fn bars(id: &str, title: &str, rows: &[(String, u64)]) -> String {
    const LEFT: u64 = 200;
    const WIDTH: u64 = 440;
    const HIGH: u64 = 24;
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let all: u64 = rows.iter().map(|(_, count)| count).sum();
    let said: Vec<String> = rows.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect();
    let description = format!("{} in all: {}", grouped(all), said.join(", "));
    let mut svg = begin(id, (LEFT + WIDTH + 80, HIGH * rows.len() as u64 + 8), title, &description);
    for (at, (name, count)) in (0_u64..).zip(rows) {
        let (y, width) = (at * HIGH + 4, part(*count, most, WIDTH));
        let _ = writeln!(
            svg,
            "<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect class=\"c0\" x=\"{LEFT}\" y=\"{}\" width=\"{}\" height=\"16\"/><text class=\"tick\" x=\"{}\" y=\"{}\">{}</text>",
            LEFT - 8,
            y + 14,
            esc(name),
            y + 2,
            px(width.max(10)),
            px(LEFT * 10 + width.max(10) + 60),
            y + 14,
            grouped(*count)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The time line of the chains: where each was heard, where it was silent for too long, where it breaks.
pub fn lanes(id: &str, title: &str, lanes: &BTreeMap<Epoch, Lane>, (first, last): (u64, u64)) -> String {
    const LEFT: u64 = 170;
    const WIDTH: u64 = 540;
    const HIGH: u64 = 26;
    let drawn = lanes.len().min(LANES_MAX) as u64;
    let span = last.saturating_sub(first).max(1);
    let place = |time: u64| part(time.clamp(first, last) - first, span, WIDTH);
    let breaks: usize = lanes.values().map(|lane| lane.breaks.len()).sum();
    let silent: usize = lanes.values().map(|lane| lane.silent.len()).sum();
    let description = format!(
        "{} chains from {} to {}: {silent} silences longer than promised, {breaks} breaks",
        lanes.len(),
        clock::show(first),
        clock::show(last)
    );
    let mut svg = begin(id, (LEFT + WIDTH + 10, HIGH * drawn + 30), title, &description);
    svg.push_str(
        "<defs><pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect class=\"hatch0\" width=\"5\" height=\"5\"/><rect class=\"hatch1\" width=\"2.5\" height=\"5\"/></pattern></defs>\n",
    );
    for (at, ((issuer, epoch), lane)) in (0_u64..).zip(lanes.iter().take(LANES_MAX)) {
        let y = at * HIGH + 4;
        let name = if *epoch == 1 { issuer.clone() } else { format!("{issuer}, epoch {epoch}") };
        let _ = writeln!(
            svg,
            "<text class=\"name\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 10,
            y + 13,
            esc(&short(&name))
        );
        let from = lane.begin().unwrap_or(first).max(first);
        let until = lane.closed.unwrap_or(last).min(last);
        if from <= until {
            let (x, to) = (LEFT * 10 + place(from), LEFT * 10 + place(until));
            let _ = writeln!(
                svg,
                "<rect class=\"track\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"18\"/>",
                px(x),
                px((to - x).max(20))
            );
        }
        let cell = |hour: u64| {
            let time = hour.saturating_mul(HOUR_S);
            (time.saturating_add(HOUR_S) > first && time <= last)
                .then(|| (time.clamp(first, last) - first).saturating_mul(CELLS) / span)
        };
        let cells: BTreeSet<u64> =
            lane.hours.keys().filter_map(|hour| cell(*hour)).map(|at| at.min(CELLS - 1)).collect();
        for (from, to) in runs(&cells) {
            let (x, end) = (LEFT * 10 + part(from, CELLS, WIDTH), LEFT * 10 + part(to + 1, CELLS, WIDTH));
            let (x, width) = (px(x), px(end - x));
            let _ = writeln!(svg, "<rect class=\"heard\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"18\"/>");
        }
        for (silent, _) in lane.silent.iter().filter(|(silent, _)| silent.until >= first && silent.from <= last) {
            let (x, to) = (LEFT * 10 + place(silent.from), LEFT * 10 + place(silent.until));
            let _ = writeln!(
                svg,
                "<rect class=\"silent\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"18\"><title>silent from {} to {}</title></rect>",
                px(x),
                y,
                px((to - x).max(20)),
                clock::show(silent.from),
                clock::show(silent.until)
            );
        }
        for broken in lane.breaks.iter().filter(|broken| (first..=last).contains(&broken.at.recorded)) {
            let x = LEFT * 10 + place(broken.at.recorded);
            let _ = writeln!(
                svg,
                "<path class=\"break\" d=\"M{} {}v22\"><title>{} at entry {}</title></path>",
                px(x),
                y - 2,
                esc(&broken.code),
                broken.at.index
            );
        }
        for (time, class) in [(lane.opened.map(|(time, _)| time), "opened"), (lane.closed, "closed")] {
            if let Some(time) = time.filter(|time| (first..=last).contains(time)) {
                let x = LEFT * 10 + place(time);
                let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{} {y}v18\"/>", px(x));
            }
        }
    }
    let label = |at: u64| {
        let time = clock::show(first + span / 4 * at);
        time.get(..16).unwrap_or(&time).replace('T', " ")
    };
    svg.push_str(&labels(4, LEFT, WIDTH, HIGH * drawn + 20, label));
    svg.push_str("</svg>\n");
    svg
}

/// Neighbouring cells as one.
fn runs(cells: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for at in cells {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *at => *last = *at,
            _ => runs.push((*at, *at)),
        }
    }
    runs
}

fn short(name: &str) -> String {
    if name.chars().count() <= 24 { name.to_owned() } else { name.chars().take(23).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_every_hour_in_few_steps() {
        for (first, last, unit) in [
            (0, 0, "hour"),
            (100, 158, "hour"),
            (100, 159, "2 hours"),
            (491_000, 493_207, "2 days"),
            (0, 87_000_000, "61460 days"),
        ] {
            let axis = Axis::over(first, last);
            assert!(axis.count <= BUCKETS_MAX, "{axis:?}");
            assert_eq!((axis.at(first), axis.at(last)), (0, axis.count - 1), "{axis:?}");
            assert_eq!(
                axis.unit().split_once(' ').map_or(1, |_| 2),
                if unit.contains(' ') { 2 } else { 1 },
                "{axis:?}"
            );
            if axis.step < 8_736 {
                assert_eq!(axis.unit(), unit);
            }
        }
        assert_eq!(Axis::over(491_000, 491_001).label(0), "2026-01-05 08:00");
    }

    #[test]
    fn the_highest_line_is_round_and_not_below_the_highest_bar() {
        for most in [0, 1, 4, 5, 6, 99, 100, 101, 1_448, 2_400_000, u64::MAX / 16] {
            let (top, line) = round_up(most);
            assert!(top >= most && top > 0 && top / line <= 5 && top.is_multiple_of(line), "{most}: {top} by {line}");
        }
    }

    #[test]
    fn parts_do_not_overflow_and_print_tenths() {
        assert_eq!(px(part(1, 3, 100)), "33.3");
        assert_eq!(px(part(u64::MAX, u64::MAX, 660)), "660");
        assert_eq!(part(5, 0, 1), 50);
    }
}
