//! Charts of the associations moved over time, by region and by cluster. A chart is an SVG with
//! axes and lines. The legend beside it, which is text, says what each line shows.

use std::collections::BTreeMap;
use std::time::Duration;

use plotters::prelude::*;
use rerole_core::rotation::Outcome;
use rerole_core::timestamp::Timestamp;

use crate::rotation::report_rows::ReportRow;

/// Size in pixels.
const SIZE: (u32, u32) = (760, 260);
/// Points of a line, which is enough for two pixels a step.
const STEPS: u32 = 320;
/// Axes and their texts. In the document, it is the color of the text around the chart.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_AS_WRITTEN: &str = "#010203";
/// The colors of the lines. Each has a contrast of 3 to 1 to a light and to a dark background, so
/// one SVG serves both. <https://www.w3.org/TR/WCAG22/#non-text-contrast>
const COLORS: [RGBColor; 8] = [
    RGBColor(0x2f, 0x7e, 0xd8),
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x2f, 0x9e, 0x44),
    RGBColor(0xb0, 0x55, 0xd0),
    RGBColor(0xe0, 0x3e, 0x52),
    RGBColor(0x0c, 0x92, 0xa3),
    RGBColor(0x96, 0x7a, 0x1b),
    RGBColor(0x80, 0x86, 0x8f),
];
/// The line of all that have no color of their own.
const OTHERS: &str = "others";

/// A chart: lines over time, and their legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub svg: String,
    /// The lines in the order of their ends, the highest first.
    pub legend: Vec<Label>,
}

/// What a line shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub name: String,
    /// How many were moved in the end.
    pub moved: u64,
    /// As in CSS.
    pub color: String,
}

/// When associations were moved, as a line shows it.
#[derive(Debug, Default)]
struct Line {
    name: String,
    /// Sorted.
    moved_at: Vec<Timestamp>,
}

/// Draws what was moved since `start`, a line for each name that `name` gives a row. Returns
/// nothing if that is less than two moments.
pub fn draw(
    rows: &[ReportRow],
    start: Timestamp,
    name: impl Fn(&ReportRow) -> String,
) -> Option<Chart> {
    let lines = lines(rows, name);
    let all = || lines.iter().flat_map(|line| &line.moved_at).copied();
    let (first, last) = (all().min()?, all().max()?);
    if first == last {
        return None;
    }
    let start = start.min(first);
    let mut svg = String::new();
    // A string can always be written to, and the sizes are constants.
    plot(&mut svg, &lines, (start, last)).ok()?;
    let legend = lines.iter().zip(COLORS);
    Some(Chart {
        svg: svg.replace(INK_AS_WRITTEN, "currentColor"),
        legend: legend.map(|(line, color)| line.label(color)).collect(),
    })
}

/// The lines with the most associations, and the rest as one.
fn lines(rows: &[ReportRow], name: impl Fn(&ReportRow) -> String) -> Vec<Line> {
    let mut moved: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.is(Outcome::Updated)) {
        moved.entry(name(row)).or_default().extend(row.settled_at);
    }
    let mut lines: Vec<Line> = moved
        .into_iter()
        .map(|(name, moved_at)| Line { name, moved_at })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.moved_at.len()));
    if lines.len() > COLORS.len() {
        let others = lines.split_off(COLORS.len() - 1);
        lines.push(Line {
            name: format!("{} {OTHERS}", others.len()),
            moved_at: others.into_iter().flat_map(|line| line.moved_at).collect(),
        });
    }
    for line in &mut lines {
        line.moved_at.sort_unstable();
    }
    lines
}

impl Line {
    fn label(&self, RGBColor(red, green, blue): RGBColor) -> Label {
        Label {
            name: self.name.clone(),
            moved: self.moved_at.len() as u64,
            color: format!("#{red:02x}{green:02x}{blue:02x}"),
        }
    }

    /// How many were moved by each of these times.
    fn counts(&self, times: &[Timestamp]) -> Vec<f64> {
        let count = |at: &Timestamp| self.moved_at.partition_point(|moved| moved <= at);
        let count = |at| u32::try_from(count(at)).unwrap_or(u32::MAX);
        times.iter().map(|at| f64::from(count(at))).collect()
    }
}

