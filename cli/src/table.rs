//! Tables as screens show them: a line for each row, without rules, in columns as wide as their
//! longest cell. If a table is too wide, its widest cells are shortened.

use console::{measure_text_width, pad_str, truncate_str};
use rerole_core::printable::escape_controls;

/// Between two columns.
const GAP: usize = 2;
/// A column is not made narrower than this.
const WIDTH_MIN: usize = 6;
/// Ends a cell that was shortened.
const CUT: &str = "…";

/// Which columns may be shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shorten {
    All,
    /// All but the first two, which have IDs to paste and statuses.
    AllButFirstTwo,
}

/// Writes a table that is at most `width` columns wide, if it can be, or as wide as it is.
pub fn text(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    shorten: Shorten,
    width: Option<u16>,
) -> String {
    let header: Vec<String> = header.iter().map(|name| name.to_uppercase()).collect();
    let rows = rows.into_iter().map(|row| {
        let cells = row.iter().map(|cell| escape_controls(cell));
        cells.collect::<Vec<String>>()
    });
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let mut widths = natural_widths(&lines);
    if let Some(width) = width {
        let kept = match shorten {
            Shorten::All => 0,
            Shorten::AllButFirstTwo => 2.min(widths.len()),
        };
        let gaps = GAP * widths.len().saturating_sub(1);
        let (kept, others) = widths.split_at_mut(kept);
        let taken = kept.iter().sum::<usize>() + gaps;
        fit(others, usize::from(width).saturating_sub(taken));
    }
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| {
            let cell = truncate_str(cell, *width, CUT);
            pad_str(&cell, *width, console::Alignment::Left, None).into_owned()
        });
        let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
        line.trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn natural_widths(lines: &[Vec<String>]) -> Vec<usize> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells
            .map(|cell| measure_text_width(cell))
            .max()
            .unwrap_or_default()
    };
    (0..columns).map(width).collect()
}

/// Makes the widest columns narrower until together they are at most `width` columns wide.
fn fit(widths: &mut [usize], width: usize) {
    while widths.iter().sum::<usize>() > width {
        let widest = widths.iter_mut().max();
        match widest.filter(|width| **width > WIDTH_MIN) {
            Some(width) => *width -= 1,
            // It cannot fit, so the terminal wraps it.
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![
            row(["rotation-1", "payments/gateway-of-the-shop", "ok"]),
            row(["r-2", "é", "a\u{1b}[2Jb"]),
        ]
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells_where_there_is_room() {
        let expected = "\
ID          WORKLOAD                      RESULT
rotation-1  payments/gateway-of-the-shop  ok
r-2         é                             a\\u001b[2Jb";
        let header = ["id", "workload", "result"];
        for width in [None, Some(80)] {
            assert_eq!(text(&header, rows(), Shorten::All, width), expected);
        }
    }

    #[test]
    fn the_widest_cells_are_shortened() {
        let expected = "\
ID          WORKLOAD     RESULT
rotation-1  payments/g…  ok
r-2         é            a\\u001b[2Jb";
        let header = ["id", "workload", "result"];
        assert_eq!(text(&header, rows(), Shorten::All, Some(36)), expected);
        let narrow = text(&header, rows(), Shorten::AllButFirstTwo, Some(20));
        assert!(narrow.contains("gateway-of-the-shop"), "{narrow}");
    }
}
