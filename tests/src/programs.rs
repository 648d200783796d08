//! Where the programs and the data under test are.

use std::path::PathBuf;

/// The directory that Cargo put this profile's programs into.
fn profile_directory() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let above = own.ancestors().skip(1);
    above
        .into_iter()
        .find(|directory| !directory.ends_with("deps"))
        .unwrap()
        .to_owned()
}

/// A program of this workspace, as built beside this test.
///
/// # Panics
/// Where it was not built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = profile_directory().join(name);
    assert!(
        path.is_file(),
        "{} is missing: cargo build --workspace",
        path.display()
    );
    path
}

/// A file of the real data.
///
/// # Panics
/// Where it was not fetched.
#[must_use]
pub fn testdata(name: &str) -> PathBuf {
    let directory = std::env::var_os("ARENA_TESTDATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/testdata"),
        PathBuf::from,
    );
    let path = directory.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run tests/data/fetch, or set ARENA_TESTDATA to where it put its files",
        path.display()
    );
    path.canonicalize().unwrap()
}
