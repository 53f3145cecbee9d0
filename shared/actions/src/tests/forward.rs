//! Running forward (B1, B3 to B7, B14), and the ways through a step.

use serde_json::{Value, json};

use super::fake::{Bench, World};
use super::jobs::{Count, Counts, Double, Fail, Look, Raw, Ring, Tell};
use crate::{Action, Extension, Hook, Job, JobCx, JobExt, JobResult, NotNeeded, Place, convert};

fn hooked() -> Extension<World, Counts, Counts> {
    Extension::new()
        .pre_hook(Tell("pre"))
        .post_hook(Tell("post"))
}

/// B1.
#[tokio::test]
async fn each_job_runs_its_pre_hook_execute_and_post_hook_in_this_order() {
    let step = Count.extend(hooked());
    let action = Action::define("a")
        .then(step.clone())
        .then(step.renamed("second"))
        .then(step.renamed("third"));
    let bench = Bench::of(action.build().unwrap());
    let ran = bench.run(json!(Counts::default())).await;
    assert!(ran.failure.is_none());
    let told = bench.world.told();
    for (told, job) in told.chunks(3).zip(["count", "second", "third"]) {
        assert_eq!(
            told,
            [
                "pre".to_owned(),
                format!("execute {job}"),
                "post".to_owned()
            ]
        );
    }
    let expected: Vec<_> = (1..=3)
        .map(|n| json!({ "pre": n, "execute": n, "post": n }))
        .collect();
    assert_eq!(ran.outputs, expected);
}

struct Plus(u32);

impl Hook<World, u32, u32> for Plus {
    async fn call(&self, cx: &JobCx<'_, World>, value: u32) -> JobResult<u32> {
        cx.resources().tell(format!("plus {}", self.0));
        Ok(value + self.0)
    }
}

/// B3.
#[tokio::test]
async fn hooks_feed_each_other_and_then_execute() {
    let extension = Extension::new()
        .pre_hook(Plus(1))
        .pre_hook(Plus(2))
        .pre_hook(Plus(3));
    let bench = Bench::of(
        Action::define("a")
            .then(Double.extend(extension))
            .build()
            .unwrap(),
    );
    let ran = bench.run(0).await;
    assert_eq!(*ran.attempts[0].prepared.lock().unwrap(), Some(json!(6)));
    assert_eq!(*ran.attempts[0].returned.lock().unwrap(), Some(json!(12)));
}

/// B4.
#[tokio::test]
async fn a_failing_pre_hook_ends_the_attempt_there() {
    let extension = Extension::new()
        .pre_hook(Plus(1))
        .pre_hook(Fail("no"))
        .pre_hook(Plus(3));
    let bench = Bench::of(
        Action::define("a")
            .then(Double.extend(extension))
            .build()
            .unwrap(),
    );
    let ran = bench.run(0).await;
    assert_eq!(ran.failure.unwrap().place, Some(Place::PreHook(1)));
    assert_eq!(bench.world.told(), ["plus 1"]);
    assert_eq!(*ran.attempts[0].prepared.lock().unwrap(), None);
}

/// Hooks are counted over all layers of the step, in the order in which they run.
#[tokio::test]
async fn a_hook_has_its_number_in_running_order_wherever_it_was_added() {
    let step = |failing: usize| {
        let hook = move |at: usize, name| match at == failing {
            true => Err(crate::JobError::terminal("here")),
            false => Ok(name),
        };
        Double
            .extend(Extension::new().pre_hook(convert(move |n: u32| hook(2, n))))
            .before(convert(move |_: String| hook(1, 1)))
            .after(convert(move |n: u32| hook(3, n)))
            .recover(Fail("here"))
            .before(convert(move |n: u32| hook(0, n).map(|n| n.to_string())))
            .after(convert(move |n: u32| hook(4, n).map(|n| n.to_string())))
    };
    let places = [
        Place::PreHook(0),
        Place::PreHook(1),
        Place::PreHook(2),
        Place::PostHook(0),
        Place::PostHook(1),
    ];
    for (failing, place) in places.into_iter().enumerate() {
        let action = Action::define("a").then(step(failing)).build().unwrap();
        let failure = Bench::of(action).run(1).await.failure.unwrap();
        assert_eq!(failure.place, Some(place));
    }
}

/// B5, B6.
#[tokio::test]
async fn a_job_on_raw_json_may_return_null_only_for_null() {
    let action = || Action::define("a").then(Raw(Value::Null)).build().unwrap();
    let ran = Bench::of(action()).run(1).await;
    assert_eq!(ran.failure.unwrap().view().code, "null_output");
    let ran = Bench::of(action()).run(Value::Null).await;
    assert_eq!(ran.outputs, [Value::Null]);
}

#[tokio::test]
async fn an_absent_option_is_an_ordinary_output() {
    struct Lose;
    impl Job<World> for Lose {
        type Input = Option<u32>;
        type Output = Option<u32>;
        type Undo = NotNeeded;
        const NAME: &'static str = "lose";
        async fn execute(&self, _: &JobCx<'_, World>, _: Option<u32>) -> JobResult<Option<u32>> {
            Ok(None)
        }
    }
    let ran = Bench::of(Action::define("a").then(Lose).build().unwrap())
        .run(1)
        .await;
    assert_eq!(ran.outputs, [Value::Null]);
}

