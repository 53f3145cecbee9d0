//! The list of registries, and what each registry holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Histories;
use super::commit::{Commit, Event};
use super::complaint::{Complaint, Kind};
use super::repos::Repo;

const MAIN: &str = "fso.ev._.main.main";

/// All registries.
#[derive(Debug, Default)]
pub(crate) struct Registries {
    /// By name, and whether each was confirmed.
    pub(crate) listed: BTreeMap<String, bool>,
    pub(crate) registries: BTreeMap<String, Registry>,
}

/// One registry.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    is_begun: bool,
    /// By global path; the root in full.
    pub(crate) roots: BTreeMap<String, Value>,
    /// By id.
    pub(crate) repos: BTreeMap<String, Listed>,
    paths: BTreeSet<String>,
    /// The id of the last event.
    pub(crate) version: String,
}

/// A repo as its registry lists it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) path: String,
    /// The event that accepted it.
    pub(crate) accepted_by: String,
    /// The first event of the repo's own history, once that is known here.
    pub(crate) begun_by: Option<String>,
}

/// Folds main and every registry.
pub(super) fn fold(histories: &Histories<'_>, complaints: &mut Vec<Complaint>) -> Registries {
    let mut all = Registries::default();
    for (subject, history) in histories {
        let tokens: Vec<&str> = subject.split('.').collect();
        match tokens.as_slice() {
            ["fso", "ev", "_", "main", "main"] => {
                each(history, complaints, |event| main(&mut all.listed, event));
            }
            ["fso", "ev", name, "registry", _] => {
                let registry = all.registries.entry((*name).to_owned()).or_default();
                each(history, complaints, |event| {
                    registry.version.clone_from(&event.id);
                    apply(registry, event)
                });
            }
            ["fso", "ev", "_", "id", _] => {
                let mut is_held = false;
                each(history, complaints, |event| match event.kind.as_str() {
                    "EV_FSO_ID_RESERVED" if !std::mem::replace(&mut is_held, true) => Ok(()),
                    _ => Err("an id is given away once"),
                });
            }
            _ => {}
        }
    }
    for name in all.registries.keys() {
        if !all.listed.contains_key(name) {
            complaints.push(Complaint::new(
                Kind::Impossible,
                name,
                "main has never accepted it",
            ));
        }
    }
    for (name, confirmed) in &all.listed {
        if !confirmed || !all.registries.contains_key(name) {
            complaints.push(Complaint::new(
                Kind::Unfinished,
                format!("{MAIN} {name}"),
                "accepted, and not begun or not confirmed",
            ));
        }
    }
    all
}

/// Applies each event of a history, and complains of those that do not fit.
pub(super) fn each(
    history: &[&Commit],
    complaints: &mut Vec<Complaint>,
    mut apply: impl FnMut(&Event) -> Result<(), &'static str>,
) {
    for commit in history {
        for event in &commit.events {
            if let Err(what) = apply(event) {
                let what = format!("{}: {what}", event.kind);
                complaints.push(Complaint::new(Kind::Impossible, commit.place(), what));
            }
        }
    }
}

/// The text of a field, empty if there is none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn main(listed: &mut BTreeMap<String, bool>, event: &Event) -> Result<(), &'static str> {
    let name = text(&event.data["registry_name"]);
    match event.kind.as_str() {
        "EV_FSO_MAIN_INITIALIZED" if listed.is_empty() => Ok(()),
        "EV_FSO_REGISTRY_ACCEPTED" => match listed.insert(name, false) {
            None => Ok(()),
            Some(_) => Err("accepted before"),
        },
        "EV_FSO_REGISTRY_CONFIRMED" => match listed.insert(name, true) {
            Some(false) => Ok(()),
            Some(true) => Err("confirmed before"),
            None => Err("never accepted"),
        },
        _ => Err("not here, or not now"),
    }
}

fn apply(registry: &mut Registry, event: &Event) -> Result<(), &'static str> {
    let data = &event.data;
    if event.kind == "EV_FSO_REGISTRY_ADDED" {
        let was_begun = std::mem::replace(&mut registry.is_begun, true);
        return if was_begun {
            Err("begun before")
        } else {
            Ok(())
        };
    }
    if !registry.is_begun {
        return Err("not begun yet");
    }
    match event.kind.as_str() {
        "EV_FSO_ROOT_ADDED" => {
            let root = &data["root_info"];
            match registry
                .roots
                .insert(text(&root["global_root"]), root.clone())
            {
                None => Ok(()),
                Some(_) => Err("the root was there"),
            }
        }
        "EV_FSO_REPO_ACCEPTED" => {
            let path = text(&data["repo_info"]["global_path"]);
            if !registry.paths.insert(path.clone()) {
                return Err("a repo was at the path");
            }
            let listed = Listed {
                path,
                accepted_by: event.id.clone(),
                begun_by: None,
            };
            match registry
                .repos
                .insert(text(&data["repo_info"]["id"]), listed)
            {
                None => Ok(()),
                Some(_) => Err("the repo was there"),
            }
        }
        "EV_FSO_REPO_ADDED" => {
            let id = text(&data["repo_info"]["id"]);
            let listed = registry.repos.get_mut(&id).ok_or("never accepted")?;
            let begun_by = Some(text(&data["repo_event_id"]));
            match std::mem::replace(&mut listed.begun_by, begun_by) {
                None => Ok(()),
                Some(_) => Err("added before"),
            }
        }
        _ => Err("not here"),
    }
}

/// Compares what registries list with the histories of the repos.
pub(super) fn check_begun(
    all: &Registries,
    repos: &BTreeMap<String, Repo>,
    complaints: &mut Vec<Complaint>,
) {
    let mut listed_ids = BTreeSet::new();
    for (name, registry) in &all.registries {
        for (id, listed) in &registry.repos {
            let mut complain = |kind, what: &str| {
                complaints.push(Complaint::new(kind, format!("{name} {id}"), what));
            };
            if !listed_ids.insert(id) {
                complain(Kind::Impossible, "listed by another registry too");
            }
            let Some(repo) = repos.get(id) else {
                complain(Kind::Unfinished, "accepted, and not begun");
                continue;
            };
            if (&repo.accepted_by, &repo.path) != (&listed.accepted_by, &listed.path) {
                complain(Kind::Impossible, "begun otherwise than accepted");
            }
            match &listed.begun_by {
                None => complain(Kind::Unfinished, "begun, and not added to its registry"),
                Some(begun_by) if *begun_by != repo.begun_by => {
                    complain(Kind::Impossible, "added by an event that did not begin it");
                }
                Some(_) => {}
            }
        }
    }
    for id in repos.keys().filter(|id| !listed_ids.contains(id)) {
        complaints.push(Complaint::new(
            Kind::Impossible,
            id,
            "begun, and accepted by no registry",
        ));
    }
}
