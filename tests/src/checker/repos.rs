//! The repos, and what was carried to them from their lanes.

use std::collections::{BTreeMap, BTreeSet};

use super::Histories;
use super::commit::Event;
use super::complaint::{Complaint, Kind};
use super::lane::{How, Lane};
use super::registries::text;

/// What a repo's history comes to.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    pub(crate) registry: String,
    pub(crate) path: String,
    /// The event of the registry that accepted it.
    pub(crate) accepted_by: String,
    /// Its first event.
    pub(crate) begun_by: String,
    /// The path of the shadow and the request that made it.
    pub(crate) shadow: Option<(String, String)>,
    /// The errors that stand, by operation.
    pub(crate) errors: BTreeMap<String, Standing>,
    /// Every error that ever stood: operation and request.
    carried: BTreeSet<(String, String)>,
    /// The id of the last event.
    pub(crate) version: String,
}

/// An error that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) request: String,
}

/// Folds every repo, by id.
pub(super) fn fold(
    histories: &Histories<'_>,
    complaints: &mut Vec<Complaint>,
) -> BTreeMap<String, Repo> {
    let mut repos = BTreeMap::new();
    for (subject, history) in histories {
        let tokens: Vec<&str> = subject.split('.').collect();
        let ["fso", "ev", _, "repo", id] = tokens.as_slice() else {
            continue;
        };
        let mut repo = Repo::default();
        for commit in history {
            for event in &commit.events {
                if let Err((kind, what)) = repo.apply(event) {
                    let what = format!("{}: {what}", event.kind);
                    complaints.push(Complaint::new(kind, commit.place(), what));
                }
                repo.version.clone_from(&event.id);
            }
        }
        if repos.insert((*id).to_owned(), repo).is_some() {
            complaints.push(Complaint::new(
                Kind::Impossible,
                subject,
                "another registry has a repo of this id",
            ));
        }
    }
    repos
}

impl Repo {
    fn apply(&mut self, event: &Event) -> Result<(), (Kind, &'static str)> {
        let data = &event.data;
        let operation = text(&data["operation"]);
        let request = text(&data["request_id"]);
        if self.begun_by.is_empty() != (event.kind == "EV_FSO_REPO_INIT_STARTED") {
            return Err((Kind::Impossible, "begun before, or not yet"));
        }
        match event.kind.as_str() {
            "EV_FSO_REPO_INIT_STARTED" => {
                let info = &data["repo_init_info"];
                self.registry = text(&info["registry"]);
                self.path = text(&info["global_path"]);
                self.accepted_by = text(&data["registry_event_id"]);
                self.begun_by.clone_from(&event.id);
            }
            "EV_FSO_SHADOW_REPO_CREATED" => {
                let path = text(&data["shadow_repo_info"]["shadow_path"]);
                if self.shadow.replace((path, request)).is_some() {
                    return Err((Kind::CarriedTwice, "there was a shadow"));
                }
            }
            "EV_FSO_REPO_ERROR_SET" => {
                let standing = Standing {
                    code: text(&data["error_code"]),
                    message: text(&data["error_message"]),
                    request: request.clone(),
                };
                self.errors.insert(operation.clone(), standing);
                if !self.carried.insert((operation, request)) {
                    return Err((Kind::CarriedTwice, "the request had its error before"));
                }
            }
            "EV_FSO_REPO_ERROR_CLEARED" => {
                let had = self.errors.remove(&operation).is_some();
                if !had && data["result_number"].as_u64().unwrap_or(0) == 0 {
                    return Err((Kind::Impossible, "there was no error"));
                }
            }
            _ => return Err((Kind::Impossible, "not here")),
        }
        Ok(())
    }
}

/// Compares what lanes came to with what their repos were told.
pub(super) fn check_carried(
    repos: &BTreeMap<String, Repo>,
    lanes: &BTreeMap<String, Lane>,
    complaints: &mut Vec<Complaint>,
) {
    for (subject, lane) in lanes {
        let Some(repo) = repos.get(&lane.repo) else {
            complaints.push(Complaint::new(
                Kind::Impossible,
                subject,
                "work on a repo that never began",
            ));
            continue;
        };
        let mut complain = |kind, what: String| {
            complaints.push(Complaint::new(kind, subject, what));
        };
        if let Some((_, request)) = &repo.shadow {
            let end = lane.ended.get(request);
            if !end.is_some_and(|end| end.operation == "init" && !matches!(end.how, How::Failed)) {
                complain(Kind::Unfounded, format!("{request} has made no shadow"));
            }
        }
        for (operation, request) in &repo.carried {
            let end = lane.ended.get(request);
            if !end.is_some_and(|end| end.how.is_error()) {
                let what = format!("{request} has left no error of {operation}");
                complain(Kind::Unfounded, what);
            }
        }
        for (operation, (request, end)) in &lane.last {
            if let Some(what) = not_carried(repo, lane, operation, (request, end.how)) {
                complain(Kind::NotCarried, what);
            }
        }
    }
}

/// What is missing of the newest result of an operation.
fn not_carried(
    repo: &Repo,
    lane: &Lane,
    operation: &str,
    (request, how): (&str, How),
) -> Option<String> {
    if operation == "init" && how != How::Failed && repo.shadow.is_none() {
        return Some(format!("{request} made a shadow that the repo has not"));
    }
    // What the first stat of an init left aside is a later stat's to make good.
    let slot = if operation == "init" && how == How::DoneInPart {
        "stat"
    } else {
        operation
    };
    if slot != operation && lane.last.contains_key(slot) {
        return None;
    }
    let was_told = repo
        .carried
        .contains(&(slot.to_owned(), request.to_owned()));
    if how.is_error() && !was_told {
        return Some(format!("{request} failed, and the repo has no error of it"));
    }
    match repo.errors.get(slot) {
        Some(standing) if !how.is_error() => Some(format!(
            "{request} succeeded, and the repo shows the error of {}",
            standing.request
        )),
        Some(_) | None => None,
    }
}
