//! Provisions a database for a tenant: a name is chosen, the database is made, access is granted, the tables are set up.
//!
//! Whatever fails, nothing is left behind: each undo looks for what it is to remove by the key that execute gave to it, and
//! leaves word that the key is dead, so that an execute that comes late finds it refused.

#![expect(
    clippy::print_stdout,
    reason = "an example shows what it has on the terminal"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nogfso_actions::{
    Action, ActionKey, Handled, IdempotencyKey, Job, JobCx, JobError, JobExt, JobResult, JobState,
    NotNeeded, RegistryBuilder, Rollback, RollbackCause, convert,
};
use serde::{Deserialize, Serialize};

/// The database server. Like many, it knows no idempotency keys, but things on it can be labelled.
#[derive(Default)]
struct Server {
    things: Mutex<Things>,
}

#[derive(Default)]
struct Things {
    /// Databases and grants by the key with which they were made.
    by_key: BTreeMap<String, String>,
    /// Keys under which nothing may be made any more.
    dead: BTreeSet<String>,
    /// The last migration of each database.
    migrated: BTreeMap<String, u32>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} was already undone")]
struct KeyIsDead(String);

impl Server {
    fn make(&self, key: &IdempotencyKey, what: &str) -> Result<(), KeyIsDead> {
        let mut things = self.things();
        if things.dead.contains(key.as_str()) {
            return Err(KeyIsDead(key.to_string()));
        }
        let by_key = &mut things.by_key;
        by_key.entry(key.to_string()).or_insert(what.to_owned());
        Ok(())
    }

    fn remove(&self, key: &IdempotencyKey) {
        let mut things = self.things();
        things.dead.insert(key.to_string());
        things.by_key.remove(key.as_str());
    }

    fn migrate(&self, database: &str, to: u32) {
        self.things().migrated.insert(database.to_owned(), to);
    }

    fn things(&self) -> MutexGuard<'_, Things> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    tenant: String,
}

/// What is delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Database {
    name: String,
    owner: String,
}

/// Chooses the name in a job of its own: the jobs that use it get the same one in every attempt.
struct ChooseName;

impl Job<Server> for ChooseName {
    type Input = Order;
    type Output = Database;
    type Undo = NotNeeded;
    const NAME: &'static str = "choose-name";

    async fn execute(&self, cx: &JobCx<'_, Server>, order: Order) -> JobResult<Database> {
        let owner = order.tenant;
        if owner.is_empty() {
            return Err(JobError::terminal_no_effect("a tenant has a name"));
        }
        let name = format!("{owner}-{}", cx.idempotency_key().short());
        Ok(Database { name, owner })
    }
}

struct CreateDatabase;

impl Job<Server> for CreateDatabase {
    type Input = Database;
    type Output = ();
    type Undo = Handled;
    const NAME: &'static str = "create-database";

    async fn execute(&self, cx: &JobCx<'_, Server>, database: Database) -> JobResult<()> {
        cx.resources().make(&cx.idempotency_key(), &database.name)?;
        Ok(())
    }
}

impl Rollback<Server> for CreateDatabase {
    async fn rollback(
        &self,
        cx: &JobCx<'_, Server>,
        _: &RollbackCause,
        _: JobState<Database, ()>,
    ) -> JobResult<()> {
        cx.resources().remove(&cx.execute_key());
        Ok(())
    }
}

/// Lets somebody in. It knows nothing of tenants: actions give it who and where.
struct Grant;

impl Job<Server> for Grant {
    type Input = (String, String);
    type Output = ();
    type Undo = Handled;
    const NAME: &'static str = "grant";

    async fn execute(
        &self,
        cx: &JobCx<'_, Server>,
        (who, database): (String, String),
    ) -> JobResult<()> {
        let what = format!("{who} on {database}");
        cx.resources().make(&cx.idempotency_key(), &what)?;
        Ok(())
    }
}

impl Rollback<Server> for Grant {
    async fn rollback(
        &self,
        cx: &JobCx<'_, Server>,
        _: &RollbackCause,
        _: JobState<(String, String), ()>,
    ) -> JobResult<()> {
        cx.resources().remove(&cx.execute_key());
        Ok(())
    }
}

/// Sets up the tables. They go with the database, so there is nothing to undo.
struct Migrate {
    to: u32,
}

impl Job<Server> for Migrate {
    type Input = Database;
    type Output = ();
    type Undo = NotNeeded;
    const NAME: &'static str = "migrate";

    async fn execute(&self, cx: &JobCx<'_, Server>, database: Database) -> JobResult<()> {
        cx.resources().migrate(&database.name, self.to);
        Ok(())
    }
}

type Provision = ActionKey<Order, Database>;

fn register(
    builder: &mut RegistryBuilder<Server>,
) -> Result<Provision, Box<dyn std::error::Error>> {
    let who_and_where = convert(|database: Database| Ok((database.owner, database.name)));
    let provision = Action::define("provision-database")
        .then(ChooseName)
        .then(CreateDatabase.step().tap())
        .then(Grant.step().before(who_and_where).tap())
        .then(Migrate { to: 3 }.step().tap())
        .build()?;
    Ok(builder.register(provision)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = RegistryBuilder::new();
    let provision = register(&mut builder)?;
    let registry = builder.build();
    let plan = registry.plan_for_start(provision.action())?;
    println!("{} runs:", provision.action());
    for planned in &plan.jobs {
        println!("  {} (undo: {:?})", planned.job, planned.undo);
    }
    Ok(())
}
