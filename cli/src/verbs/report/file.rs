//! Writes a document to a file, or not at all: a failed run leaves no half file, and the former one
//! as it was.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
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
    replace(path, document).map_err(|error| Failure::Refused(format!("write {shown}: {error}")))
}

fn replace(path: &Path, document: &str) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut part = tempfile::Builder::new()
        // As of any other file, less what the process takes away.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    part.write_all(document.as_bytes())?;
    part.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = folder.join("app-2026.md");
        for text in ["first", "second"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let files: Vec<_> = fs::read_dir(folder).unwrap().collect();
        assert_eq!(files.len(), 1);
        let error = write(folder, "text").unwrap_err().to_string();
        assert!(error.contains("is no file"), "{error}");
        let error = write(&folder.join("missing/report.md"), "text").unwrap_err();
        assert!(error.to_string().contains("missing/report.md: "), "{error}");
    }
}
