//! Draws calls that EKS admitted and throttled over time: docs/pace.svg, updates with rerole and
//! with the SDK's adaptive retries; and docs/pace-drop.svg, whole rotations whose rate drops.

use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;
use rerole_sim::Buckets;

use crate::callers::{Caller, Run, play};
use crate::cases::{CHANGING_CASES, Case, PLAIN_CASES};
use crate::rotation_cases::RotationCase;
use crate::rotation_table::ROTATION_CASES;
use crate::rotations::play_rotation;

type DrawError = Box<dyn std::error::Error>;
type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Size of one panel in pixels.
const SIZE: (u32, u32) = (560, 210);
/// Seconds between two points.
const STEP: f64 = 2.0;
const ADMITTED: RGBColor = RGBColor(31, 119, 180);
const THROTTLED: RGBColor = RGBColor(214, 39, 40);
const BUCKET: RGBColor = RGBColor(150, 150, 150);
const BACKGROUND: RGBColor = RGBColor(255, 255, 255);

/// Draws the main cases of updates, each in a row of its own.
pub fn draw_updates(file: &Path) -> Result<(), DrawError> {
    let is_drawn = |case: &&Case| {
        ["10/s, a tenth for a minute", "others take 4/s of 10/s"].contains(&case.name)
    };
    let cases = PLAIN_CASES[2..]
        .iter()
        .chain(CHANGING_CASES.iter().filter(is_drawn));
    let rows = cases.map(|case| {
        let callers = [
            (Caller::Rerole, "rerole"),
            (Caller::Adaptive, "SDK, adaptive"),
        ];
        callers.map(|(caller, name)| Figure {
            name: format!("{name}: {}", case.name),
            run: play(case, Buckets::PerRegion, caller, 0),
            case: *case,
        })
    });
    draw(file, &rows.collect::<Vec<_>>())
}

/// Draws rotations whose rate drops, with one bucket for each region and for each operation.
pub fn draw_drops(file: &Path) -> Result<(), DrawError> {
    let is_drawn = |rotation: &&RotationCase| {
        ["20/s, 5/s for 30 s", "20/s, outage of 20 s"].contains(&rotation.case.name)
    };
    let rows = ROTATION_CASES.iter().filter(is_drawn).map(|rotation| {
        let buckets = [
            (Buckets::PerRegion, "one bucket", 1.0),
            (Buckets::PerOperation, "two buckets", 2.0),
        ];
        buckets.map(|(buckets, name, count)| {
            let mut case = rotation.case;
            case.throttle.rate_per_sec *= count;
            Figure {
                name: format!("{name}: {}", case.name),
                run: play_rotation(rotation, buckets, 0).run,
                case,
            }
        })
    });
    draw(file, &rows.collect::<Vec<_>>())
}

/// A run, and the case that shows the rate of its buckets.
struct Figure {
    name: String,
    run: Run,
    case: Case,
}

fn draw(file: &Path, rows: &[[Figure; 2]]) -> Result<(), DrawError> {
    let height = u32::try_from(rows.len())? * SIZE.1;
    let root = SVGBackend::new(file, (2 * SIZE.0, height)).into_drawing_area();
    root.fill(&BACKGROUND)?;
    let panels = root.split_evenly((rows.len(), 1));
    for (panel, figures) in panels.iter().zip(rows) {
        // Both panels of a row have the same axes.
        let runs = || figures.iter().map(|figure| &figure.run);
        let secs = runs().map(|run| run.took.as_secs_f64()).fold(0.0, f64::max);
        let calls = [Calls::Admitted, Calls::Throttled];
        let most = runs()
            .flat_map(|run| calls.map(|shown| calls_per_sec(run, shown)))
            .flatten()
            .map(|(_, calls)| calls)
            .fold(0.0, f64::max);
        for (panel, figure) in panel.split_evenly((1, 2)).iter().zip(figures) {
            let title = format!("{}, {} throttled", figure.name, figure.run.throttled());
            let lines = lines(&figure.case, &figure.run, secs);
            draw_panel(panel, &title, (secs, most), &lines)?;
        }
    }
    root.present()?;
    Ok(())
}

/// Points, their style, and the label in the legend.
type Line = (Vec<(f64, f64)>, ShapeStyle, &'static str);

fn lines(case: &Case, run: &Run, secs: f64) -> [Line; 3] {
    [
        (
            bucket_rate(case, secs),
            BUCKET.stroke_width(1),
            "the bucket's rate",
        ),
        (
            calls_per_sec(run, Calls::Admitted),
            ADMITTED.stroke_width(2),
            "admitted",
        ),
        (
            calls_per_sec(run, Calls::Throttled),
            THROTTLED.stroke_width(2),
            "throttled",
        ),
    ]
}

/// Draws the lines with axes up to `(secs, most)`.
fn draw_panel(
    panel: &Panel<'_>,
    title: &str,
    (secs, most): (f64, f64),
    lines: &[Line],
) -> Result<(), DrawError> {
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..secs, 0.0..most * 1.05)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("s")
        .y_desc("calls/s")
        .draw()?;
    for (points, style, label) in lines {
        let style = *style;
        let key = move |(x, y)| PathElement::new([(x, y), (x + 14, y)], style);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(*label)
            .legend(key);
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .border_style(TRANSPARENT)
        .draw()?;
    Ok(())
}

/// Which calls a line shows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Calls {
    Admitted,
    Throttled,
}

/// Calls per second over time.
fn calls_per_sec(run: &Run, shown: Calls) -> Vec<(f64, f64)> {
    let mut points = vec![];
    let (mut from, end) = (0.0, run.took.as_secs_f64());
    while from < end {
        let is_counted = |(at, is_admitted): &&(Duration, bool)| {
            *is_admitted == (shown == Calls::Admitted)
                && (from..from + STEP).contains(&at.as_secs_f64())
        };
        let calls = u32::try_from(run.calls.iter().filter(is_counted).count()).unwrap_or(u32::MAX);
        points.push((from + STEP / 2.0, f64::from(calls) / STEP));
        from += STEP;
    }
    points
}

/// The rate at which the bucket fills, over time.
fn bucket_rate(case: &Case, secs: f64) -> Vec<(f64, f64)> {
    let rate = case.throttle.rate_per_sec;
    let Some(rate_drop) = case.rate_drop else {
        return vec![(0.0, rate), (secs, rate)];
    };
    let (from, low) = (rate_drop.from.as_secs_f64(), rate * rate_drop.share);
    let to = from + rate_drop.lasts.as_secs_f64();
    vec![
        (0.0, rate),
        (from, rate),
        (from, low),
        (to, low),
        (to, rate),
        (secs, rate),
    ]
}
