//! Where the benches find the shipped binaries, and where they put their temporary files.

use std::path::{Path, PathBuf};

/// A shipped binary. `cargo bench` also builds the binaries, but with the features of the tests.
pub fn shipped(name: &str) -> PathBuf {
    let folder = std::env::var_os("SHIPPED").map(PathBuf::from);
    let folder = folder
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/shipped/release"));
    folder.join(name)
}

/// A temporary file or folder that only this run of the bench uses.
pub fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("rerole-bench-{}-{name}", std::process::id()))
}
