//! Why a command did not do what was asked, and what the operator can do about it.

use nogfso_bus::{BusError, RequestError};
use nogfso_contract::{Code, Failure};
use nogfso_domain::work::FailureCode;

use crate::exit::Exit;

/// Everything that keeps a command from its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The gateway answered with an error.
    #[error("{0}")]
    Answered(Box<Failure>),
    /// A command may or may not have been carried out.
    #[error("{reason}; it may have been carried out")]
    OutcomeUnknown {
        /// Why it is not known.
        reason: String,
        /// The arguments that ask for the outcome, if the command carried an id.
        asks: Option<String>,
    },
    /// Nobody serves the subject.
    #[error("no gateway answers; is `nogfso up` running?")]
    NoGateway,
    /// A question got no answer in time.
    #[error("no reply on {subject} within {waited_ms} ms")]
    NoReply {
        /// What was asked.
        subject: String,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// There is no server to ask.
    #[error("{0}")]
    NotConnected(String),
    /// The answer is not what this program knows.
    #[error("the answer on {subject} is not understood: {reason}")]
    Unreadable {
        /// What was asked.
        subject: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// Events are missing in the answer.
    #[error("event {found} does not follow {after}: the gateway's answer has a gap")]
    EventGap {
        /// The last event that was shown.
        after: String,
        /// The event that came next.
        found: String,
    },
    /// What the operator typed cannot be.
    #[error("{0}")]
    Usage(String),
    /// Ctrl-C while waiting for work.
    #[error("detached; the work goes on")]
    Detached {
        /// The arguments that wait for it again.
        reattach: String,
    },
    /// Ctrl-C while watching.
    #[error("stopped")]
    Stopped,
    /// The output cannot be written.
    #[error("cannot write the output")]
    Output(#[from] std::io::Error),
}

impl Trouble {
    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Answered(failure) => Exit::of(failure.code),
            Self::OutcomeUnknown { .. } | Self::NoReply { .. } => Exit::Open,
            Self::NoGateway | Self::NotConnected(_) => Exit::Failed,
            Self::Unreadable { .. } | Self::EventGap { .. } => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::Detached { .. } | Self::Stopped => Exit::Interrupted,
            Self::Output(_) if self.is_silent() => Exit::Done,
            Self::Output(_) => Exit::Failed,
        }
    }

    /// Whether there is nobody, or no need, to tell it to.
    pub(crate) fn is_silent(&self) -> bool {
        match self {
            Self::Output(error) => error.kind() == std::io::ErrorKind::BrokenPipe,
            Self::Stopped => true,
            Self::Answered(_)
            | Self::OutcomeUnknown { .. }
            | Self::NoGateway
            | Self::NoReply { .. }
            | Self::NotConnected(_)
            | Self::Unreadable { .. }
            | Self::EventGap { .. }
            | Self::Usage(_)
            | Self::Detached { .. } => false,
        }
    }

    /// Whether the operator brought it about.
    pub(crate) fn is_wanted(&self) -> bool {
        matches!(self, Self::Detached { .. } | Self::Stopped)
    }

    /// Whether the same question can be answered a little later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Answered(failure) => {
                matches!(
                    failure.code,
                    Code::Busy | Code::Unavailable | Code::TimedOut
                )
            }
            Self::NoGateway | Self::NoReply { .. } | Self::NotConnected(_) => true,
            Self::OutcomeUnknown { .. }
            | Self::Unreadable { .. }
            | Self::EventGap { .. }
            | Self::Usage(_)
            | Self::Detached { .. }
            | Self::Stopped
            | Self::Output(_) => false,
        }
    }

    /// The trouble as a program reads it.
    pub(crate) fn failure(&self) -> Failure {
        let code = match self {
            Self::Answered(failure) => return failure.as_ref().clone(),
            Self::OutcomeUnknown { .. } => Code::OutcomeUnknown,
            Self::NoGateway | Self::NotConnected(_) => Code::Unavailable,
            Self::NoReply { .. } | Self::Detached { .. } | Self::Stopped => Code::TimedOut,
            Self::Unreadable { .. } | Self::EventGap { .. } | Self::Output(_) => Code::Internal,
            Self::Usage(_) => Code::InvalidField,
        };
        Failure::new(code, self.to_string())
    }

    /// What to do next, if there is something to say.
    pub(crate) fn advice(&self) -> Option<String> {
        match self {
            Self::Answered(failure) => advice_on(failure),
            Self::OutcomeUnknown {
                asks: Some(asks), ..
            } => Some(format!("ask with: nogfsoctl {asks}")),
            Self::OutcomeUnknown { asks: None, .. } => {
                Some("repeat the command: what was done is not done twice".to_owned())
            }
            Self::NoGateway | Self::NotConnected(_) => Some(
                "`--context` or NATS_CONTEXT names where to connect; `nogfso up` prints it"
                    .to_owned(),
            ),
            Self::NoReply { .. } => Some("try again, or wait longer with --timeout".to_owned()),
            Self::Unreadable { .. } => {
                Some("use the nogfsoctl that came with the gateway".to_owned())
            }
            Self::Detached { reattach } => Some(format!("wait for it with: nogfsoctl {reattach}")),
            Self::EventGap { after, .. } => Some(format!(
                "try again with --after={after}; if it stays, the journal needs a look"
            )),
            Self::Usage(_) | Self::Stopped | Self::Output(_) => None,
        }
    }
}

