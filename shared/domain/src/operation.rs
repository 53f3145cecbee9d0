//! The operations that workers perform on a repo, and how one that failed is told.
//!
//! The limits of what a failure may carry are kept here, by construction. What an operation does is the workers' matter.

use nogfso_ids::Lane;
use serde::{Deserialize, Serialize};

/// The longest error message, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 200;
/// The longest error code, in bytes.
pub const ERROR_CODE_BYTES_MAX: usize = 64;
/// How many paths a failure names; the rest is only counted.
pub const PROBLEM_PATHS_MAX: usize = 10;
/// How much of a path a failure repeats, in bytes.
pub const PROBLEM_PATH_BYTES_MAX: usize = 1024;

const ELLIPSIS: &str = "…";

/// What a worker does for one repo.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Makes the shadow repo.
    Init,
    /// Records names, sizes and times.
    Stat,
    /// Records checksums.
    Sha,
    /// Records the content of small files.
    Content,
    /// Records metadata.
    Meta,
    /// Makes the shadow repo anew.
    Reinit,
}

impl Operation {
    /// All operations, in their order.
    pub const ALL: [Self; 6] = [
        Self::Init,
        Self::Stat,
        Self::Sha,
        Self::Content,
        Self::Meta,
        Self::Reinit,
    ];

    /// The name on the wire and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Stat => "stat",
            Self::Sha => "sha",
            Self::Content => "content",
            Self::Meta => "meta",
            Self::Reinit => "reinit",
        }
    }

    /// Reads an operation back from its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The lane in which the operation waits its turn.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self {
            Self::Sha => Lane::Sha,
            Self::Init | Self::Stat | Self::Content | Self::Meta | Self::Reinit => Lane::Main,
        }
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text of an error: one line, not empty, at most [`ERROR_TEXT_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ErrorText(String);

impl ErrorText {
    /// Brings `text` into form: control characters become spaces, what is too long is cut and ends in `…`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let line = cut(one_line(text).trim(), ERROR_TEXT_BYTES_MAX);
        if line.is_empty() {
            Self("unspecified error".to_owned())
        } else {
            Self(line)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ErrorText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for ErrorText {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<ErrorText> for String {
    fn from(text: ErrorText) -> Self {
        text.0
    }
}

/// Why a text is not an error code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an error code is 1 to 64 lower-case letters, digits and hyphens")]
pub struct ErrorCodeMalformed;

/// Tells kinds of errors apart, like `crash-loop`; callers may rely on it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ErrorCode(String);

impl ErrorCode {
    /// Reads a code.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorCodeMalformed`], which says what is allowed.
    pub fn parse(code: &str) -> Result<Self, ErrorCodeMalformed> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if code.is_empty() || code.len() > ERROR_CODE_BYTES_MAX || !code.bytes().all(allowed) {
            return Err(ErrorCodeMalformed);
        }
        Ok(Self(code.to_owned()))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ErrorCode {
    type Error = ErrorCodeMalformed;
    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::parse(&code)
    }
}

impl From<ErrorCode> for String {
    fn from(code: ErrorCode) -> Self {
        code.0
    }
}

/// One path that could not be worked on, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(from = "WrittenPathProblem")]
pub struct PathProblem {
    path: String,
    reason: ErrorText,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "PathProblem")]
struct WrittenPathProblem {
    path: String,
    reason: ErrorText,
}

impl PathProblem {
    /// Names a path, relative to the repo, and the reason. What is too long is cut and ends in `…`.
    #[must_use]
    pub fn new(path: &str, reason: &str) -> Self {
        Self {
            path: cut(&one_line(path), PROBLEM_PATH_BYTES_MAX),
            reason: ErrorText::new(reason),
        }
    }

    /// The path, relative to the repo.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reason.as_str()
    }
}

impl From<WrittenPathProblem> for PathProblem {
    fn from(written: WrittenPathProblem) -> Self {
        Self {
            path: cut(&one_line(&written.path), PROBLEM_PATH_BYTES_MAX),
            reason: written.reason,
        }
    }
}

