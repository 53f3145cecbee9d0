//! Whether an answer was true.

use nogfso_contract::{Code, Failure};
use nogfso_domain::operation::Operation;
use nogfso_domain::registry::{KnownRegistry, Registry};
use nogfso_domain::repo::{KnownRepo, Repo};
use nogfso_domain::work::Work;
use nogfso_ids::{GlobalPath, RegistryName, RepoId, RequestId};
use serde_json::Value;

use super::super::auditor::{Auditor, Span};
use super::super::verdict::{Invariant, Violation};
use super::{Command, is_denied};

/// Holds a refusal against every state since the question was asked.
///
/// # Errors
///
/// Returns the broken invariant if it was never true.
pub(super) fn refused(
    auditor: &Auditor,
    span: Span,
    command: &Command,
    failure: &Failure,
) -> Result<(), Violation> {
    let is = |code: Code| failure.code == code;
    let was_true = match command {
        Command::InitRegistry(_) => false,
        Command::InitRoot {
            registry,
            host_root,
        } => ever_registry(auditor, span, registry, |known| match known {
            None => is(Code::NotFound),
            Some(known) => {
                let root = known.root(&path("/data"));
                is(Code::Conflict) && root.is_some_and(|root| root.host_root.as_str() != *host_root)
            }
        }),
        Command::InitRepo {
            registry,
            path: global_path,
            author,
        } => ever_registry(auditor, span, registry, |known| match known {
            None => is(Code::NotFound),
            Some(known) => {
                let at = path(global_path);
                let repo = known.repo_at(&at);
                let is_others = repo.is_some_and(|repo| repo.creator.to_string() != *author);
                (is(Code::NotFound) && known.root_of(&at).is_none())
                    || (is(Code::Conflict) && is_others)
                    || (is(Code::InitDenied) && is_denied(global_path))
            }
        }),
        Command::Stat { repo, .. } => ever_repo(auditor, span, *repo, |known| match known {
            None => is(Code::NotFound),
            Some(known) => is(Code::Precondition) && known.shadow_path().is_none(),
        }),
        Command::Cancel { repo, request } => {
            let request = request_id(request);
            let is_unknown =
                |work: &Work| work.request(request).is_none() && work.finished(request).is_none();
            is(Code::NotFound)
                && (ever_repo(auditor, span, *repo, |known| known.is_none())
                    || auditor
                        .work(*repo)
                        .is_none_or(|work| work.ever(span, |work, _| is_unknown(work))))
        }
        Command::ClearError { repo, .. } => {
            is(Code::NotFound) && ever_repo(auditor, span, *repo, |known| known.is_none())
        }
        Command::ClearText { repo } => ever_repo(auditor, span, *repo, |known| match known {
            None => is(Code::NotFound),
            Some(known) => is(Code::Conflict) && !has_text(known),
        }),
    };
    if was_true {
        return Ok(());
    }
    let seen = format!("{command:?}: {failure:?}");
    Err(Violation::of(Invariant::RefusalWasTrue, seen))
}

/// Holds an acknowledgement against the journal.
///
/// # Errors
///
/// Returns the broken invariant if what was acknowledged is not stored.
pub(super) fn acknowledged(
    auditor: &Auditor,
    span: Span,
    command: &Command,
    reply: &Value,
) -> Result<(), Violation> {
    let is_stored = match command {
        Command::InitRegistry(name) => {
            let main = auditor.main.now().known();
            main.is_some_and(|main| main.registry(&registry_name(name)).is_some())
        }
        Command::InitRoot {
            registry,
            host_root,
        } => now_registry(auditor, registry).is_some_and(|known| {
            let root = known.root(&path("/data"));
            root.is_some_and(|root| root.host_root.as_str() == *host_root)
        }),
        Command::InitRepo {
            registry,
            path: global_path,
            ..
        } => now_registry(auditor, registry).is_some_and(|known| {
            let repo = known.repo_at(&path(global_path));
            repo.is_some_and(|repo| Some(repo.id.to_string().as_str()) == reply["repo"].as_str())
        }),
        Command::Stat { .. } => reply["request"]
            .as_str()
            .is_some_and(|request| auditor.was_requested(request_id(request))),
        Command::Cancel { repo, request } => {
            let request = request_id(request);
            auditor.work(*repo).is_some_and(|work| {
                let work = work.now();
                let known = work.request(request);
                work.finished(request).is_some()
                    || known.is_some_and(|known| known.started_by().is_some())
            })
        }
        Command::ClearError { repo, operation } => {
            let operation = Operation::from_name(operation).expect("an operation");
            ever_repo(auditor, span, *repo, |known| {
                known.is_some_and(|known| known.error(operation).is_none())
            })
        }
        Command::ClearText { repo } => ever_repo(auditor, span, *repo, |known| {
            known.is_some_and(|known| !has_text(known))
        }),
    };
    if is_stored {
        return Ok(());
    }
    let seen = format!("{command:?}: {reply}");
    Err(Violation::of(Invariant::AcknowledgedIsStored, seen))
}

fn has_text(repo: &KnownRepo) -> bool {
    repo.errors()
        .any(|(_, error)| error.message.as_str() == "the disk is ill")
}

fn now_registry<'a>(auditor: &'a Auditor, name: &str) -> Option<&'a KnownRegistry> {
    auditor.registry(&registry_name(name))?.now().known()
}

/// Whether a registry was so at some moment; `None` for one that was not there.
fn ever_registry(
    auditor: &Auditor,
    span: Span,
    name: &str,
    is_so: impl Fn(Option<&KnownRegistry>) -> bool,
) -> bool {
    match auditor.registry(&registry_name(name)) {
        Some(history) => history.ever(span, |registry: &Registry, _| is_so(registry.known())),
        None => is_so(None),
    }
}

/// Whether a repo was so at some moment; `None` for one that was not there.
fn ever_repo(
    auditor: &Auditor,
    span: Span,
    repo: RepoId,
    is_so: impl Fn(Option<&KnownRepo>) -> bool,
) -> bool {
    match auditor.repo(repo) {
        Some(history) => history.ever(span, |repo: &Repo, _| is_so(repo.known())),
        None => is_so(None),
    }
}

fn registry_name(name: &str) -> RegistryName {
    RegistryName::parse(name).expect("a name")
}

fn path(path: &str) -> GlobalPath {
    GlobalPath::parse(path).expect("a path")
}

fn request_id(request: &str) -> RequestId {
    request.parse().expect("an id")
}
