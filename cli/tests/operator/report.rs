//! `rerole report` on a stack: each format as an operator gets it, and the documented command that
//! verifies a report.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Rerole, Stage};
use crate::schema;

/// How long a digest is.
const DIGEST_LEN: usize = 64;

/// Reports about a rotation that was taken back. Returns the screens to hold against files, with
/// their names.
pub fn formats(stage: &Stage) -> Vec<(&'static str, String)> {
    let (code, screen) = stage.record(stage.rerole("report app-2026"), Rerole::screen);
    assert_eq!(code, 0, "{screen}");
    let mut screens = vec![("report", screen)];

    let run = stage.rerole("report app-2026 --format json").run();
    let json: Value = serde_json::from_str(&run.screen).unwrap();
    schema::check("report", &json);

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for name in ["app-2026.html", "app-2026.json", "app-2026.csv"] {
        let path = folder.join(name);
        let out = format!("report app-2026 --out {}", path.display());
        let (code, screen) = stage.rerole(&out).screen();
        assert_eq!(code, 0, "{screen}");
        if name.ends_with("html") {
            screens.push(("report-out", screen));
        }
    }
    let html = fs::read_to_string(folder.join("app-2026.html")).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>"));
    let json = fs::read_to_string(folder.join("app-2026.json")).unwrap();
    let rows = serde_json::from_str::<Value>(&json).unwrap();
    let rows = rows["report"]["rows"].as_array().unwrap().len();
    let csv = fs::read_to_string(folder.join("app-2026.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + rows);
    verify(&html, &folder.join("app-2026.html"));
    verify(&json, &folder.join("app-2026.json"));
    screens
}

/// Runs the command that the document names: the document has the digest that it prints.
fn verify(document: &str, path: &Path) {
    let command = "grep '^{\"reportVersion\":' FILE | tr -d '\\n' | sha256sum";
    let command = command.replace("FILE", &format!("'{}'", path.display()));
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let digest = String::from_utf8(output.stdout).unwrap();
    assert!(
        document.contains(&digest[..DIGEST_LEN]),
        "{command}: {digest}"
    );
}
