//! What was done and what came of it, to be printed.

use std::collections::BTreeMap;

/// Counts by kind and outcome.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<(String, String), u64>);

impl Tally {
    pub(crate) fn note(&mut self, kind: &str, outcome: &str) {
        *self
            .0
            .entry((kind.to_owned(), outcome.to_owned()))
            .or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (key, count) in other.0 {
            *self.0.entry(key).or_default() += count;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many ended so, of whatever kind.
    pub(crate) fn of_outcome(&self, outcome: &str) -> u64 {
        let found = self.0.iter().filter(|((_, ended), _)| ended == outcome);
        found.map(|(_, count)| count).sum()
    }

    /// A line for each kind.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((kind, outcome), count) in &self.0 {
            let outcomes = lines.entry(kind).or_default();
            outcomes.push(format!("{outcome} {count}"));
        }
        let line =
            |(kind, outcomes): (&str, Vec<String>)| format!("{kind}: {}", outcomes.join(", "));
        lines.into_iter().map(line).collect()
    }
}
