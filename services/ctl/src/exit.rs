//! The exit status of the process: a small closed list that scripts can rely on.

use std::process::ExitCode;

use nogfso_contract::Code;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for was done.
    Done,
    /// The work failed or was cancelled, nobody could do it now, or there is no connection.
    Failed,
    /// The command line, or a field of the request, is wrong.
    Usage,
    /// It was understood and refused; a repeat as it stands is refused again.
    Refused,
    /// It did not finish in time, or its outcome is not known.
    Open,
    /// Ctrl-C while waiting; the work goes on.
    Interrupted,
}

/// The paragraph about the exit status in the help.
pub const HELP: &str = "\
Exit status:
    0  done
    1  failed: the work failed or was cancelled, nobody can do it now, or there is no connection
    2  usage: the command line or a field of the request is wrong
    3  refused: denied, not found, in conflict, of another version, over a limit
    4  open: not finished in time, or it is not known what became of it
  130  interrupted while waiting; the work goes on";

impl Exit {
    /// The status that an error code of the gateway leads to.
    #[must_use]
    pub const fn of(code: Code) -> Self {
        match code {
            Code::Malformed | Code::InvalidField | Code::TooLarge | Code::Unsupported => {
                Self::Usage
            }
            Code::Denied
            | Code::NotFound
            | Code::Conflict
            | Code::Precondition
            | Code::VersionConflict
            | Code::InitDenied
            | Code::LimitReached => Self::Refused,
            Code::TimedOut | Code::OutcomeUnknown => Self::Open,
            Code::WorkFailed
            | Code::Cancelled
            | Code::Busy
            | Code::HostUnavailable
            | Code::Unavailable
            | Code::Internal => Self::Failed,
        }
    }

    /// The number that the shell sees.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Open => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, HELP};
    use nogfso_contract::Code;

    #[test]
    fn every_code_has_its_status() {
        let statuses: Vec<(Code, u8)> = Code::ALL
            .into_iter()
            .map(|code| (code, Exit::of(code).status()))
            .collect();
        assert_eq!(
            statuses,
            [
                (Code::Malformed, 2),
                (Code::InvalidField, 2),
                (Code::TooLarge, 2),
                (Code::Unsupported, 2),
                (Code::Denied, 3),
                (Code::NotFound, 3),
                (Code::Conflict, 3),
                (Code::Precondition, 3),
                (Code::VersionConflict, 3),
                (Code::InitDenied, 3),
                (Code::LimitReached, 3),
                (Code::WorkFailed, 1),
                (Code::Cancelled, 1),
                (Code::Busy, 1),
                (Code::HostUnavailable, 1),
                (Code::Unavailable, 1),
                (Code::TimedOut, 4),
                (Code::OutcomeUnknown, 4),
                (Code::Internal, 1),
            ]
        );
    }

    #[test]
    fn the_help_tells_every_status() {
        for exit in [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Refused,
            Exit::Open,
            Exit::Interrupted,
        ] {
            assert!(
                HELP.contains(&format!("{:>3}  ", exit.status())),
                "{exit:?}"
            );
        }
    }
}
