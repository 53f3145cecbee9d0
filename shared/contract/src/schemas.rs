//! The JSON Schemas of everything on the wire, as they stand in `schemas/`.

use nogfso_domain::main_list::MainListEvent;
use nogfso_domain::registry::RegistryEvent;
use nogfso_domain::repo::RepoEvent;
use nogfso_domain::reservation::ReservationEvent;
use nogfso_domain::work::WorkEvent;
use schemars::{JsonSchema, Schema, schema_for};

use crate::{Call, Failure, command, event, host, presence, progress, query};

/// A schema and the file that holds it, relative to `schemas/`.
pub type Named = (String, Schema);

/// All schemas, ordered by file.
#[must_use]
pub fn all() -> Vec<Named> {
    let mut all = vec![];
    commands(&mut all);
    queries(&mut all);
    all.push(("error.json".to_owned(), schema_for!(Failure)));
    all.push((
        "feed-commit.json".to_owned(),
        schema_for!(event::FeedCommit),
    ));
    all.push(("progress.json".to_owned(), schema_for!(progress::Progress)));
    all.push(("presence.json".to_owned(), schema_for!(presence::Presence)));
    all.push(("host.may-init.json".to_owned(), schema_for!(host::MayInit)));
    all.push((
        "host.may-init.reply.json".to_owned(),
        schema_for!(host::MayInitReply),
    ));
    all.push(("event.id.json".to_owned(), schema_for!(ReservationEvent)));
    all.push(("event.main.json".to_owned(), schema_for!(MainListEvent)));
    all.push(("event.registry.json".to_owned(), schema_for!(RegistryEvent)));
    all.push(("event.repo.json".to_owned(), schema_for!(RepoEvent)));
    all.push(("event.work.json".to_owned(), schema_for!(WorkEvent)));
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

fn commands(all: &mut Vec<Named>) {
    add::<command::InitRegistry>(all);
    add::<command::InitRoot>(all);
    add::<command::InitRepo>(all);
    add::<command::ClearError>(all);
    add::<command::Stat>(all);
    add::<command::CancelRequest>(all);
    add::<command::RetryParked>(all);
    add::<command::SkipParked>(all);
}

fn queries(all: &mut Vec<Named>) {
    add::<query::GetRegistries>(all);
    add::<query::GetRegistry>(all);
    add::<query::GetRoots>(all);
    add::<query::GetRoot>(all);
    add::<query::GetRepos>(all);
    add::<query::GetRepo>(all);
    add::<query::GetEvents>(all);
    add::<query::GetRequest>(all);
    add::<query::GetOutcome>(all);
    add::<query::GetWorkers>(all);
    add::<query::GetParked>(all);
}

fn add<C: Call>(all: &mut Vec<Named>) {
    let name = C::SUBJECT.strip_prefix("fso.").unwrap_or(C::SUBJECT);
    all.push((format!("{name}.json"), schema::<C>()));
    all.push((format!("{name}.reply.json"), schema::<C::Reply>()));
}

fn schema<T: JsonSchema>() -> Schema {
    schema_for!(T)
}
