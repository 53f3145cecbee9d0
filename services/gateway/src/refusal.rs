//! What refusals and failures of the layers below are to a caller.

use nogfso_contract::{Code, Details, Failure};
use nogfso_domain::main_list::{MainList, MainListRefusal};
use nogfso_domain::registry::{Registry, RegistryRefusal};
use nogfso_domain::repo::{Repo, RepoRefusal};
use nogfso_domain::reservation::{Reservation, ReservationRefusal};
use nogfso_domain::work::{WorkLane, WorkRefusal};
use nogfso_journal::log::ReadFault;
use nogfso_journal::{ExecuteError, LoadError};
use nogfso_kernel::Aggregate;

/// When one who was told that it is too much should try again, in milliseconds.
pub(crate) const RETRY_AFTER_MS: u64 = 200;

/// An aggregate whose refusals have codes.
pub(crate) trait Refuses: Aggregate {
    /// The code of a refusal, and the field that it is about.
    fn code(refusal: &Self::Refusal) -> (Code, Option<&'static str>);
}

impl Refuses for MainList {
    fn code(refusal: &MainListRefusal) -> (Code, Option<&'static str>) {
        match refusal {
            MainListRefusal::InitConflict => (Code::Conflict, None),
            MainListRefusal::Uninitialized => (Code::Precondition, None),
            MainListRefusal::UnknownRegistry => (Code::NotFound, Some("name")),
            MainListRefusal::TooManyRegistries => (Code::LimitReached, None),
        }
    }
}

impl Refuses for Registry {
    fn code(refusal: &RegistryRefusal) -> (Code, Option<&'static str>) {
        match refusal {
            RegistryRefusal::Uninitialized => (Code::NotFound, Some("registry")),
            RegistryRefusal::InitConflict => (Code::Conflict, Some("name")),
            RegistryRefusal::RootConflict { .. } => (Code::Conflict, Some("global_root")),
            RegistryRefusal::TooManyRoots | RegistryRefusal::TooManyRepos => {
                (Code::LimitReached, None)
            }
            RegistryRefusal::UnknownRoot => (Code::NotFound, Some("global_path")),
            RegistryRefusal::UnknownRepo => (Code::NotFound, Some("repo")),
            RegistryRefusal::RepoConflict { .. } => (Code::Conflict, Some("global_path")),
            RegistryRefusal::RepoIdInUse => (Code::Conflict, Some("repo")),
            RegistryRefusal::ParentRepoImmutable => (Code::Precondition, Some("global_path")),
            RegistryRefusal::HostPathTooLong => (Code::InvalidField, Some("global_path")),
            RegistryRefusal::PermitOutdated { .. } => (Code::Busy, None),
        }
    }
}

impl Refuses for Repo {
    fn code(refusal: &RepoRefusal) -> (Code, Option<&'static str>) {
        match refusal {
            RepoRefusal::Uninitialized => (Code::NotFound, Some("repo")),
            RepoRefusal::InitConflict => (Code::Conflict, None),
            RepoRefusal::ClearMessageEmpty => (Code::InvalidField, Some("error_message")),
            RepoRefusal::ClearMessageMismatch => (Code::Conflict, Some("error_message")),
        }
    }
}

impl Refuses for Reservation {
    fn code(refusal: &ReservationRefusal) -> (Code, Option<&'static str>) {
        match refusal {
            ReservationRefusal::Taken => (Code::Conflict, Some("repo")),
        }
    }
}

impl Refuses for WorkLane {
    fn code(refusal: &WorkRefusal) -> (Code, Option<&'static str>) {
        match refusal {
            WorkRefusal::Busy => (Code::Busy, None),
            WorkRefusal::RequestIdTaken(_) => (Code::Conflict, Some("command_id")),
            WorkRefusal::UnknownRequest(_) => (Code::NotFound, Some("request")),
            WorkRefusal::NotDue(_)
            | WorkRefusal::NotStarted(_)
            | WorkRefusal::OtherInHand(_)
            | WorkRefusal::NothingDue
            | WorkRefusal::EpochMoved { .. } => (Code::Conflict, None),
        }
    }
}

/// A command that was not carried out.
pub(crate) fn execute<A: Refuses>(error: ExecuteError<A>) -> Failure {
    match error {
        ExecuteError::Refused(refusal) => {
            let (code, field) = A::code(&refusal);
            let details = Details {
                field: field.map(str::to_owned),
                retry_after_ms: (code == Code::Busy).then_some(RETRY_AFTER_MS),
                ..Details::default()
            };
            Failure {
                code,
                message: refusal.to_string(),
                details,
            }
        }
        ExecuteError::VersionConflict { stored, expected } => Failure {
            code: Code::VersionConflict,
            message: format!("version conflict: stored VID {stored} != expected VID {expected}"),
            details: Details {
                stored_vid: Some(stored.to_string()),
                ..Details::default()
            },
        },
        ExecuteError::Busy => busy("too many commands on this aggregate at once"),
        ExecuteError::Unavailable { reason } => Failure::new(
            Code::Unavailable,
            format!("the journal cannot store at this moment: {reason}"),
        ),
        ExecuteError::Unknown { reason } => Failure::new(
            Code::OutcomeUnknown,
            format!("the outcome is unknown ({reason}); ask fso.get.outcome with the command_id"),
        ),
        ExecuteError::Rejected { reason } => {
            tracing::error!(reason, "the journal refused a commit");
            Failure::new(
                Code::Internal,
                format!("the journal refused the commit: {reason}"),
            )
        }
        ExecuteError::Load(error) => load(error),
    }
}

/// An aggregate that could not be loaded.
pub(crate) fn load(error: LoadError) -> Failure {
    if error.is_transient() {
        return Failure::new(Code::Unavailable, error.to_string());
    }
    tracing::error!(%error, "an aggregate cannot be loaded");
    Failure::new(
        Code::Internal,
        format!("{error}; an operator must look at the journal"),
    )
}

/// A journal that could not be read.
pub(crate) fn read(fault: ReadFault) -> Failure {
    load(LoadError::Read(fault))
}

/// Too much at once.
pub(crate) fn busy(message: &str) -> Failure {
    Failure {
        code: Code::Busy,
        message: format!("{message}; try again in {RETRY_AFTER_MS} ms"),
        details: Details {
            retry_after_ms: Some(RETRY_AFTER_MS),
            ..Details::default()
        },
    }
}
