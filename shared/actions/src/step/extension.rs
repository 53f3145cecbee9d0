//! What an application adds to a step of others.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Step;
use super::hook::{DynHook, DynUndo, Hook, OtherUndo, RollbackFn};
use crate::job::{Payload, Resources};
use crate::plan::{JobPolicy, Undo};

/// A name, hooks, an undo or a policy for a step that exists; never another execute.
///
/// Hooks are added to those that the step has; they take their place where that is asked for.
pub struct Extension<R, I, O, Own = I, Raw = O> {
    name: Option<Cow<'static, str>>,
    pre: Vec<Arc<dyn DynHook<R, I, I>>>,
    post: Vec<Arc<dyn DynHook<R, O, O>>>,
    replaces_pre: bool,
    replaces_post: bool,
    undoing: Option<Arc<dyn DynUndo<R, Own, Raw>>>,
    policy: Option<JobPolicy>,
}

impl<R, I, O, Own, Raw> fmt::Debug for Extension<R, I, O, Own, Raw> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension")
            .field("name", &self.name)
            .field("pre_hooks", &self.pre.len())
            .field("post_hooks", &self.post.len())
            .finish_non_exhaustive()
    }
}

impl<R, I, O, Own, Raw> Default for Extension<R, I, O, Own, Raw> {
    fn default() -> Self {
        Self {
            name: None,
            pre: vec![],
            post: vec![],
            replaces_pre: false,
            replaces_post: false,
            undoing: None,
            policy: None,
        }
    }
}

impl<R: Resources, I: Payload, O: Payload, Own: Payload, Raw: Payload>
    Extension<R, I, O, Own, Raw>
{
    /// One that changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Renames the step.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds a hook before execute, to run after those already added.
    #[must_use]
    pub fn pre_hook<H: Hook<R, I, I>>(mut self, hook: H) -> Self {
        self.pre.push(Arc::new(hook));
        self
    }

    /// Adds a hook after execute, to run after those already added.
    #[must_use]
    pub fn post_hook<H: Hook<R, O, O>>(mut self, hook: H) -> Self {
        self.post.push(Arc::new(hook));
        self
    }

    /// Drops the pre-hooks of earlier extensions. What makes the step's input into the job's stays: the job needs it.
    #[must_use]
    pub fn replace_pre_hooks(mut self) -> Self {
        self.replaces_pre = true;
        self
    }

    /// Drops the post-hooks of earlier extensions. What makes the job's output into the step's stays.
    #[must_use]
    pub fn replace_post_hooks(mut self) -> Self {
        self.replaces_post = true;
        self
    }

    /// Sets the undo. It gets what execute was given and returned, whatever hooks made of them.
    #[must_use]
    pub fn rollback<H: RollbackFn<R, Own, Raw>>(mut self, handler: H) -> Self {
        self.undoing = Some(Arc::new(OtherUndo(handler)));
        self
    }

    /// Sets the policy.
    #[must_use]
    pub fn policy(mut self, policy: JobPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    pub(super) fn applied_to(&self, mut step: Step<R, I, O, Own, Raw>) -> Step<R, I, O, Own, Raw> {
        if self.replaces_pre {
            step.pre.clear();
        }
        if self.replaces_post {
            step.post.clear();
        }
        step.pre.extend(self.pre.iter().cloned());
        step.post.extend(self.post.iter().cloned());
        if let Some(name) = &self.name {
            step.name = name.clone();
        }
        if let Some(undoing) = &self.undoing {
            step.undoing = Arc::clone(undoing);
            step.undo = Undo::Handled;
        }
        if let Some(policy) = &self.policy {
            step.policy = policy.clone();
        }
        step
    }
}
