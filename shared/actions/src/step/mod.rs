//! Steps: a job, and what an application adds to it.
//!
//! A step is the job inside and, round it, layers of hooks and handlers that turn the step's types into the job's and back.
//! Its undo is the job's: it gets what execute was given and what that returned, whatever the layers made of them.

mod erased;
mod extension;
mod hook;
mod layer;
mod recover;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub(crate) use erased::ErasedStep;
pub use erased::NULL_OUTPUT;
pub use extension::Extension;
pub use hook::{Convert, Hook, HookExt, Recover, Recovered, RollbackFn, convert};

use crate::job::{Job, Payload, Resources, UndoFor};
use crate::plan::{JobPolicy, Undo};
use hook::{DynHook, DynUndo, JobUndo};
use layer::{After, Base, Before, Carrying, Hooked, Layer, Passing, Tapped};
use recover::{Fallback, KeepInput, Recovering};

/// A job with its hooks, handlers, name and policy.
///
/// `I` and `O` are what the step is given and passes on; `Own` and `Raw` what its execute is given and returns, which only
/// the undo sees.
pub struct Step<R, I, O, Own = I, Raw = O> {
    name: Cow<'static, str>,
    job: &'static str,
    version: u16,
    policy: JobPolicy,
    undo: Undo,
    undoing: Arc<dyn DynUndo<R, Own, Raw>>,
    /// The hooks that keep the step's types, and may be replaced; the others are layers of `inner`.
    pre: Vec<Arc<dyn DynHook<R, I, I>>>,
    inner: Arc<dyn Layer<R, I, O>>,
    post: Vec<Arc<dyn DynHook<R, O, O>>>,
    shape: Shape,
}

/// What the layers of `inner` do to the values.
#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    makes_input: bool,
    changes_output: bool,
    passes_on: bool,
}

impl<R, I, O, Own, Raw> Clone for Step<R, I, O, Own, Raw> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            policy: self.policy.clone(),
            undoing: Arc::clone(&self.undoing),
            pre: self.pre.clone(),
            inner: Arc::clone(&self.inner),
            post: self.post.clone(),
            ..*self
        }
    }
}

impl<R, I, O, Own, Raw> fmt::Debug for Step<R, I, O, Own, Raw> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("name", &self.name)
            .field("job", &self.job)
            .field("version", &self.version)
            .field("undo", &self.undo)
            .finish_non_exhaustive()
    }
}

impl<R: Resources, I: Payload, O: Payload> Step<R, I, O> {
    pub(crate) fn of<J: Job<R, Input = I, Output = O>>(job: J) -> Self {
        let policy = job.policy();
        let job = Arc::new(job);
        Self {
            name: Cow::Borrowed(J::NAME),
            job: J::NAME,
            version: J::SCHEMA,
            policy,
            undo: <J::Undo as UndoFor<R, J>>::UNDO,
            undoing: Arc::new(JobUndo(Arc::clone(&job))),
            pre: vec![],
            inner: Arc::new(Base(job)),
            post: vec![],
            shape: Shape::default(),
        }
    }
}

