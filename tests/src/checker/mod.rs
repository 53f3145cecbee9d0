//! An independent judge of a journal: reads the streams raw, and says what does not fit together.
//!
//! It shares no code with the services: names, encoding, chain and folds are written anew here, over plain JSON, so that a
//! mistake of theirs is not one of the judge's too. What it knows beside the journal is what clients were told
//! ([`promises`]) and what queries answer ([`answers`]).
//!
//! | what must hold | where |
//! | --- | --- |
//! | bytes, hash, link to the commit before, ids that are used once | [`chain`] |
//! | registries, roots and repos follow from each other | [`registries`] |
//! | epochs rise, only the holder of a claim writes, each request ends once | [`lane`] |
//! | what was worked out is carried to its repo once | [`repos`] |
//! | what was acknowledged is there once, what was refused is not | [`promises`] |
//! | queries answer what the history says | [`answers`] |

pub(crate) mod answers;
mod chain;
mod commit;
mod complaint;
mod lane;
pub(crate) mod promises;
pub(crate) mod raw;
mod registries;
mod repos;

use std::collections::BTreeMap;

use answers::Answers;
use commit::Commit;
use promises::Promise;
use raw::Raw;

pub(crate) use complaint::{Complaint, Kind};

#[cfg(test)]
mod tests;

/// The streams of the journal.
pub(crate) const STREAMS: [&str; 3] = ["FSO_REGISTRY", "FSO_REPO", "FSO_WORK"];
/// The one whose histories may have been cut below a commit that carries the whole state.
const CUT_STREAM: &str = "FSO_WORK";

/// What the judge looks at.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Every message of [`STREAMS`], each stream in its order.
    pub(crate) messages: Vec<Raw>,
    /// What clients were told.
    pub(crate) promises: Vec<Promise>,
    /// What queries answer when nothing moves any more; none are compared if there are none.
    pub(crate) answers: Answers,
}

/// What the judge has to say.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What does not fit; empty if all is well.
    pub(crate) complaints: Vec<Complaint>,
    /// How much there was to look at.
    pub(crate) counts: BTreeMap<&'static str, usize>,
}

/// The commits by aggregate, each in the order of its history.
type Histories<'a> = BTreeMap<&'a str, Vec<&'a Commit>>;

/// Looks at everything.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let mut complaints = Vec::new();
    let mut commits = Vec::new();
    for raw in &evidence.messages {
        match commit::decode(raw) {
            Ok(commit) => commits.push(commit),
            Err(complaint) => complaints.push(complaint),
        }
    }
    let mut histories = Histories::new();
    for commit in &commits {
        histories.entry(&commit.subject).or_default().push(commit);
    }
    chain::check(&evidence.messages, &commits, &histories, &mut complaints);
    let registries = registries::fold(&histories, &mut complaints);
    let lanes = lane::fold(&histories, &mut complaints);
    let repos = repos::fold(&histories, &mut complaints);
    registries::check_begun(&registries, &repos, &mut complaints);
    repos::check_carried(&repos, &lanes, &mut complaints);
    let known = promises::Known {
        histories: &histories,
        registries: &registries,
        lanes: &lanes,
    };
    promises::check(&evidence.promises, &known, &mut complaints);
    answers::check_ends(&evidence.answers, &lanes, &mut complaints);
    answers::check(&evidence.answers, &registries, &repos, &mut complaints);
    let counts = BTreeMap::from([
        ("messages", evidence.messages.len()),
        (
            "events",
            commits.iter().map(|commit| commit.events.len()).sum(),
        ),
        ("aggregates", histories.len()),
        ("repos", repos.len()),
        ("lanes", lanes.len()),
        (
            "requests",
            lanes.values().map(lane::Lane::request_count).sum(),
        ),
        ("promises", evidence.promises.len()),
        ("answers", evidence.answers.count()),
    ]);
    Verdict { complaints, counts }
}
