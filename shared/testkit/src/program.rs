//! Where the programs that tests start are found.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root folder of the workspace that the tests were built from.
#[must_use]
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two levels below the workspace root")
}

/// The path of one of our own binaries, built in the same profile as the running test.
///
/// # Panics
///
/// Panics if the binary was not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the running test knows its path");
    let path = test
        .ancestors()
        .nth(2)
        .expect("a test lies in target/<profile>/deps")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is missing: run scripts/test, which builds it, or cargo build --workspace --bins",
        path.display()
    );
    path
}

/// The path of the nats-server that tests use: `NOGFSO_NATS_SERVER`, or what `scripts/nats` finds
/// or installs.
///
/// # Panics
///
/// Panics if there is none.
#[must_use]
pub fn nats_server_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(find_nats_server)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no config.rs, and scripts/test hands the path on"
)]
fn find_nats_server() -> PathBuf {
    if let Some(path) = std::env::var_os("NOGFSO_NATS_SERVER").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        assert!(
            path.is_file(),
            "NOGFSO_NATS_SERVER={} is no file: correct or unset it",
            path.display()
        );
        return path;
    }
    let script = workspace_root().join("scripts/nats");
    let output = Command::new(&script)
        .output()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", script.display()));
    assert!(
        output.status.success(),
        "no nats-server for the tests: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}
