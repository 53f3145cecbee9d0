//! What an undo gets (E4, E21, E22, and A7's new undo).

use serde_json::json;

use super::fake::Bench;
use super::jobs::{Count, Counts, Double, Fail, Look, OtherUndo, Ring, Tell};
use crate::{Action, Extension, JobExt, Undo, convert};

#[tokio::test]
async fn an_undo_gets_input_output_data_and_the_cause() {
    let action = Action::define("a").then(Count).then(Count.renamed("b"));
    let bench = Bench::of(action.build().unwrap());
    let ran = bench.run(json!(Counts::default())).await;
    bench.world.told();
    bench.undo(&ran).await;
    assert_eq!(
        bench.world.told(),
        [
            "undo b: 1 to 2, made Some(2), execution_stopped",
            "undo count: 0 to 1, made Some(1), execution_stopped",
        ]
    );
}

/// E21: hooks change both types, the undo sees neither.
#[tokio::test]
async fn an_undo_gets_what_execute_had_and_not_what_hooks_made_of_it() {
    let step = Count
        .step()
        .before(convert(|execute: u32| {
            Ok(Counts {
                execute,
                ..Counts::default()
            })
        }))
        .after(convert(|counts: Counts| Ok(counts.execute.to_string())));
    let bench = Bench::of(Action::define("a").then(step).build().unwrap());
    let ran = bench.run(40).await;
    assert_eq!(ran.outputs, [json!("41")]);
    bench.world.told();
    bench.undo(&ran).await;
    let told = bench.world.told();
    assert_eq!(
        told,
        ["undo count: 40 to 41, made Some(41), execution_stopped"]
    );
}

/// E22: execute had returned.
#[tokio::test]
async fn an_undo_after_a_failed_post_hook_gets_a_completed_job() {
    let step = Count.extend(Extension::new().post_hook(Fail("no")));
    let bench = Bench::of(Action::define("a").then(step).build().unwrap());
    let ran = bench.run(json!(Counts::default())).await;
    assert!(ran.failure.is_some());
    bench.world.told();
    bench.undo(&ran).await;
    assert!(bench.world.told()[0].starts_with("undo count: 0 to 1"));
}

/// Execute did not return: what the handler put in its place is not its output.
#[tokio::test]
async fn an_undo_of_a_recovered_job_gets_an_interrupted_one() {
    let failing = Fail("no")
        .step()
        .ignore_errors(5)
        .extend(&Extension::new().rollback(OtherUndo));
    let bench = Bench::of(Action::define("a").then(failing).build().unwrap());
    let ran = bench.run(1).await;
    assert_eq!(ran.outputs, [json!(5)]);
    bench.undo(&ran).await;
    assert_eq!(bench.world.told(), ["other undo: Interrupted { input: 1 }"]);
}

#[tokio::test]
async fn an_undo_of_a_step_that_passes_on_gets_the_jobs_own_values() {
    let action = Action::define("a")
        .then(Look.step().tap())
        .then(Ring.step().passing());
    let bench = Bench::of(action.build().unwrap());
    let ran = bench.run(3).await;
    bench.world.told();
    bench.undo(&ran).await;
    assert_eq!(
        bench.world.told(),
        [
            "undo: Completed { input: (), output: () }",
            "undo: Completed { input: 3, output: () }",
        ]
    );
}

/// A7: the undo of an extension takes the place of the job's, and of none.
#[tokio::test]
async fn an_extension_brings_another_undo() {
    let undoing = || Extension::new().rollback(OtherUndo);
    let hooked = Count
        .step()
        .after(convert(|counts: Counts| Ok(counts.execute)));
    let action = Action::define("a")
        .then(hooked.extend(&Extension::new().rollback(OtherUndo)))
        .then(Double.extend(undoing()));
    let bench = Bench::of(action.build().unwrap());
    assert_eq!(bench.plan().jobs[1].undo, Undo::Handled);
    let ran = bench.run(json!(Counts::default())).await;
    bench.world.told();
    bench.undo(&ran).await;
    let told = bench.world.told();
    assert_eq!(told[0], "other undo: Completed { input: 1, output: 2 }");
    assert!(told[1].starts_with("other undo: Completed { input: Counts { pre: 0"));
}

#[tokio::test]
async fn a_job_that_leaves_nothing_is_undone_by_nothing() {
    let step = Double.extend(Extension::new().name("other"));
    let bench = Bench::of(Action::define("a").then(step).build().unwrap());
    let ran = bench.run(1).await;
    bench.undo(&ran).await;
    assert!(bench.world.told().is_empty());
    assert_eq!(bench.plan().jobs[0].undo, Undo::NotNeeded);
    let hooked = Count.extend(Extension::new().pre_hook(Tell("pre")));
    assert!(format!("{hooked:?}").contains("count"));
}
