//! Actions and their registry (A1, A3, A6 to A14).

use std::num::NonZeroU32;

use serde_json::{Value, json};

use super::fake::{Bench, World};
use super::jobs::{Count, Counts, Double, Fail, Look, Raw, Ring, Tell};
use crate::{
    Action, ActionRef, DefinitionError, Extension, InvalidName, JobExt, JobName, JobPolicy,
    LookupError, RegisterError, RegistryBuilder, RetryPolicy, Undo,
};

fn name(application: Option<&str>, action: &str) -> ActionRef {
    ActionRef::parse(application, action).unwrap()
}

fn job(name: &'static str) -> JobName {
    JobName::parse(name).unwrap()
}

fn doubling(name: &'static str) -> Action<World, u32, u32> {
    Action::define(name).then(Double).build().unwrap()
}

/// A1.
#[test]
fn an_action_of_three_jobs_has_three_entries_in_order() {
    let action = Action::define("three")
        .then(Double)
        .then(Look.step().tap())
        .then(Ring.step().passing())
        .build()
        .unwrap();
    let plan = action.plan();
    let names: Vec<_> = plan.jobs.iter().map(|job| job.job.as_str()).collect();
    assert_eq!(names, ["double", "look", "ring"]);
    let undos: Vec<_> = plan.jobs.iter().map(|job| job.undo).collect();
    assert_eq!(undos, [Undo::NotNeeded, Undo::Handled, Undo::Handled]);
    assert_eq!(plan.revision, NonZeroU32::MIN);
}

/// A3, and what else `build` refuses.
#[test]
fn an_action_that_cannot_be_is_refused() {
    let twice = Action::define("a").then(Double).then(Double).build();
    assert_eq!(
        twice.unwrap_err(),
        DefinitionError::DuplicateJobName(job("double"))
    );
    let unnamed = Action::define("").then(Double).build();
    assert_eq!(
        unnamed.unwrap_err(),
        DefinitionError::InvalidName(InvalidName(String::new()))
    );
    let spaced = Action::define("a").then(Double.renamed("a b")).build();
    assert_eq!(
        spaced.unwrap_err(),
        DefinitionError::InvalidName(InvalidName("a b".to_owned()))
    );
    let zero = Action::define("a").revision(0).then(Double).build();
    assert!(matches!(zero, Err(DefinitionError::ZeroVersion { .. })));
    let policy = JobPolicy::default().with_execute(RetryPolicy {
        factor: 0.5,
        ..RetryPolicy::once()
    });
    let shrinking = Action::define("a")
        .then(Double.step().policy(policy))
        .build();
    assert!(matches!(
        shrinking,
        Err(DefinitionError::InvalidPolicy { job, .. }) if job.as_str() == "double"
    ));
}

/// A6.
#[tokio::test]
async fn a_job_and_its_renamed_twin_run_in_one_action() {
    let plain = Count.step();
    let other = plain.renamed("again");
    let action = Action::define("twins").then(plain).then(other);
    let bench = Bench::of(action.build().unwrap());
    let ran = bench.run(json!(Counts::default())).await;
    assert_eq!(ran.outputs[1]["execute"], 2);
    assert_eq!(bench.world.told(), ["execute count", "execute again"]);
    let schemas: Vec<_> = bench
        .plan()
        .jobs
        .iter()
        .map(|job| &job.schema.job)
        .collect();
    assert_eq!(schemas, [&job("count"), &job("count")]);
}

/// A7, A8: the same extension added to the hooks that are there, and taking their place.
#[tokio::test]
async fn an_extension_adds_hooks_or_replaces_them_and_leaves_its_base_as_it_was() {
    let base = Count.extend(
        Extension::new()
            .pre_hook(Tell("pre base"))
            .post_hook(Tell("post base")),
    );
    let more = || {
        Extension::new()
            .pre_hook(Tell("pre more"))
            .post_hook(Tell("post more"))
    };
    let added = base.extend(&more());
    let replaced = base.extend(&more().replace_pre_hooks().replace_post_hooks());
    for (step, told) in [
        (base, "pre base, execute count, post base"),
        (
            added,
            "pre base, pre more, execute count, post base, post more",
        ),
        (replaced, "pre more, execute count, post more"),
    ] {
        let bench = Bench::of(Action::define("a").then(step).build().unwrap());
        bench.run(json!(Counts::default())).await;
        assert_eq!(bench.world.told().join(", "), told);
    }
}

#[test]
fn an_extension_without_hooks_that_replaces_them_leaves_none() {
    let hooked = Count.extend(Extension::new().pre_hook(Tell("pre")));
    let bare = hooked.extend(&Extension::new().replace_pre_hooks());
    let action = Action::define("a").then(hooked).then(bare.renamed("bare"));
    let plan = action.build().unwrap().plan().clone();
    assert!(plan.jobs[0].has_pre_hooks);
    assert!(!plan.jobs[1].has_pre_hooks);
}

