//! What clients were told, and whether it is so.

use std::collections::{BTreeMap, BTreeSet};

use super::Histories;
use super::complaint::{Complaint, Kind};
use super::lane::Lane;
use super::registries::Registries;

/// An answer that a client got and relies on.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    /// Who asked: `user:<name>`.
    pub(crate) actor: String,
    pub(crate) command_id: Option<String>,
    pub(crate) told: Told,
}

/// What was told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// The registry was accepted.
    Registry(String),
    /// The registry has the root.
    Root { registry: String, root: String },
    /// The registry has the repo at the path.
    Repo {
        registry: String,
        path: String,
        repo: String,
    },
    /// The request was taken.
    Request { repo: String, request: String },
    /// The request was taken back, or had ended before.
    TakenBack { repo: String, request: String },
    /// The aggregate has the event.
    Event { subject: String, id: String },
    /// Every try was refused for certain: nothing was stored.
    Refused,
}

/// What is compared with.
pub(super) struct Known<'a> {
    pub(super) histories: &'a Histories<'a>,
    pub(super) registries: &'a Registries,
    pub(super) lanes: &'a BTreeMap<String, Lane>,
}

/// Looks for everything that was told, and for commands that were carried out more than once.
pub(super) fn check(promises: &[Promise], known: &Known<'_>, complaints: &mut Vec<Complaint>) {
    let commands = commands(known, complaints);
    for promise in promises {
        let id = promise.command_id.as_deref().unwrap_or_default();
        if let Told::Refused = promise.told {
            if !id.is_empty() && commands.contains(&(promise.actor.as_str(), id)) {
                complaints.push(Complaint::new(Kind::RefusedButStored, &promise.actor, id));
            }
        } else if !holds(&promise.told, known) {
            let what = format!("{:?} of command {id:?}", promise.told);
            complaints.push(Complaint::new(Kind::LostPromise, &promise.actor, what));
        }
    }
}

fn holds(told: &Told, known: &Known<'_>) -> bool {
    let lane_of = |repo: &str, wanted: &dyn Fn(&Lane) -> bool| {
        known
            .lanes
            .values()
            .filter(|lane| lane.repo == *repo)
            .any(wanted)
    };
    match told {
        Told::Registry(name) => known.registries.listed.contains_key(name),
        Told::Root { registry, root } => known
            .registries
            .registries
            .get(registry)
            .is_some_and(|registry| registry.roots.contains_key(root)),
        Told::Repo {
            registry,
            path,
            repo,
        } => known
            .registries
            .registries
            .get(registry)
            .and_then(|registry| registry.repos.get(repo))
            .is_some_and(|listed| listed.path == *path),
        Told::Request { repo, request } => lane_of(repo, &|lane| {
            lane.open.contains_key(request) || lane.ended.contains_key(request)
        }),
        Told::TakenBack { repo, request } => lane_of(repo, &|lane| {
            lane.ended.contains_key(request) || lane.is_taken_back(request)
        }),
        Told::Event { subject, id } => {
            known
                .histories
                .get(subject.as_str())
                .is_some_and(|history| {
                    history
                        .iter()
                        .flat_map(|commit| &commit.events)
                        .any(|event| event.id == *id)
                })
        }
        Told::Refused => true,
    }
}

/// All commands that left a commit, by actor and id. Complains of those that left two on one aggregate.
fn commands<'a>(
    known: &Known<'a>,
    complaints: &mut Vec<Complaint>,
) -> BTreeSet<(&'a str, &'a str)> {
    let mut all = BTreeSet::new();
    for (subject, history) in known.histories {
        let mut here = BTreeSet::new();
        for commit in history {
            // An error that came again may be cleared again: without a receipt the repeat of a command is decided afresh.
            if commit
                .events
                .iter()
                .any(|event| event.kind == "EV_FSO_REPO_ERROR_SET")
            {
                here.clear();
            }
            let Some(id) = commit.command_id.as_deref() else {
                continue;
            };
            let command = (commit.actor.as_str(), id);
            if !here.insert(command) {
                let what = format!("{} {id} again at {}", command.0, commit.sequence);
                complaints.push(Complaint::new(Kind::DoubledCommand, subject, what));
            }
            all.insert(command);
        }
    }
    all
}
