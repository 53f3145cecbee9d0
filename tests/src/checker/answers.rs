//! What queries answer, held against the history.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::complaint::{Complaint, Kind};
use super::lane::Lane;
use super::registries::{Registries, Registry, text};
use super::repos::Repo;

/// The answers of `fso.get.…`, each without its envelope.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Of `registries`.
    pub(crate) registries: Option<Value>,
    /// Of `registry`, by name.
    pub(crate) registry: BTreeMap<String, Value>,
    /// Of `roots`, by name of the registry.
    pub(crate) roots: BTreeMap<String, Value>,
    /// All rows of `repos`, by name of the registry.
    pub(crate) repos: BTreeMap<String, Vec<Value>>,
    /// Of `repo`, by id.
    pub(crate) repo: BTreeMap<String, Value>,
}

impl Answers {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        usize::from(self.registries.is_some())
            + self.registry.len()
            + self.roots.len()
            + self.repos.len()
            + self.repo.len()
    }

    fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

/// Looks for requests that have not ended and do not show what they wait for.
pub(super) fn check_ends(
    answers: &Answers,
    lanes: &BTreeMap<String, Lane>,
    complaints: &mut Vec<Complaint>,
) {
    for (subject, lane) in lanes {
        let shown = answers.repo.get(&lane.repo);
        let rows = shown.and_then(|repo| repo["work"]["requests"].as_array());
        let rows = rows.map(Vec::as_slice).unwrap_or_default();
        for request in lane.open.keys() {
            let row = rows.iter().find(|row| row["request"] == request.as_str());
            let reason = row.filter(|row| row["reason"].is_string() || row["held_by"].is_string());
            if reason.is_none() {
                let what = format!("{request} is open; shown is {row:?}");
                complaints.push(Complaint::new(Kind::Unfinished, subject, what));
            }
        }
        let open: BTreeSet<&str> = lane.open.keys().map(String::as_str).collect();
        let others = rows
            .iter()
            .filter_map(|row| row["request"].as_str())
            .filter(|request| !open.contains(request));
        for request in others {
            let what = format!("{request} is shown as open");
            complaints.push(Complaint::new(Kind::AnswerDiffers, subject, what));
        }
    }
}

/// Compares every answer with the fold.
pub(super) fn check(
    answers: &Answers,
    all: &Registries,
    repos: &BTreeMap<String, Repo>,
    complaints: &mut Vec<Complaint>,
) {
    if answers.is_empty() {
        return;
    }
    let mut differ = |place: &str, what: String| {
        complaints.push(Complaint::new(Kind::AnswerDiffers, place, what));
    };
    let shown = rows(answers.registries.as_ref(), "registries", |row| {
        (text(&row["name"]), row["confirmed"] == true)
    });
    if shown != all.listed.clone().into_iter().collect() {
        differ("registries", format!("{shown:?} for {:?}", all.listed));
    }
    for (name, registry) in &all.registries {
        for what in registry_differs(answers, name, registry) {
            differ(name, what);
        }
    }
    for (id, repo) in repos {
        match answers.repo.get(id) {
            None => differ(id, "it is not answered".to_owned()),
            Some(shown) => {
                for what in repo_differs(shown, repo) {
                    differ(id, what);
                }
            }
        }
    }
}

fn rows<T: Ord>(answer: Option<&Value>, field: &str, read: impl Fn(&Value) -> T) -> BTreeSet<T> {
    let rows = answer.and_then(|answer| answer[field].as_array());
    rows.into_iter().flatten().map(read).collect()
}

fn registry_differs(answers: &Answers, name: &str, registry: &Registry) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |what: &str, is_so: bool, shown: &dyn std::fmt::Debug| {
        if !is_so {
            found.push(format!("{what} is {shown:?}"));
        }
    };
    let info = answers.registry.get(name).cloned().unwrap_or_default();
    let counts = (&info["num_roots"], &info["num_repos"]);
    let is_so = *counts.0 == registry.roots.len() && *counts.1 == registry.repos.len();
    expect("the count of roots and repos", is_so, &counts);
    expect("the version", info["vid"] == registry.version, &info["vid"]);
    let roots = rows(answers.roots.get(name), "roots", |row| {
        ["global_root", "host", "host_root"].map(|field| text(&row[field]))
    });
    let known = registry.roots.values();
    let known =
        known.map(|root| ["global_root", "host", "host_root"].map(|field| text(&root[field])));
    expect("the list of roots", roots == known.collect(), &roots);
    let listed: BTreeSet<_> = answers
        .repos
        .get(name)
        .into_iter()
        .flatten()
        .map(|row| {
            let is_confirmed = row["confirmed"] == true;
            (text(&row["id"]), text(&row["global_path"]), is_confirmed)
        })
        .collect();
    let known = registry.repos.iter();
    let known = known.map(|(id, repo)| (id.clone(), repo.path.clone(), repo.begun_by.is_some()));
    let known: BTreeSet<_> = known.collect();
    let differing: Vec<_> = listed.symmetric_difference(&known).collect();
    expect("the list of repos", differing.is_empty(), &differing);
    found
}

fn repo_differs(shown: &Value, repo: &Repo) -> Vec<String> {
    let mut found = Vec::new();
    let mut expect = |what: &str, is_so: bool, value: &dyn std::fmt::Debug| {
        if !is_so {
            found.push(format!("{what} is {value:?}, known is {repo:?}"));
        }
    };
    expect("the version", shown["vid"] == repo.version, &shown["vid"]);
    expect(
        "the registry",
        shown["registry"] == repo.registry.as_str(),
        &shown["registry"],
    );
    expect(
        "the path",
        shown["global_path"] == repo.path.as_str(),
        &shown["global_path"],
    );
    let shadow = shown["shadow"].as_str();
    let path = shadow.and_then(|shadow| shadow.split_once(':'));
    let known = repo.shadow.as_ref().map(|(path, _)| path.as_str());
    expect("the shadow", path.map(|(_, path)| path) == known, &shadow);
    let errors = rows(Some(shown), "errors", |row| {
        ["operation", "code", "message", "request"].map(|field| text(&row[field]))
    });
    let known = repo.errors.iter().map(|(operation, error)| {
        [
            operation.clone(),
            error.code.clone(),
            error.message.clone(),
            error.request.clone(),
        ]
    });
    expect("the list of errors", errors == known.collect(), &errors);
    found
}
