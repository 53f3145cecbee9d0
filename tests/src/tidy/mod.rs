//! The house rules that a machine can see, as tests over every file of the workspace.
//!
//! `text` holds the rules on lines and scripts, `syntax` those that need Rust to be parsed, and
//! `layout` those on where files lie. Each rule is a function from a file to complaints, and has
//! a test that plants a violation.

mod layout;
mod syntax;
mod text;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::workspace;

/// A breach of a rule, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Complaint {
    file: PathBuf,
    /// From 1; 0 where the whole file is meant.
    line: usize,
    what: String,
}

impl Complaint {
    fn new(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// Applies `rule` to the path and text of every Rust file.
fn over_rust(rule: impl Fn(&Path, &str) -> Vec<Complaint>) {
    over_files(
        |file| file.extension().is_some_and(|extension| extension == "rs"),
        rule,
    );
}

/// Applies `rule` to the path and text of every script, which is what starts with `#!`.
fn over_scripts(rule: impl Fn(&Path, &str) -> Vec<Complaint>) {
    let is_script = |file: &Path| file.starts_with("scripts") || file.starts_with(".ci");
    over_files(is_script, |file, text| {
        if text.starts_with("#!") {
            rule(file, text)
        } else {
            vec![]
        }
    });
}

fn over_files(chosen: impl Fn(&Path) -> bool, rule: impl Fn(&Path, &str) -> Vec<Complaint>) {
    let files: Vec<_> = workspace::files()
        .into_iter()
        .filter(|file| chosen(file))
        .collect();
    assert!(
        !files.is_empty(),
        "a rule that looks at no file holds nothing"
    );
    let complaints = files
        .iter()
        .flat_map(|file| rule(file, &workspace::text(file)))
        .collect();
    assert_none(complaints);
}

fn assert_none(complaints: Vec<Complaint>) {
    let lines: Vec<_> = complaints.iter().map(Complaint::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}
