//! Rules on where files lie and what they are called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use super::{Complaint, assert_none};
use crate::workspace;

const TOP_LEVEL: [&str; 18] = [
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "compose.yaml",
    "deny.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "schemas",
    "scripts",
    "services",
    "shared",
    "tests",
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 4] = ["common", "helpers", "types", "utils"];

#[test]
fn nothing_else_lies_at_the_top() {
    assert_none(strangers_at_the_top(&workspace::files()));
}

#[test]
fn names_say_what_is_inside() {
    assert_none(empty_names(&rust_texts()));
}

#[test]
fn every_file_is_compiled() {
    assert_none(orphans(&rust_texts(), &target_roots()));
}

fn strangers_at_the_top(files: &BTreeSet<PathBuf>) -> Vec<Complaint> {
    let top: BTreeSet<_> = files.iter().filter_map(|file| file.iter().next()).collect();
    top.into_iter()
        .filter(|name| !TOP_LEVEL.iter().any(|known| name == known))
        .map(|name| Complaint::new(Path::new(name), 0, "is no entry of the top level"))
        .collect()
}

fn empty_names(texts: &BTreeMap<PathBuf, String>) -> Vec<Complaint> {
    let is_empty_name = |name: &str| EMPTY_NAMES.contains(&name);
    let what = "a name that says nothing";
    let in_path = |file: &&PathBuf| {
        file.with_extension("")
            .iter()
            .any(|part| part.to_str().is_some_and(is_empty_name))
    };
    let files = texts
        .keys()
        .filter(in_path)
        .map(|file| Complaint::new(file, 0, what));
    let modules = texts.iter().flat_map(|(file, text)| {
        let modules = modules_in(text)
            .into_iter()
            .filter(|module| is_empty_name(&module.name));
        modules.map(move |module| Complaint::new(file, module.line, what))
    });
    files.chain(modules).collect()
}

/// Files that are neither the root of a target nor named by a `mod` in the file above them.
fn orphans(texts: &BTreeMap<PathBuf, String>, roots: &BTreeSet<PathBuf>) -> Vec<Complaint> {
    let named: BTreeMap<_, _> = texts
        .iter()
        .map(|(file, text)| (file, modules_in(text)))
        .collect();
    let is_named = |file: &PathBuf| {
        let (folder, name) = place_of(file);
        named.iter().any(|(parent, modules)| {
            let is_above = parent.parent() == Some(&folder)
                && (parent.ends_with("mod.rs") || roots.contains(*parent))
                || **parent == folder.with_extension("rs");
            *parent != file && is_above && modules.iter().any(|module| module.name == name)
        })
    };
    texts
        .keys()
        .filter(|file| !roots.contains(*file) && !is_named(file))
        .map(|file| Complaint::new(file, 0, "no `mod` names this file"))
        .collect()
}

/// The folder whose module must name this file, and under which name.
fn place_of(file: &Path) -> (PathBuf, String) {
    let module = if file.ends_with("mod.rs") {
        file.parent().unwrap_or(file)
    } else {
        file
    };
    let folder = module.parent().unwrap_or(Path::new("")).to_owned();
    let name = module
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    (folder, name)
}

struct Module {
    name: String,
    line: usize,
}

fn modules_in(text: &str) -> Vec<Module> {
    let mut modules = Modules(vec![]);
    // What cannot be parsed is another rule's to tell.
    if let Ok(syntax) = syn::parse_file(text) {
        modules.visit_file(&syntax);
    }
    modules.0
}

struct Modules(Vec<Module>);

impl<'ast> Visit<'ast> for Modules {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.0.push(Module {
            name: module.ident.to_string(),
            line: module.ident.span().start().line,
        });
        visit::visit_item_mod(self, module);
    }
}

fn rust_texts() -> BTreeMap<PathBuf, String> {
    let files = workspace::files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "rs"));
    files
        .map(|file| (file.clone(), workspace::text(&file)))
        .collect()
}

/// The files at which cargo starts to compile.
fn target_roots() -> BTreeSet<PathBuf> {
    let packages = workspace::packages();
    let targets = packages.iter().flat_map(|package| {
        package["targets"]
            .as_array()
            .expect("a package has targets")
    });
    targets
        .map(|target| {
            let path = Path::new(target["src_path"].as_str().expect("a target has a file"));
            path.strip_prefix(workspace::root())
                .expect("our targets lie in the workspace")
                .to_owned()
        })
        .collect()
}

#[test]
fn a_stranger_at_the_top_is_found() {
    let files = ["notes.txt", "shared/notes.txt"].map(PathBuf::from).into();
    let found = strangers_at_the_top(&files);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].file, Path::new("notes.txt"));
}

#[test]
fn a_name_that_says_nothing_is_found() {
    for (file, text) in [
        ("a/src/utils.rs", ""),
        ("a/common/mod.rs", ""),
        ("a/src/lib.rs", "mod b { mod types {} }"),
    ] {
        assert_eq!(empty_names(&planted(&[(file, text)])).len(), 1, "{file}");
    }
    assert!(empty_names(&planted(&[("a/src/lib.rs", "mod prototypes;")])).is_empty());
}

#[test]
fn a_file_that_no_module_names_is_found() {
    let texts = planted(&[
        ("a/src/lib.rs", "mod one;\n#[cfg(test)] mod two;"),
        ("a/src/one/mod.rs", "mod inner;"),
        ("a/src/one/inner.rs", ""),
        ("a/src/one/lost.rs", ""),
        ("a/src/two.rs", "mod below;"),
        ("a/src/two/below.rs", ""),
        ("a/src/stray.rs", "mod stray;"),
    ]);
    let found: Vec<_> = orphans(&texts, &[PathBuf::from("a/src/lib.rs")].into())
        .into_iter()
        .map(|one| one.file)
        .collect();
    assert_eq!(
        found,
        [Path::new("a/src/one/lost.rs"), Path::new("a/src/stray.rs")]
    );
}

fn planted(files: &[(&str, &str)]) -> BTreeMap<PathBuf, String> {
    files
        .iter()
        .map(|(file, text)| (PathBuf::from(file), (*text).to_owned()))
        .collect()
}
