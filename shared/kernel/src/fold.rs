//! The fold of a history.

use crate::{Aggregate, Position, Recorded, Vid};

/// A state together with the version that it has.
#[derive(Debug)]
pub struct Folded<A: Aggregate> {
    /// What the history amounts to.
    pub state: A::State,
    /// The id of the last event.
    pub vid: Vid,
}

impl<A: Aggregate> Clone for Folded<A> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            vid: self.vid,
        }
    }
}

impl<A: Aggregate> Default for Folded<A> {
    fn default() -> Self {
        Self {
            state: A::State::default(),
            vid: Vid::EPOCH,
        }
    }
}

/// Applies the events of one commit, stored at `at`.
///
/// # Errors
///
/// Fails as [`Aggregate::evolve`] does.
pub fn fold_events<A: Aggregate>(
    folded: Folded<A>,
    events: &[Recorded<A::Event>],
    at: Position,
) -> Result<Folded<A>, A::Broken> {
    let Folded { mut state, mut vid } = folded;
    for recorded in events {
        state = A::evolve(state, recorded)?;
        vid = recorded.id.into();
    }
    Ok(Folded {
        state: A::committed(state, events, at),
        vid,
    })
}