impl<R: Resources, I: Payload, O: Payload, Own: Payload, Raw: Payload> Step<R, I, O, Own, Raw> {
    /// The same under another name. Whether it is one is checked when the action is built.
    #[must_use]
    pub fn renamed(&self, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            ..self.clone()
        }
    }

    /// The same with what `extension` adds.
    ///
    /// Its pre-hooks run after those that the step has on its input, and before what [`before`](Self::before) put there; its
    /// post-hooks run last.
    #[must_use]
    pub fn extend(&self, extension: &Extension<R, I, O, Own, Raw>) -> Self {
        extension.applied_to(self.clone())
    }

    /// The same given another input, of which `hook` makes the present one. It runs first.
    #[must_use]
    pub fn before<I2: Payload, H: Hook<R, I2, I>>(self, hook: H) -> Step<R, I2, O, Own, Raw> {
        let inner = Before {
            hook: Arc::new(hook),
            pre: self.pre,
            inner: self.inner,
        };
        Step {
            name: self.name,
            job: self.job,
            version: self.version,
            policy: self.policy,
            undo: self.undo,
            undoing: self.undoing,
            pre: vec![],
            inner: Arc::new(inner),
            post: self.post,
            shape: Shape {
                makes_input: true,
                passes_on: false,
                ..self.shape
            },
        }
    }

    /// The same passing on another output, which `hook` makes of the present one. It runs last.
    #[must_use]
    pub fn after<O2: Payload, H: Hook<R, O, O2>>(self, hook: H) -> Step<R, I, O2, Own, Raw> {
        let inner = After {
            inner: self.inner,
            post: self.post,
            hook: Arc::new(hook),
        };
        Step {
            name: self.name,
            job: self.job,
            version: self.version,
            policy: self.policy,
            undo: self.undo,
            undoing: self.undoing,
            pre: self.pre,
            inner: Arc::new(inner),
            post: vec![],
            shape: Shape {
                changes_output: true,
                passes_on: false,
                ..self.shape
            },
        }
    }

    /// The same with a handler for errors of all that the step does so far, if they would end its attempts.
    ///
    /// What the handler returns is the step's output, and the error is recorded; an error of the handler is final.
    #[must_use]
    pub fn recover<H: Recover<R, I, O>>(self, handler: H) -> Self {
        self.recovering(handler, false)
    }

    /// The same passing on `fallback` where it would give up.
    #[must_use]
    pub fn ignore_errors(self, fallback: O) -> Self
    where
        O: Clone,
    {
        self.recover(Fallback(fallback))
    }

    /// The same with another policy.
    #[must_use]
    pub fn policy(self, policy: JobPolicy) -> Self {
        Self { policy, ..self }
    }

    /// The same for a pair, the second part of which travels on untouched.
    #[must_use]
    pub fn carrying<C: Payload>(self) -> Step<R, (I, C), (O, C), Own, Raw> {
        let shape = Shape {
            makes_input: true,
            changes_output: true,
            passes_on: self.passes_on(),
        };
        self.wrapped(shape, |inner| Arc::new(Carrying(inner)))
    }

    fn recovering<H: Recover<R, I, O>>(self, handler: H, keeps_input: bool) -> Self {
        let shape = Shape {
            changes_output: true,
            passes_on: keeps_input && self.passes_on(),
            ..self.shape()
        };
        self.wrapped(shape, |inner| Arc::new(Recovering { inner, handler }))
    }

    /// The step with one more layer round all that it has.
    fn wrapped<I2: Payload, O2: Payload>(
        self,
        shape: Shape,
        wrap: impl FnOnce(Arc<dyn Layer<R, I, O>>) -> Arc<dyn Layer<R, I2, O2>>,
    ) -> Step<R, I2, O2, Own, Raw> {
        let hooked = Hooked {
            pre: self.pre,
            inner: self.inner,
            post: self.post,
        };
        Step {
            name: self.name,
            job: self.job,
            version: self.version,
            policy: self.policy,
            undo: self.undo,
            undoing: self.undoing,
            pre: vec![],
            inner: wrap(Arc::new(hooked)),
            post: vec![],
            shape,
        }
    }

    fn shape(&self) -> Shape {
        Shape {
            makes_input: self.shape.makes_input || !self.pre.is_empty(),
            changes_output: self.shape.changes_output || !self.post.is_empty(),
            passes_on: self.passes_on(),
        }
    }

    /// Whether the output is always the input, hooks included.
    fn passes_on(&self) -> bool {
        self.shape.passes_on && self.pre.is_empty() && self.post.is_empty()
    }
}

impl<R: Resources, I: Payload, Own: Payload, Raw: Payload> Step<R, I, (), Own, Raw> {
    /// The same passing on what it was given: it reads, and changes nothing.
    #[must_use]
    pub fn tap(self) -> Step<R, I, I, Own, Raw> {
        let shape = Shape {
            changes_output: true,
            passes_on: true,
            ..self.shape()
        };
        self.wrapped(shape, |inner| Arc::new(Tapped(inner)))
    }
}

impl<R: Resources, Own: Payload, Raw: Payload> Step<R, (), (), Own, Raw> {
    /// The same passing on what it is given, without a look at it.
    #[must_use]
    pub fn passing<T: Payload>(self) -> Step<R, T, T, Own, Raw> {
        let shape = Shape {
            makes_input: true,
            changes_output: true,
            passes_on: true,
        };
        self.wrapped(shape, |inner| Arc::new(Passing(inner)))
    }
}

impl<R: Resources, T: Payload, Own: Payload, Raw: Payload> Step<R, T, T, Own, Raw> {
    /// The same passing on its input where it would give up.
    #[must_use]
    pub fn ignore_errors_keep_input(self) -> Self {
        self.recovering(KeepInput, true)
    }
}