impl From<RequestError> for Trouble {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NoResponder { .. } => Self::NoGateway,
            RequestError::TimedOut { subject, waited_ms } => Self::NoReply { subject, waited_ms },
            RequestError::Bus(error) => Self::from(error),
        }
    }
}

impl From<BusError> for Trouble {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Disconnected => Self::NotConnected("the server is gone".to_owned()),
            BusError::Refused { reason } => Self::Usage(reason),
        }
    }
}

fn advice_on(failure: &Failure) -> Option<String> {
    let details = &failure.details;
    match failure.code {
        Code::HostUnavailable => Some(
            "start nogfsostad for that host; `nogfsoctl workers` shows which are there".to_owned(),
        ),
        Code::TimedOut => match (details.repo.as_ref(), details.request.as_ref()) {
            (Some(repo), Some(request)) => Some(format!(
                "the work goes on; wait for it with: nogfsoctl request get --wait {repo} {request}"
            )),
            (Some(repo), None) => Some(format!(
                "the work goes on; look with: nogfsoctl get repo {repo}"
            )),
            (None, Some(_) | None) => Some("repeat the command to see how far it is".to_owned()),
        },
        Code::Busy => Some(match details.retry_after_ms {
            Some(ms) => format!("try again in {} s", ms.div_ceil(1_000)),
            None => "try again a little later".to_owned(),
        }),
        Code::Unavailable => Some("nothing was changed; try again".to_owned()),
        Code::OutcomeUnknown => {
            Some("repeat the command: what was done is not done twice".to_owned())
        }
        Code::VersionConflict => details.stored_vid.as_ref().map(|vid| {
            format!("look at what changed, then repeat with --vid={vid} or without --vid")
        }),
        Code::Denied => Some("another user may be allowed: `--context` names who asks".to_owned()),
        Code::WorkFailed => advice_on_work(failure),
        Code::Malformed | Code::Unsupported => {
            Some("use the nogfsoctl that came with the gateway".to_owned())
        }
        Code::InvalidField
        | Code::TooLarge
        | Code::NotFound
        | Code::Conflict
        | Code::Precondition
        | Code::InitDenied
        | Code::LimitReached
        | Code::Cancelled
        | Code::Internal => None,
    }
}

fn advice_on_work(failure: &Failure) -> Option<String> {
    let emptied = [FailureCode::RealdirEmptied, FailureCode::RealdirMoved].map(FailureCode::as_str);
    let work_code = failure.details.work_code.as_deref();
    if work_code.is_some_and(|code| emptied.contains(&code)) {
        return Some("if this is on purpose, stat again with --confirm-emptied".to_owned());
    }
    let repo = failure.details.repo.as_ref()?;
    Some(format!("details: nogfsoctl get repo {repo}"))
}