/// A9, A13.
#[test]
fn a_taken_name_is_refused_and_the_first_stays() {
    let mut builder = RegistryBuilder::<World>::new();
    builder.register(doubling("a")).unwrap();
    let exists = RegisterError::ActionExists(name(None, "a"));
    assert_eq!(builder.register(doubling("a")).unwrap_err(), exists);
    let other = Action::define("a").then(Fail("no")).build().unwrap();
    let changed = RegisterError::RevisionChanged {
        action: name(None, "a"),
        revision: NonZeroU32::MIN,
    };
    assert_eq!(builder.register(other).unwrap_err(), changed);
    let next = Action::define("a").revision(2).then(Fail("no")).build();
    assert_eq!(builder.register(next.unwrap()).unwrap_err(), exists);
    let registry = builder.build();
    let plan = registry.plan_for_start(&name(None, "a")).unwrap();
    assert_eq!(plan.jobs[0].job, job("double"));
}

/// A10, A11.
#[test]
fn application_and_action_are_found_as_two_names_and_never_for_each_other() {
    let action = |application: &'static str, name: &'static str, job: &'static str| {
        let definition = Action::define(name).for_application(application);
        definition.then(Double.renamed(job)).build().unwrap()
    };
    let mut builder = RegistryBuilder::<World>::new();
    for (application, name) in [("a", "bc"), ("ab", "c"), ("", "bc")] {
        let job = match application {
            "" => "generic",
            _ => application,
        };
        builder.register(action(application, name, job)).unwrap();
    }
    let registry = builder.build();
    let found = |application, action| {
        let plan = registry.plan_for_start(&name(application, action));
        plan.map(|plan| plan.jobs[0].job.to_string())
    };
    assert_eq!(found(Some("a"), "bc").unwrap(), "a");
    assert_eq!(found(Some("ab"), "c").unwrap(), "ab");
    assert_eq!(found(None, "bc").unwrap(), "generic");
    assert_eq!(found(Some(""), "bc").unwrap(), "generic");
    let missing = found(Some("other"), "bc").unwrap_err();
    let other = name(Some("other"), "bc");
    assert_eq!(missing, LookupError::ActionNotFound(other));
    assert!(found(None, "c").is_err());
}

/// A12, and the input that does not fit.
#[test]
fn an_action_starts_by_name_only_if_it_is_there_and_takes_the_input() {
    let mut builder = RegistryBuilder::<World>::new();
    let key = builder.register(doubling("a")).unwrap();
    let registry = builder.build();
    let unknown = registry.plan_for_named(&name(None, "b"), &json!(1));
    assert_eq!(
        unknown.unwrap_err(),
        LookupError::ActionNotFound(name(None, "b"))
    );
    let wrong = registry.plan_for_named(key.action(), &json!("one"));
    assert!(matches!(wrong, Err(LookupError::InputMismatch { .. })));
    assert!(registry.plan_for_named(key.action(), &json!(1)).is_ok());
}

#[test]
fn a_retired_revision_runs_and_does_not_start() {
    let old = || Action::define("a").then(Double).then(Fail("no")).build();
    let new = Action::define("a").revision(2).then(Double).build();
    let a = name(None, "a");
    let mut only_old = RegistryBuilder::<World>::new();
    only_old.register_retired(old().unwrap()).unwrap();
    assert!(only_old.build().plan_for_start(&a).is_err());

    let mut both = RegistryBuilder::<World>::new();
    both.register_retired(old().unwrap()).unwrap();
    both.register(new.unwrap()).unwrap();
    let registry = both.build();
    let started = registry.plan_for_start(&a).unwrap();
    assert_eq!(started.revision.get(), 2);
    let retired = registry.plan(&a, NonZeroU32::MIN).unwrap();
    assert!(registry.runnable().can_run(&a, retired));
    assert!(registry.step(&a, retired.revision, &job("fail")).is_some());
    assert!(registry.step(&a, started.revision, &job("fail")).is_none());
}

/// A14: whoever changes a plan sees it here, and raises the revision.
#[test]
fn the_manifest_is_the_one_in_the_repository() {
    let mut builder = RegistryBuilder::<World>::new();
    let counting = Action::define("count-twice")
        .for_application("demo")
        .revision(2)
        .then(Count.extend(Extension::new().pre_hook(Tell("pre"))))
        .then(Count.renamed("again"))
        .build();
    builder.register(counting.unwrap()).unwrap();
    let before = Action::define("count-twice")
        .for_application("demo")
        .then(Count)
        .build();
    builder.register_retired(before.unwrap()).unwrap();
    let passing = Action::define("pass")
        .then(Raw(Value::Null))
        .then(Ring.step().passing())
        .build();
    builder.register(passing.unwrap()).unwrap();
    let manifest = pretty(&builder.build().manifest());
    let kept = pretty(&serde_json::from_str(include_str!("manifest.json")).unwrap());
    let differing: Vec<_> = lines_of_one(&manifest, &kept, '+')
        .chain(lines_of_one(&kept, &manifest, '-'))
        .collect();
    assert!(manifest == kept, "{differing:#?}\n{manifest}");
}

fn pretty(manifest: &Value) -> String {
    serde_json::to_string_pretty(manifest).unwrap()
}

fn lines_of_one(one: &str, other: &str, sign: char) -> impl Iterator<Item = String> {
    let only = one
        .lines()
        .filter(|line| other.lines().all(|there| there != *line));
    only.map(move |line| format!("{sign}{line}"))
}
