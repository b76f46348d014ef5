//! Calls let in and throttled over time, the product's beside the SDK's adaptive mode: docs/pace.svg.

use std::path::Path;

use plotters::prelude::*;

use super::callers::{Caller, Run, play};
use super::cases::{CHANGING_CASES, Case, PLAIN_CASES};

type DrawError = Box<dyn std::error::Error>;

/// Of one panel, in pixels.
const SIZE: (u32, u32) = (560, 210);
/// Seconds that one point stands for.
const STEP: f64 = 2.0;
const LET_IN: RGBColor = RGBColor(31, 119, 180);
const THROTTLED: RGBColor = RGBColor(214, 39, 40);
const BUCKET: RGBColor = RGBColor(150, 150, 150);
const PAPER: RGBColor = RGBColor(255, 255, 255);

/// Draws the main cases, one a row.
pub fn draw(file: &Path) -> Result<(), DrawError> {
    let is_drawn = |case: &&Case| ["10/s, a tenth for a minute", "others take 4/s of 10/s"].contains(&case.name);
    let cases: Vec<&Case> = PLAIN_CASES[2..].iter().chain(CHANGING_CASES.iter().filter(is_drawn)).collect();
    let rows = u32::try_from(cases.len())?;
    let root = SVGBackend::new(file, (2 * SIZE.0, rows * SIZE.1)).into_drawing_area();
    root.fill(&PAPER)?;
    for (row, case) in root.split_evenly((cases.len(), 1)).iter().zip(cases) {
        let callers = [(Caller::Ours, "rerole"), (Caller::Adaptive, "SDK, adaptive")];
        let runs = callers.map(|(caller, name)| (play(case, caller, 0), name));
        // Both panels of a row have the same axes.
        let secs = runs.iter().map(|(run, _)| run.took.as_secs_f64()).fold(0.0, f64::max);
        let most = runs.iter().flat_map(|(run, _)| [per_sec(run, true), per_sec(run, false)]).flatten();
        let most = most.map(|(_, calls)| calls).fold(0.0, f64::max);
        for (panel, (run, name)) in row.split_evenly((1, 2)).iter().zip(&runs) {
            let title = format!("{name}: {}, {} throttled", case.name, run.throttled());
            let mut chart = ChartBuilder::on(panel)
                .caption(title, ("sans-serif", 14))
                .margin(8)
                .x_label_area_size(28)
                .y_label_area_size(52)
                .build_cartesian_2d(0.0..secs, 0.0..most * 1.05)?;
            chart.configure_mesh().light_line_style(TRANSPARENT).x_desc("s").y_desc("calls/s").draw()?;
            let lines = [
                (given_out(case, secs), BUCKET.stroke_width(1), "the bucket's rate"),
                (per_sec(run, true), LET_IN.stroke_width(2), "let in"),
                (per_sec(run, false), THROTTLED.stroke_width(2), "throttled"),
            ];
            for (points, style, label) in lines {
                let key = move |(x, y)| PathElement::new([(x, y), (x + 14, y)], style);
                chart.draw_series(LineSeries::new(points, style))?.label(label).legend(key);
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .border_style(TRANSPARENT)
                .draw()?;
        }
    }
    root.present()?;
    Ok(())
}

/// Calls per second that were let in, or throttled, over time.
fn per_sec(run: &Run, let_in: bool) -> Vec<(f64, f64)> {
    let mut points = vec![];
    let (mut from, end) = (0.0, run.took.as_secs_f64());
    while from < end {
        let is_here = |(at, was_let_in): &&(std::time::Duration, bool)| {
            *was_let_in == let_in && (from..from + STEP).contains(&at.as_secs_f64())
        };
        let calls = u32::try_from(run.calls.iter().filter(is_here).count()).unwrap_or(u32::MAX);
        points.push((from + STEP / 2.0, f64::from(calls) / STEP));
        from += STEP;
    }
    points
}

/// What flows into the bucket.
fn given_out(case: &Case, secs: f64) -> Vec<(f64, f64)> {
    let rate = case.throttle.rate_per_sec;
    let Some(dent) = case.dent else { return vec![(0.0, rate), (secs, rate)] };
    let (from, low) = (dent.from.as_secs_f64(), rate * dent.share);
    let to = from + dent.lasts.as_secs_f64();
    vec![(0.0, rate), (from, rate), (from, low), (to, low), (to, rate), (secs, rate)]
}
