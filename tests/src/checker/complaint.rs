//! What the judge complains about.

use std::fmt;

/// What kind of complaint it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The bytes are no commit.
    Unreadable,
    /// The commit does not have the hash that it names.
    WrongHash,
    /// The commit stands on another subject than its own.
    WrongAggregate,
    /// Sequences do not rise.
    OutOfOrder,
    /// The commit does not name the one before it as the one before it.
    BrokenLink,
    /// The commit before it is not there, and it does not carry the whole state.
    NoPredecessor,
    /// The id of a commit was used before.
    RepeatedCommit,
    /// The id of an event was used before.
    RepeatedEvent,
    /// The event cannot follow what is there.
    Impossible,
    /// The epoch of a claim is not above all before.
    EpochNotAbove,
    /// One wrote who did not hold the claim.
    NotTheHolder,
    /// A request ended again.
    FinishedTwice,
    /// Something was begun, has not ended, and nothing says what it waits for.
    Unfinished,
    /// A commit that carries the whole state carries another.
    StateDiffers,
    /// A result never reached its repo.
    NotCarried,
    /// A result reached its repo more than once.
    CarriedTwice,
    /// The repo has a result that nobody had.
    Unfounded,
    /// Something that was acknowledged is not there.
    LostPromise,
    /// A command was carried out more than once.
    DoubledCommand,
    /// Something that was refused is there.
    RefusedButStored,
    /// A query answers otherwise than the history.
    AnswerDiffers,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) kind: Kind,
    /// The aggregate, with the sequence of a commit if there is one.
    pub(crate) place: String,
    pub(crate) what: String,
}

impl Complaint {
    pub(crate) fn new(kind: Kind, place: impl fmt::Display, what: impl fmt::Display) -> Self {
        Self {
            kind,
            place: place.to_string(),
            what: what.to_string(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {}: {}", self.kind, self.place, self.what)
    }
}