/// B7.
#[tokio::test]
async fn steps_that_pass_on_hand_the_next_job_what_they_got() {
    let action = Action::define("a")
        .then(Double)
        .then(Look.step().tap())
        .then(Ring.step().passing())
        .then(Double.renamed("again"));
    let bench = Bench::of(action.build().unwrap());
    let ran = bench.run(5).await;
    assert_eq!(ran.outputs, [json!(10), json!(10), json!(10), json!(20)]);
    assert_eq!(bench.world.told(), ["look at 10", "ring"]);
    let passes_on: Vec<_> = bench.plan().jobs.iter().map(|job| job.passes_on).collect();
    assert_eq!(passes_on, [false, true, true, false]);
}

/// Only a step whose output is its input, whatever happens, is said to pass it on.
#[test]
fn a_step_passes_on_as_long_as_nothing_may_change_the_value() {
    let plus = || convert(|n: u32| Ok(n + 1));
    let tapped = || Look.step().tap();
    let adding = || Extension::new().pre_hook(plus());
    for (what, step, passes_on) in [
        ("tap", tapped(), true),
        ("a hook before tap", Look.step().before(plus()).tap(), true),
        ("a hook outside of tap", tapped().before(plus()), false),
        ("a hook after tap", tapped().after(plus()), false),
        ("an extension", tapped().extend(&adding()), false),
        (
            "an extension that is replaced",
            tapped()
                .extend(&adding())
                .extend(&Extension::new().replace_pre_hooks()),
            true,
        ),
        (
            "keeping the input",
            tapped().ignore_errors_keep_input(),
            true,
        ),
        ("a fallback", tapped().ignore_errors(3), false),
        (
            "a fallback within",
            Look.step().ignore_errors(()).tap(),
            true,
        ),
        ("another name", tapped().renamed("other"), true),
    ] {
        let action = Action::define("a").then(step).build().unwrap();
        assert_eq!(action.plan().jobs[0].passes_on, passes_on, "{what}");
    }
    let keeps = Action::define("a").then(Double.step().ignore_errors_keep_input());
    assert!(!keeps.build().unwrap().plan().jobs[0].passes_on);
    let carried = Action::define("a").then(tapped().carrying::<String>());
    assert!(carried.build().unwrap().plan().jobs[0].passes_on);
}

/// What an operator declares to be the output of a job must be something that the next one takes.
#[test]
fn an_output_of_another_type_is_told() {
    let bench = Bench::of(Action::define("a").then(Double).build().unwrap());
    let step = bench.step("double");
    assert!(step.check_output(&json!(3)).is_ok());
    assert!(step.check_output(&json!("three")).is_err());
}

#[tokio::test]
async fn what_is_carried_travels_untouched() {
    let action = Action::define("a")
        .then(Double.step().carrying::<String>())
        .then(Look.step().tap().carrying());
    let bench = Bench::of(action.build().unwrap());
    let ran = bench.run(json!([4, "beside"])).await;
    assert_eq!(ran.outputs, [json!([8, "beside"]), json!([8, "beside"])]);
    assert_eq!(*ran.attempts[0].prepared.lock().unwrap(), Some(json!(4)));
}

/// B14, the part of the job: by type, and by name where it was renamed.
#[tokio::test]
async fn a_job_reads_the_output_of_an_earlier_one() {
    struct Sum;
    impl Job<World> for Sum {
        type Input = u32;
        type Output = u32;
        type Undo = NotNeeded;
        const NAME: &'static str = "sum";
        async fn execute(&self, cx: &JobCx<'_, World>, input: u32) -> JobResult<u32> {
            let again = crate::JobName::parse("again")?;
            let other: u32 = cx.output_named(&again).await?;
            Ok(input + other + cx.output_of::<Double>().await?)
        }
    }
    let action = Action::define("a")
        .then(Double)
        .then(Double.renamed("again"))
        .then(Sum);
    let bench = Bench::of(action.build().unwrap());
    assert_eq!(bench.run(1).await.outputs, [2, 4, 10].map(Value::from));
    let alone = Bench::of(Action::define("a").then(Sum).build().unwrap());
    assert!(alone.run(1).await.failure.is_some());
}

/// The keys are the same for all attempts, other ones for the undo, and the undo knows that of execute.
#[tokio::test]
async fn keys_tell_the_deployment_the_job_and_the_phase() {
    struct Keys;
    impl Job<World> for Keys {
        type Input = ();
        type Output = (String, String);
        type Undo = NotNeeded;
        const NAME: &'static str = "keys";
        async fn execute(&self, cx: &JobCx<'_, World>, (): ()) -> JobResult<(String, String)> {
            let (own, execute) = (cx.idempotency_key(), cx.execute_key());
            Ok((own.to_string(), execute.sub("disk").to_string()))
        }
    }
    let bench = Bench::of(Action::define("a").then(Keys).build().unwrap());
    let ran = bench.run(Value::Null).await;
    let deployment = "00000000-0000-0000-0000-000000000000";
    let key = format!("{deployment}/keys/execute");
    assert_eq!(ran.outputs, [json!([key, format!("{key}/disk")])]);
}