/// The paths that could not be worked on: the first [`PROBLEM_PATHS_MAX`] by name, all by count.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(from = "WrittenProblems")]
pub struct Problems {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paths: Vec<PathProblem>,
    path_count: u64,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Problems")]
struct WrittenProblems {
    #[serde(default)]
    #[schemars(length(max = 10))]
    paths: Vec<PathProblem>,
    #[serde(default)]
    path_count: u64,
}

impl Problems {
    /// Takes paths that are already chosen, and how many there were in all.
    ///
    /// Only the first [`PROBLEM_PATHS_MAX`] are kept; the count is at least the number of paths given.
    #[must_use]
    pub fn new(mut paths: Vec<PathProblem>, path_count: u64) -> Self {
        let path_count = path_count.max(paths.len() as u64);
        paths.truncate(PROBLEM_PATHS_MAX);
        Self { paths, path_count }
    }

    /// Counts one more path, and keeps it if it is among the first.
    pub fn record(&mut self, problem: PathProblem) {
        self.path_count = self.path_count.saturating_add(1);
        if self.paths.len() < PROBLEM_PATHS_MAX {
            self.paths.push(problem);
        }
    }

    /// The first paths.
    #[must_use]
    pub fn paths(&self) -> &[PathProblem] {
        &self.paths
    }

    /// How many paths there were in all.
    #[must_use]
    pub fn path_count(&self) -> u64 {
        self.path_count
    }

    /// Whether there was no problem.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.path_count == 0
    }
}

impl From<WrittenProblems> for Problems {
    fn from(written: WrittenProblems) -> Self {
        Self::new(written.paths, written.path_count)
    }
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let kept = text.floor_char_boundary(bytes_max - ELLIPSIS.len());
    format!("{}{ELLIPSIS}", &text[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_read_back_from_its_name_and_from_its_wire_form() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_name(operation.as_str()), Some(operation));
            let wire = serde_json::to_string(&operation).unwrap();
            assert_eq!(wire, format!("\"{operation}\""));
            assert_eq!(serde_json::from_str::<Operation>(&wire).unwrap(), operation);
        }
        assert_eq!(Operation::from_name("nothing"), None);
    }

    #[test]
    fn only_hashing_has_a_lane_of_its_own() {
        let alone: Vec<_> = Operation::ALL
            .into_iter()
            .filter(|operation| operation.lane() == Lane::Sha)
            .collect();
        assert_eq!(alone, [Operation::Sha]);
    }

    #[test]
    fn a_text_at_the_limit_stays_and_a_longer_one_is_cut_between_characters() {
        let at_limit = "é".repeat(ERROR_TEXT_BYTES_MAX / 2);
        assert_eq!(ErrorText::new(&at_limit).as_str(), at_limit);
        let cut = ErrorText::new(&format!("{at_limit}x"));
        assert_eq!(cut.as_str(), format!("{}…", "é".repeat(98)));
        assert!(cut.as_str().len() <= ERROR_TEXT_BYTES_MAX);
        assert_eq!(ErrorText::new(cut.as_str()), cut);
    }

    #[test]
    fn a_text_is_one_line_and_says_something() {
        assert_eq!(ErrorText::new("a\nb\n").as_str(), "a b");
        assert_eq!(ErrorText::new("\n").as_str(), "unspecified error");
        assert_eq!(ErrorText::new("a\u{1}").as_str(), "a");
    }

    #[test]
    fn an_error_code_is_lower_case_and_short() {
        ErrorCode::parse(&"x".repeat(ERROR_CODE_BYTES_MAX)).unwrap();
        for refused in ["", "Crash", "a b", &"x".repeat(ERROR_CODE_BYTES_MAX + 1)] {
            ErrorCode::parse(refused).unwrap_err();
        }
    }

    #[test]
    fn the_first_ten_paths_are_named_and_all_are_counted() {
        let mut problems = Problems::default();
        assert!(problems.is_empty());
        for n in 0..=PROBLEM_PATHS_MAX {
            problems.record(PathProblem::new(&format!("f{n}"), "permission denied"));
        }
        assert_eq!(problems.paths().len(), PROBLEM_PATHS_MAX);
        assert_eq!(problems.paths()[0].path(), "f0");
        assert_eq!(problems.paths()[0].reason(), "permission denied");
        assert_eq!(problems.path_count(), 11);
    }

    #[test]
    fn limits_hold_for_what_is_read_too() {
        let paths = vec![serde_json::json!({"path": "x".repeat(2000), "reason": "r"}); 12];
        let read: Problems = serde_json::from_value(serde_json::json!({"paths": paths})).unwrap();
        assert_eq!(read.paths().len(), PROBLEM_PATHS_MAX);
        assert_eq!(read.path_count(), 12);
        assert_eq!(read.paths()[0].path().len(), PROBLEM_PATH_BYTES_MAX);
        let wire = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<Problems>(wire).unwrap(), read);
    }
}
