//! Writes a document to a file, or not at all: a failed run leaves no half file, and the former one
//! as it was.

use std::fs;
use std::io;
use std::path::Path;

use crate::failure::Failure;

/// Writes the file by way of one beside it, which then takes its name.
///
/// # Errors
/// If the path is something else than a file, or cannot be written to.
pub fn write(path: &Path, document: &str) -> Result<(), Failure> {
    let shown = path.display();
    if path.exists() && !path.is_file() {
        return Err(Failure::Refused(format!(
            "{shown} is no file; without --out, the report goes to standard output"
        )));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let written = fs::write(&part, document).and_then(|()| fs::rename(&part, path));
    written.map_err(|error: io::Error| {
        // It may not exist.
        let _ = fs::remove_file(&part);
        Failure::Refused(format!("write {shown}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = std::env::temp_dir().join(format!("rerole-report-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("app-2026.md");
        for text in ["first", "second"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let files: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(files.len(), 1);
        let error = write(&folder, "text").unwrap_err().to_string();
        assert!(error.contains("is no file"), "{error}");
        let error = write(&folder.join("missing/report.md"), "text").unwrap_err();
        assert!(error.to_string().contains("missing/report.md: "), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
