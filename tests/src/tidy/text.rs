//! Rules on the lines of a file, whatever they mean.

use std::path::Path;

use super::{Complaint, over_rust, over_scripts};

const FILE_LINES_MAX: usize = 500;
const SCRIPT_LINES_MAX: usize = 59;

/// Folders of one developer's machine. Split, so that this file does not name them.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
/// Allowed in tests, where it may be the path of somebody's data.
const HOME_PATH: &str = concat!("/ho", "me/");

#[test]
fn rust_files_are_short() {
    over_rust(long_file);
}

#[test]
fn rust_files_open_with_what_they_are_for() {
    over_rust(no_module_comment);
}

#[test]
fn what_is_left_to_do_names_its_issue() {
    over_rust(todo_without_issue);
    over_scripts(todo_without_issue);
}

#[test]
fn no_machine_of_a_developer_is_named() {
    over_rust(machine_path);
    over_scripts(machine_path);
}

#[test]
fn scripts_are_short_and_tell_what_they_do() {
    over_scripts(bad_script);
}

fn long_file(file: &Path, text: &str) -> Vec<Complaint> {
    let count = text.lines().count();
    let what = format!("{count} lines, more than {FILE_LINES_MAX}");
    (count > FILE_LINES_MAX)
        .then(|| Complaint::new(file, count, what))
        .into_iter()
        .collect()
}

fn no_module_comment(file: &Path, text: &str) -> Vec<Complaint> {
    let is_told = text.starts_with("//!");
    (!is_told)
        .then(|| Complaint::new(file, 1, "does not open with //!"))
        .into_iter()
        .collect()
}

fn todo_without_issue(file: &Path, text: &str) -> Vec<Complaint> {
    let marker = concat!("TO", "DO");
    let breaks = |line: &str| words(line).any(|word| word == marker) && !names_issue(line);
    complaints(
        file,
        text,
        breaks,
        "something to do without the number of its issue",
    )
}

fn names_issue(line: &str) -> bool {
    line.split('#')
        .skip(1)
        .any(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|one: char| !one.is_alphanumeric() && one != '_')
}

fn machine_path(file: &Path, text: &str) -> Vec<Complaint> {
    let is_test_file =
        file.starts_with("tests") || file.ends_with("tests.rs") || in_tests_folder(file);
    let tests_start = text.lines().position(|line| line.trim() == "#[cfg(test)]");
    let mut found = complaints(
        file,
        text,
        |line| MACHINE_PATHS.iter().any(|path| names_path(line, path)),
        "a path of one machine",
    );
    let homes = complaints(
        file,
        text,
        |line| names_path(line, HOME_PATH),
        "a path of one person outside a test",
    );
    let before_tests = |one: &Complaint| tests_start.is_none_or(|start| one.line <= start);
    found.extend(
        homes
            .into_iter()
            .filter(|one| !is_test_file && before_tests(one)),
    );
    found
}

fn in_tests_folder(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests")
}

/// Whether an absolute path starts with `folder`, rather than a relative one holding it.
fn names_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        before.is_none_or(|one| !one.is_alphanumeric() && !"/._-*>}".contains(one))
    })
}

fn bad_script(file: &Path, text: &str) -> Vec<Complaint> {
    let count = text.lines().count();
    let too_long = format!("{count} lines, more than {SCRIPT_LINES_MAX}");
    [
        (count > SCRIPT_LINES_MAX, too_long.as_str()),
        (!text.contains("--help"), "has no --help"),
    ]
    .into_iter()
    .filter(|(is_broken, _)| *is_broken)
    .map(|(_, what)| Complaint::new(file, count, what))
    .collect()
}

fn complaints(
    file: &Path,
    text: &str,
    breaks: impl Fn(&str) -> bool,
    what: &str,
) -> Vec<Complaint> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| breaks(line))
        .map(|(index, _)| Complaint::new(file, index + 1, what))
        .collect()
}

#[test]
fn a_file_of_one_line_too_many_is_found() {
    let file = Path::new("a.rs");
    assert!(long_file(file, &"\n".repeat(FILE_LINES_MAX)).is_empty());
    assert_eq!(long_file(file, &"\n".repeat(FILE_LINES_MAX + 1)).len(), 1);
}

#[test]
fn a_file_without_its_purpose_is_found() {
    assert!(no_module_comment(Path::new("a.rs"), "//! Decides.\n").is_empty());
    assert_eq!(
        no_module_comment(Path::new("a.rs"), "use std::fmt;\n//! Decides.\n").len(),
        1
    );
}

#[test]
fn a_note_without_an_issue_is_found() {
    let note = concat!("// TO", "DO: later");
    assert_eq!(
        todo_without_issue(Path::new("a.rs"), &format!("fn a() {{}}\n{note}"))[0].line,
        2
    );
    assert!(todo_without_issue(Path::new("a.rs"), &format!("{note} (#42)")).is_empty());
}

#[test]
fn a_path_of_one_machine_is_found() {
    let planted = |text: &str| machine_path(Path::new("shared/ids/src/path.rs"), text).len();
    for path in MACHINE_PATHS.iter().chain([&HOME_PATH]) {
        assert_eq!(
            planted(&format!("const A: &str = \"{path}x\";")),
            1,
            "{path}"
        );
        assert_eq!(
            planted(&format!("// a relative one: shared{path}x")),
            0,
            "{path}"
        );
    }
    assert_eq!(
        planted(&format!("#[cfg(test)]\nconst A: &str = \"{HOME_PATH}x\";")),
        0
    );
    assert_eq!(
        planted(&format!(
            "#[cfg(test)]\nconst A: &str = \"{}x\";",
            MACHINE_PATHS[0]
        )),
        1
    );
}

#[test]
fn a_long_or_silent_script_is_found() {
    let help = "#!/bin/sh\n# --help\n";
    assert!(bad_script(Path::new("scripts/a"), help).is_empty());
    assert_eq!(bad_script(Path::new("scripts/a"), "#!/bin/sh\n").len(), 1);
    assert_eq!(
        bad_script(
            Path::new("scripts/a"),
            &(help.to_owned() + &"\n".repeat(SCRIPT_LINES_MAX))
        )
        .len(),
        1
    );
}
