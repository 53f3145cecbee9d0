//! What the compiler refuses, as doc tests (A2, A4, A5, and spec 3.10).
//!
//! Each is one text, compiled twice: with the line that is right, and with the one that is wrong. So the second can fail only
//! for that line. The codes are checked by a nightly compiler only; that of a future that is not `Send` has none.

/// Makes a doc test that compiles and one that does not, of the same text.
macro_rules! refused {
    ($name:ident, $fails:literal, $right:literal, $wrong:literal) => {
        #[doc = concat!("```\n", include_str!("refused.txt"), $right, "\n```")]
        #[doc = concat!("```", $fails, "\n", include_str!("refused.txt"), $wrong, "\n```")]
        pub struct $name;
    };
}

refused! {
    /* A2 */ AnActionWithoutJobs, "compile_fail,E0599",
    "# fn main() { Action::define(\"a\").then(Number).build().unwrap(); }",
    "# fn main() { Action::<(), u32, u32>::define(\"a\").build().unwrap(); }"
}

refused! {
    /* A4 */ AJobWithoutExecute, "compile_fail,E0046",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); type Undo = NotNeeded; const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> { Ok(()) }
    }",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); type Undo = NotNeeded; const NAME: &'static str = \"mine\";
    }"
}

refused! {
    /* A4 */ AJobWithoutTypes, "compile_fail,E0046",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); type Undo = NotNeeded; const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> { Ok(()) }
    }",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Undo = NotNeeded; const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> { Ok(()) }
    }"
}

refused! {
    /* A4 */ AJobWithoutWordOfItsUndo, "compile_fail,E0046",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); type Undo = NotNeeded; const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> { Ok(()) }
    }",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> { Ok(()) }
    }"
}

refused! {
    AHandledUndoWithoutRollback, "compile_fail,E0277",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); type Undo = NotNeeded; const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> { Ok(()) }
    }",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); type Undo = Handled; const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> { Ok(()) }
    }"
}

refused! {
    /* A5 */ AJobThatTakesSomethingElse, "compile_fail,E0271",
    "fn main() { Action::define(\"a\").then(Number).then(Number.renamed(\"b\")).build().unwrap(); }",
    "fn main() { Action::define(\"a\").then(Number).then(Text).build().unwrap(); }"
}

refused! {
    AHookThatMakesSomethingElse, "compile_fail,E0271",
    "fn main() { let _ = Number.step().before(convert(|n: String| Ok(n.len() as u32))); }",
    "fn main() { let _ = Number.step().before(convert(|n: String| Ok(n))); }"
}

refused! {
    AnExtensionWithAnotherExecute, "compile_fail,E0599",
    "fn main() { let _ = Number.extend(Extension::new().pre_hook(convert(|n: u32| Ok(n)))); }",
    "fn main() { let _ = Number.extend(Extension::new().execute(convert(|n: u32| Ok(n)))); }"
}

refused! {
    AnInputOfAnotherTypeThroughTheKey, "compile_fail,E0308",
    "fn main() { let _ = |key: ActionKey<u32, u32>| key.encode(&1_u32); }",
    "fn main() { let _ = |key: ActionKey<u32, u32>| key.encode(&\"1\"); }"
}

refused! {
    AJobThatCannotMoveBetweenThreads, "compile_fail",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); type Undo = NotNeeded; const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> {
            let held = std::sync::Arc::new(()); std::future::ready(()).await; drop(held); Ok(())
        }
    }",
    "struct Mine; impl Job<()> for Mine {
        type Input = (); type Output = (); type Undo = NotNeeded; const NAME: &'static str = \"mine\";
        async fn execute(&self, _: &JobCx<'_, ()>, _: ()) -> JobResult<()> {
            let held = std::rc::Rc::new(()); std::future::ready(()).await; drop(held); Ok(())
        }
    }"
}
