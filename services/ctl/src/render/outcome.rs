//! What became of a command.

use nogfso_contract::query::OutcomeFound;

use super::{Fields, Look, Render};

impl Render for OutcomeFound {
    fn text(&self, look: &Look) -> String {
        let fields = Fields::default().with("stored", self.stored);
        let Some(commit) = &self.commit else {
            return fields.0;
        };
        let rows = commit.events.iter();
        let rows = rows.map(|event| {
            [
                event.event.clone(),
                event.id.clone(),
                look.time(&event.etime),
            ]
        });
        fields
            .with("commit", &commit.commit)
            .with("aggregate", &commit.aggregate)
            .with("actor", &commit.actor)
            .with_some("vid", commit.vid.as_ref())
            .with_table("events", ["EVENT", "ID", "TIME"], rows.collect())
    }
}
