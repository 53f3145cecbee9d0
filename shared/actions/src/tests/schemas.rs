//! Stored values under the schemas of today's code (V4, C11, and job data).

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fake::{Bench, Fake, World};
use crate::attempt::Phase;
use crate::error::{Unloadable, Wish};
use crate::plan::Schema;
use crate::value::{DATA_MISMATCH, Tagged, UNENCODABLE};
use crate::{
    Action, ActionRef, Job, JobCx, JobError, JobExt, JobName, JobResult, NotNeeded, RegisterError,
    Registry, RegistryBuilder, Tag,
};

#[derive(Serialize, Deserialize)]
struct Seconds(u32);

#[derive(Serialize, Deserialize)]
struct Millis {
    millis: u32,
}

/// Version 3 of a job that passed on seconds, then milliseconds, then its input.
struct Wait;

impl Job<World> for Wait {
    type Input = Millis;
    type Output = Millis;
    type Undo = NotNeeded;
    const NAME: &'static str = "wait";
    const SCHEMA: u16 = 3;

    async fn execute(&self, _: &JobCx<'_, World>, input: Millis) -> JobResult<Millis> {
        Ok(input)
    }
}

fn registry() -> Registry<World> {
    let mut builder = RegistryBuilder::new();
    let action = Action::define("a").input_schema(2).then(Wait).build();
    builder.register(action.unwrap()).unwrap();
    let to_millis = |Seconds(seconds)| Millis {
        millis: seconds * 1_000,
    };
    let start = Tag::start(&ActionRef::parse(None, "a").unwrap());
    builder
        .upcast("wait", 1, to_millis)
        .and_then(|builder| builder.unchanged("wait", 2))
        .and_then(|builder| builder.upcast(start, 1, to_millis))
        .and_then(|builder| builder.upcast(Tag::data("wait", "since"), 2, to_millis))
        .unwrap();
    builder.build()
}

fn load(stored: Tagged) -> JobResult<Value> {
    let action = ActionRef::parse(None, "a").unwrap();
    let registry = registry();
    registry
        .reader(&action, NonZeroU32::MIN)
        .unwrap()
        .load(stored)
}

fn schema(version: u16) -> Schema {
    let job = JobName::parse("wait").unwrap();
    Schema { job, version }
}

fn is_parked(ended: JobResult<Value>) -> bool {
    let park = Wish::Park(Unloadable::SchemaMismatch);
    ended.is_err_and(|error| error.wish == park)
}

/// V4: from version 1 over 2 to 3.
#[test]
fn a_stored_value_is_lifted_one_version_at_a_time() {
    let today = json!({ "millis": 2_000 });
    for (version, stored) in [(1, json!(2)), (2, today.clone()), (3, today.clone())] {
        let loaded = load(Tagged::output(&schema(version), stored));
        assert_eq!(loaded.unwrap(), today, "version {version}");
    }
    let action = ActionRef::parse(None, "a").unwrap();
    assert_eq!(load(Tagged::start(&action, 1, json!(2))).unwrap(), today);
    assert_eq!(
        load(Tagged::data(&schema(2), "since", json!(2))).unwrap(),
        today
    );
}

/// C11: a value for which the code has no way is parked for, and nothing is undone.
#[test]
fn a_value_without_a_way_to_the_schema_of_the_code_is_parked_for() {
    for stored in [
        // Newer than the code.
        Tagged::output(&schema(4), json!(1)),
        // Not what version 1 was.
        Tagged::output(&schema(1), json!("two")),
        // No upcaster for this part.
        Tagged::input(&schema(2), json!(1)),
        Tagged::returned(&schema(2), json!(1)),
        Tagged::data(&schema(2), "other", json!(1)),
        // No such job.
        Tagged::output(
            &Schema {
                job: JobName::parse("gone").unwrap(),
                version: 1,
            },
            json!(1),
        ),
    ] {
        let what = format!("{stored:?}");
        assert!(is_parked(load(stored)), "{what}");
    }
}

#[test]
fn a_second_upcaster_from_the_same_version_is_refused() {
    let mut builder = RegistryBuilder::<World>::new();
    builder.unchanged("wait", 1).unwrap();
    let again = builder.upcast("wait", 1, |n: u32| n).unwrap_err();
    let tag = Tag::output("wait");
    assert_eq!(again, RegisterError::UpcasterExists { tag, from: 1 });
}

#[tokio::test]
async fn an_input_that_does_not_decode_is_parked_for() {
    let bench = Bench::of(Action::define("a").then(Wait).build().unwrap());
    let attempt = Fake::of(&bench.plan().jobs[0], Phase::Execute);
    assert!(is_parked(bench.execute(&attempt, json!("soon")).await));
}

/// Reads what it kept as another type than it kept it.
struct Forget;

impl Job<World> for Forget {
    type Input = ();
    type Output = ();
    type Undo = NotNeeded;
    const NAME: &'static str = "forget";

    async fn execute(&self, cx: &JobCx<'_, World>, (): ()) -> JobResult<()> {
        assert_eq!(cx.get_data::<u32>("made").await?, None);
        cx.put_data("made", &7_u32).await?;
        assert_eq!(cx.get_data::<u32>("made").await?, Some(7));
        cx.get_data::<String>("made").await.map(drop)
    }
}

#[tokio::test]
async fn data_read_as_another_type_fails_for_good() {
    let bench = Bench::of(Action::define("a").then(Forget).build().unwrap());
    let failure = bench.run(Value::Null).await.failure.unwrap();
    assert_eq!(failure.view().code, DATA_MISMATCH);
    assert_eq!(failure.wish, Wish::Terminal);
}

/// Passes on what JSON has no form for.
struct Huge;

impl Job<World> for Huge {
    type Input = ();
    type Output = u128;
    type Undo = NotNeeded;
    const NAME: &'static str = "huge";

    async fn execute(&self, _: &JobCx<'_, World>, (): ()) -> JobResult<u128> {
        Ok(u128::MAX)
    }
}

#[tokio::test]
async fn an_output_without_json_fails_for_good() {
    let bench = Bench::of(Action::define("a").then(Huge).build().unwrap());
    let failure: JobError = bench.run(Value::Null).await.failure.unwrap();
    assert_eq!(failure.view().code, UNENCODABLE);
    assert_eq!(failure.wish, Wish::Terminal);
}

#[test]
fn two_versions_of_one_job_do_not_fit_into_an_action() {
    struct Old;
    impl Job<World> for Old {
        type Input = Millis;
        type Output = Millis;
        type Undo = NotNeeded;
        const NAME: &'static str = "wait";
        async fn execute(&self, _: &JobCx<'_, World>, input: Millis) -> JobResult<Millis> {
            Ok(input)
        }
    }
    let action = Action::define("a").then(Old.renamed("old")).then(Wait);
    let wait = JobName::parse("wait").unwrap();
    assert_eq!(
        action.build().unwrap_err(),
        crate::DefinitionError::TwoSchemas(wait)
    );
}
