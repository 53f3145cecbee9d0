//! How much of a large test is run: a sample, or all of it.

use std::str::FromStr;

/// What asks for all of it; `scripts/test --full` sets it.
const FULL: &str = "NOGFSO_FULL";

/// Whether tests that take a sample of their cases are to run all of them.
///
/// A sample must be drawn evenly over all cases, by a seed that is printed.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no settings of their own"
)]
pub fn is_full() -> bool {
    std::env::var_os(FULL).is_some_and(|value| value == "1")
}

/// A number that replays or enlarges a test, such as a seed, from the environment.
///
/// # Panics
///
/// Panics if the variable is set to something else than a number.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests have no settings of their own"
)]
pub fn wished<T: FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var_os(variable)?;
    let number = text.to_str().and_then(|text| text.parse().ok());
    assert!(number.is_some(), "{variable}={text:?} is not a number");
    number
}
