//! A plan over time as a picture: requests, workers, and latency with its goal, one above the other.
//! Plain SVG that any browser shows; no fonts and no colours from elsewhere.

use super::{chart::Series, show::time};
use onstage_engine::sim::Outcome;
use std::{fmt::Write, time::Duration};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 90.0;
const HEIGHT: f64 = 150.0;
const GAP: f64 = 50.0;
const TOP: f64 = 50.0;
const INK: &str = "#1f2933";
const LINES: [&str; 2] = ["#2563eb", "#b45309"];

pub(super) fn drawn(name: &str, outcome: &Outcome) -> String {
    let series = Series::of(outcome);
    let goal = outcome.goal.as_secs_f64();
    let seconds = |value: f64| time(Duration::from_secs_f64(value));
    let plain = |value: f64| format!("{value:.0}");
    let mut svg = String::new();
    let height = TOP + 3.0 * (HEIGHT + GAP);
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"{INK}\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"26\" font-size=\"16\">{}: {} requests in {}</text>\n",
        LEFT + WIDTH + 30.0,
        escaped(name),
        outcome.accepted + outcome.refused,
        time(outcome.length)
    );
    panel(
        &mut svg,
        0,
        "requests a second",
        &[&series.rates],
        None,
        &plain,
    );
    panel(&mut svg, 1, "workers", &[&series.workers], None, &plain);
    panel(
        &mut svg,
        2,
        "latency, p50 and p99",
        &[&series.p50, &series.p99],
        Some(goal),
        &seconds,
    );
    svg.push_str("</svg>\n");
    svg
}

/// Lines of one unit over the same time.
fn panel(
    svg: &mut String,
    place: usize,
    title: &str,
    lines: &[&Vec<f64>],
    goal: Option<f64>,
    label: &dyn Fn(f64) -> String,
) {
    let top = TOP + place as f64 * (HEIGHT + GAP);
    let values = lines.iter().flat_map(|line| line.iter().copied());
    let most = values.chain(goal).fold(0.0, f64::max);
    let y = |value: f64| top + HEIGHT - HEIGHT * value / most.max(f64::MIN_POSITIVE);
    let (bottom, right) = (top + HEIGHT, LEFT + WIDTH);
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">{title}</text>\n<path d=\"M{LEFT} {top:.1}V{bottom:.1}H{right:.1}\" fill=\"none\" stroke=\"{INK}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n<text x=\"{:.1}\" y=\"{bottom:.1}\" text-anchor=\"end\">0</text>\n",
        top - 6.0,
        LEFT - 8.0,
        top + 10.0,
        label(most),
        LEFT - 8.0
    );
    for (values, colour) in lines.iter().zip(LINES) {
        let step = WIDTH / values.len().max(1) as f64;
        let mut path = String::new();
        for (place, value) in values.iter().enumerate() {
            let letter = if place == 0 { 'M' } else { 'L' };
            let (x, y) = (LEFT + step * place as f64, y(*value));
            // A step: what holds within a slice holds from its beginning to its end.
            let _ = write!(path, "{letter}{x:.1} {y:.1}H{:.1}", x + step);
        }
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        );
    }
    if let Some(goal) = goal {
        let y = y(goal);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{right:.1}\" stroke=\"#dc2626\" stroke-dasharray=\"6 4\"/>\n<text x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#dc2626\">goal {}</text>",
            y - 5.0,
            label(goal)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
