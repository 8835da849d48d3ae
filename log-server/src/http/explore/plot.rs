//! How the log has grown, drawn from the checkpoints kept of each hour [S-48] (85-log.md).
//!
//! Whole numbers alone. Labels stand beside the drawing, so that they keep their size on a narrow screen, and a table says the
//! same. Not here: what a checkpoint proves.

use std::fmt::Write as _;

use vitrine_spec::checkpoint::SignedCheckpoint;
use vitrine_spec::cosignature;
use vitrine_spec::key::KeyKind;

use super::html::Html;
use super::reads::Reads;
use super::words::{grouped, time, when};
use crate::config::EXPLORE_HOURS_MAX;
use crate::problem::Problem;
use crate::time::Time;

/// Width and height of the drawing; it is stretched to its place.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 200;
const HOUR_S: u64 = 3_600;

/// The size of the log at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) at: u64,
    pub(super) size: u64,
}

/// When the log signed a checkpoint, as its ML-DSA-44 line says.
pub(super) fn signed_at(checkpoint: &SignedCheckpoint) -> Option<u64> {
    let own = checkpoint.signatures().iter().filter(|line| line.name == checkpoint.origin().as_str());
    own.filter_map(|line| cosignature::decode(KeyKind::MlDsa44, &line.bytes)).map(|(time, _)| time).next()
}

/// Points from the log's beginning to now, of so many hours that the page stays small.
pub(super) fn points(reads: &Reads<'_>, begun: u64, now: Time) -> Result<Vec<Point>, Problem> {
    let now = now.get().max(begun);
    let (first, last) = (begun / HOUR_S, now / HOUR_S);
    let step = (last - first + 1).div_ceil(EXPLORE_HOURS_MAX);
    let mut points = vec![Point { at: begun, size: 0 }];
    let mut hour = first;
    while hour <= last {
        let kept = reads.app.view.reader().kept(Time::new(hour * HOUR_S)).map_err(Problem::internal)?;
        if let Some(kept) = kept.and_then(|note| SignedCheckpoint::parse(&note).ok())
            && kept.size() <= reads.size()
        {
            let at = signed_at(&kept).unwrap_or(hour * HOUR_S);
            points.push(Point { at: at.clamp(begun, now), size: kept.size().get() });
        }
        hour += step;
    }
    points.push(Point { at: now, size: reads.size().get() });
    points.sort_by_key(|point| (point.at, point.size));
    Ok(points)
}

/// The next round number, of 1, 2, 4 and 10 times a power of ten.
fn round_up(most: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [1, 2, 4] {
            let line = power.saturating_mul(step);
            if line >= most {
                return line.max(4);
            }
        }
        power = power.saturating_mul(10);
    }
}

fn part(of: u64, all: u64, length: u64) -> u64 {
    u64::try_from(u128::from(of) * u128::from(length) / u128::from(all.max(1))).unwrap_or(length)
}

/// The plot, with its labels and its table.
pub(super) fn draw(html: &mut Html, points: &[Point]) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
    let top = round_up(last.size);
    let mut line = String::new();
    for (at, point) in points.iter().enumerate() {
        let x = part(point.at - first.at, last.at - first.at, WIDTH);
        let y = HEIGHT - part(point.size, top, HEIGHT);
        let word = if at == 0 { 'M' } else { 'L' };
        // Writing to a `String` does not fail.
        let _ = write!(line, "{word}{x} {y}");
    }
    let area = format!("{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z");
    let told = format!("From 0 entries at {} to {} at {}", when(first.at), grouped(last.size), when(last.at));
    html.raw("<figure class=\"plot\">\n<div class=\"frame\">");
    html.raw("<div class=\"scale\" aria-hidden=\"true\">");
    for value in [top, top / 2, 0] {
        html.word("span", "y", grouped(value));
    }
    html.raw("</div>");
    let size = format!("0 0 {WIDTH} {HEIGHT}");
    let attributes: [(&str, &dyn std::fmt::Display); 4] =
        [("viewBox", &size), ("preserveAspectRatio", &"none"), ("role", &"img"), ("aria-label", &told)];
    html.tag("svg", &attributes, |html| {
        html.raw("<path class=\"grid\" d=\"M0 0H1000M0 100H1000\"/><path class=\"axis\" d=\"M0 200H1000\"/>");
        html.raw("<path class=\"area\" d=\"").text(area).raw("\"/>");
        html.raw("<path class=\"line\" d=\"").text(line).raw("\"/>");
    });
    html.raw("<div class=\"ends\" aria-hidden=\"true\">");
    for point in [first, last] {
        html.word("span", "x", when(point.at).get(..16).unwrap_or_default());
    }
    html.raw("</div></div>\n<figcaption>Entries over time (UTC), from the checkpoint kept of each hour. ");
    html.text(told).raw(".</figcaption>\n<details><summary>The same as a table</summary>");
    html.raw("<div class=\"wide\"><table><thead><tr><th scope=\"col\">Time</th><th scope=\"col\" class=\"num\">Entries</th></tr></thead>");
    html.raw("<tbody>");
    for point in points {
        html.raw("<tr><td>");
        time(html, point.at);
        html.raw("</td>").word("td", "num", grouped(point.size)).raw("</tr>");
    }
    html.raw("</tbody></table></div></details>\n</figure>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_stays_inside_its_frame() {
        let points = [(0, 0), (50, 7), (100, 1_500)].map(|(at, size)| Point { at, size });
        let mut html = Html::default();
        draw(&mut html, &points);
        let html = html.into_string();
        assert!(html.contains("d=\"M0 200L500 200L1000 50\""), "{html}");
        assert!(html.contains("2\u{202f}000") && html.contains("1\u{202f}500"), "{html}");
        assert_eq!([0, 4, 5, 41, 100, 101, u64::MAX / 2].map(|most| round_up(most) >= most), [true; 7]);
        // A log that began this very second.
        draw(&mut Html::default(), &[Point { at: 5, size: 0 }, Point { at: 5, size: 1 }]);
    }
}
