//! One aggregate: its chain, and every state that it ever had.

use nogfso_journal::log::Stored;
use nogfso_journal::{Commit, Hash};
use nogfso_kernel::{Aggregate, CommitId, Folded, Position, Vid, fold_events};

use super::super::verdict::{Invariant, Violation};

/// A span of time, from a moment until now.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Span {
    pub(super) from: u64,
}

/// The history of one aggregate.
pub(in super::super) struct History<A: Aggregate> {
    /// Each state with the moment from which on it was.
    states: Vec<(u64, Folded<A>)>,
    /// The commits that led to them.
    chain: Vec<(Position, CommitId, Hash)>,
}

impl<A: Aggregate> Default for History<A> {
    fn default() -> Self {
        Self {
            states: vec![(0, Folded::default())],
            chain: vec![],
        }
    }
}

impl<A: Aggregate> History<A> {
    /// Takes in the commit that was just stored.
    pub(super) fn take_in(
        &mut self,
        stored: &Stored,
        moment: u64,
    ) -> Result<Commit<A::Event>, Violation> {
        let broken = |why: String| {
            let seen = format!("{} {}: {why}", stored.subject, stored.position);
            Violation::of(Invariant::Chain, seen)
        };
        let commit = Commit::<A::Event>::decode(&stored.payload, stored.position)
            .map_err(|error| broken(error.to_string()))?;
        let previous = commit.envelope.previous;
        let previous = previous.map(|previous| (previous.position, previous.commit, previous.hash));
        if previous != self.chain.last().copied() {
            let last = self.chain.last();
            return Err(broken(format!("{previous:?} is not {last:?}")));
        }
        let own = commit.as_previous();
        self.chain.push((own.position, own.commit, own.hash));
        let folded = fold_events(self.folded().clone(), &commit.recorded(), stored.position)
            .map_err(|error| broken(error.to_string()))?;
        self.states.push((moment, folded));
        Ok(commit)
    }

    fn folded(&self) -> &Folded<A> {
        let (_, newest) = self.states.last().expect("it begins with one");
        newest
    }

    /// Forgets the last commit, which the journal lost. A late copy of it may be stored anew.
    pub(super) fn forget_last(&mut self) -> Option<CommitId> {
        let (_, commit, _) = self.chain.pop()?;
        self.states.pop();
        Some(commit)
    }

    /// The state as it is.
    pub(in super::super) fn now(&self) -> &A::State {
        &self.folded().state
    }

    /// Whether something was so at some moment of `span`.
    pub(in super::super) fn ever(
        &self,
        span: Span,
        is_so: impl Fn(&A::State, Vid) -> bool,
    ) -> bool {
        let later = self.states.iter().skip(1).map(|(moment, _)| *moment);
        let ends = later.chain([u64::MAX]);
        let mut within = self
            .states
            .iter()
            .zip(ends)
            .filter(|(_, end)| *end > span.from);
        within.any(|((_, folded), _)| is_so(&folded.state, folded.vid))
    }
}
