//! Links and ids.

use std::collections::{BTreeMap, BTreeSet};

use super::commit::Commit;
use super::complaint::{Complaint, Kind};
use super::raw::Raw;
use super::{CUT_STREAM, Histories};

/// Looks at the order of each stream, the chain of each aggregate, and ids across all of them.
pub(super) fn check(
    messages: &[Raw],
    commits: &[Commit],
    histories: &Histories<'_>,
    complaints: &mut Vec<Complaint>,
) {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for raw in messages {
        let before = newest.insert(&raw.stream, raw.sequence);
        if before.is_some_and(|before| before >= raw.sequence) {
            let place = format!("{} {}", raw.subject, raw.sequence);
            complaints.push(Complaint::new(
                Kind::OutOfOrder,
                place,
                "the one before has a sequence that is not lower",
            ));
        }
    }
    for history in histories.values() {
        links(history, complaints);
    }
    let (mut ids, mut events) = (BTreeSet::new(), BTreeSet::new());
    for commit in commits {
        if !ids.insert(&commit.id) {
            complaints.push(Complaint::new(
                Kind::RepeatedCommit,
                commit.place(),
                &commit.id,
            ));
        }
        for event in &commit.events {
            if !events.insert(&event.id) {
                complaints.push(Complaint::new(
                    Kind::RepeatedEvent,
                    commit.place(),
                    &event.id,
                ));
            }
        }
    }
}

fn links(history: &[&Commit], complaints: &mut Vec<Complaint>) {
    let mut before: Option<&Commit> = None;
    for &commit in history {
        if let Some((kind, what)) = fault(before, commit) {
            complaints.push(Complaint::new(kind, commit.place(), what));
        }
        before = Some(commit);
    }
}

fn fault(before: Option<&Commit>, commit: &Commit) -> Option<(Kind, String)> {
    let may_be_cut = commit.stream == CUT_STREAM && commit.is_whole();
    match (before, &commit.previous) {
        (None, None) => None,
        (None, Some(_)) if may_be_cut => None,
        (None, Some(link)) => Some((
            Kind::NoPredecessor,
            format!("{} at {} is gone", link.commit, link.position),
        )),
        (Some(before), Some(link))
            if link.position == before.sequence
                && link.commit == before.id
                && *link.hash == before.hash =>
        {
            None
        }
        (Some(before), Some(link)) if link.position > before.sequence => Some((
            Kind::NoPredecessor,
            format!(
                "{} at {} is gone; before it stands {} at {}",
                link.commit, link.position, before.id, before.sequence
            ),
        )),
        (Some(before), link) => Some((
            Kind::BrokenLink,
            format!(
                "names {link:?}, but {} at {} stands before it",
                before.id, before.sequence
            ),
        )),
    }
}