/// The largest unit of which the duration has at least three, in seconds, and its name.
fn unit(duration: Duration) -> (f64, &'static str) {
    match duration.as_secs() {
        0..180 => (1.0, "seconds"),
        180..10_800 => (60.0, "minutes"),
        10_800..259_200 => (3_600.0, "hours"),
        _ => (86_400.0, "days"),
    }
}

fn plot(
    svg: &mut String,
    lines: &[Line],
    (start, end): (Timestamp, Timestamp),
) -> Result<(), Box<dyn std::error::Error>> {
    let duration = end.since(start);
    let (secs, unit) = unit(duration);
    let times: Vec<_> = (0..=STEPS)
        .map(|step| start + duration * step / STEPS)
        .collect();
    let x = |at: &Timestamp| at.since(start).as_secs_f64() / secs;
    let counts: Vec<_> = lines.iter().map(|line| line.counts(&times)).collect();
    let most = counts.iter().flatten().copied().fold(1.0, f64::max);

    // There is no half association.
    let whole = |count: &f64| match count.fract() {
        fraction if fraction < f64::EPSILON => format!("{count:.0}"),
        _ => String::new(),
    };
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(8)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..x(&end), 0.0..most * 1.05)?;
    let text = ("sans-serif", 13).into_font().color(&INK);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(INK.mix(0.15))
        .axis_style(INK.mix(0.6))
        .label_style(text.clone())
        .axis_desc_style(text)
        .x_label_formatter(&|time| format!("{}", (time * 10.0).round() / 10.0))
        .y_label_formatter(&whole)
        .x_desc(format!("{unit} since the start"))
        .y_desc("moved")
        .draw()?;
    // The longest line is drawn last, so that no other one covers it.
    for (counts, color) in counts.iter().zip(COLORS).rev() {
        let points = times.iter().map(x).zip(counts.iter().copied());
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
    }
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::report::sample::{hostile, sample};

    fn by_cluster(rows: &[ReportRow]) -> Option<Chart> {
        draw(rows, sample(0).rotation.started_at, |row| {
            row.workload.place()
        })
    }

    #[test]
    fn the_largest_lines_have_a_color_and_the_rest_is_one() {
        let rows = sample(2_000).rows;
        let chart = by_cluster(&rows).unwrap();
        assert_eq!(chart.legend.len(), COLORS.len());
        assert_eq!(chart.legend.last().unwrap().name, "5 others");
        let moved: u64 = chart.legend.iter().map(|it| it.moved).sum();
        let expected = rows.iter().filter(|row| row.is(Outcome::Updated)).count();
        assert_eq!(moved, expected as u64);
        assert!(!chart.svg.contains(INK_AS_WRITTEN));
    }

    #[test]
    fn less_than_two_moments_are_no_chart() {
        assert_eq!(by_cluster(&[]), None);
        let rows = sample(100).rows;
        let moved = rows.iter().filter(|row| row.is(Outcome::Updated));
        let one: Vec<_> = moved.take(1).cloned().collect();
        assert_eq!(by_cluster(&one), None);
    }

    #[test]
    fn a_name_is_in_the_legend_and_not_in_the_drawing() {
        let chart = by_cluster(&hostile().rows).unwrap();
        assert!(chart.legend.iter().any(|it| it.name.contains("<script>")));
        assert!(!chart.svg.contains("script"), "{}", chart.svg);
    }

    #[test]
    fn each_color_can_be_seen_on_light_and_on_dark() {
        // The backgrounds of the HTML document.
        let (light, dark) = (RGBColor(255, 255, 255), RGBColor(0x14, 0x17, 0x1a));
        for color in COLORS {
            for background in [light, dark] {
                let contrast = contrast([color, background]);
                assert!(contrast >= 3.0, "{color:?} on {background:?}: {contrast}");
            }
        }
    }

    /// <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>
    fn contrast(colors: [RGBColor; 2]) -> f64 {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        let luminance = |RGBColor(red, green, blue): RGBColor| {
            0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
        };
        let [one, other] = colors.map(luminance);
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }
}
