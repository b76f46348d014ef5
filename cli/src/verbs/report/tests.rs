use std::time::Instant;

use rerole_core::hex;
use sha2::{Digest, Sha256};

use super::*;
use crate::verbs::report::sample::{HOSTILE, hostile, rolled_back, sample};

fn flags(format: Option<Format>, out: Option<&str>) -> ReportFlags {
    ReportFlags {
        id: "app-2026".to_owned(),
        format,
        out: out.map(PathBuf::from),
        no_evidence: false,
        stack: StackFlags::default(),
    }
}

#[test]
fn the_extension_of_the_file_is_the_default_of_the_format() {
    for (format, out, expected) in [
        (None, None, Some(Format::Md)),
        (None, Some("a.html"), Some(Format::Html)),
        (None, Some("a.CSV"), Some(Format::Csv)),
        (None, Some("a"), None),
        (None, Some("a.pdf"), None),
        (Some(Format::Json), Some("a.pdf"), Some(Format::Json)),
        (Some(Format::Json), None, Some(Format::Json)),
    ] {
        assert_eq!(flags(format, out).format().ok(), expected, "{out:?}");
    }
}

/// What the command in `digest` prints.
fn verified(document: &str) -> String {
    let is_data = |line: &&str| line.starts_with("{\"reportVersion\":");
    let lines: Vec<_> = document.lines().filter(is_data).collect();
    assert_eq!(lines.len(), 1);
    hex::lowercase(&Sha256::digest(lines[0]))
}

#[test]
fn an_auditor_can_verify_the_digest() {
    for report in [sample(3), hostile()] {
        let digest = Data::new(&report).digest;
        for format in [Format::Html, Format::Json] {
            let document = format.document(&report).unwrap();
            assert_eq!(verified(&document), digest, "{format:?}");
            assert!(document.contains(&digest), "{format:?}");
        }
    }
}

#[test]
fn a_cell_of_csv_is_no_formula_and_one_line() {
    let text = Format::Csv.document(&hostile()).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), hostile().rows.len());
    assert_eq!(text.lines().count(), records.len() + 1);
    for record in &records {
        for cell in record {
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell}"
            );
        }
    }
    for (record, name) in records.iter().zip(HOSTILE) {
        let cell = record[3].trim_start_matches('\'');
        assert_eq!(cell, escape_controls(name));
    }
}

#[test]
fn csv_has_a_line_for_each_row() {
    expect_test::expect_file!["samples/report.csv"]
        .assert_eq(&Format::Csv.document(&rolled_back(20)).unwrap());
}

/// Writes samples for `tests/browser`, and prints how large they are and how long that takes:
///
/// ```sh
/// REPORT_SAMPLES=DIR cargo test -p rerole-cli --lib -- --ignored samples_for_a_browser --nocapture
/// ```
#[test]
#[ignore = "writes files"]
fn samples_for_a_browser() {
    let folder = std::env::var_os("REPORT_SAMPLES")
        .map(PathBuf::from)
        .unwrap();
    let write = |name: &str, format: Format, report: &Report| {
        let start = Instant::now();
        let document = format.document(report).unwrap();
        let took = start.elapsed();
        println!(
            "{name}: {} KB in {} ms",
            document.len() / 1_000,
            took.as_millis()
        );
        file::write(&folder.join(name), &document).unwrap();
    };
    write("hostile.html", Format::Html, &hostile());
    write("rollback.html", Format::Html, &rolled_back(24));
    for rows in [100, 10_000, 100_000] {
        let report = sample(rows);
        write(&format!("{rows}.html"), Format::Html, &report);
        write(&format!("{rows}.json"), Format::Json, &report);
        write(&format!("{rows}.csv"), Format::Csv, &report);
        write(&format!("{rows}.md"), Format::Md, &report);
    }
}
