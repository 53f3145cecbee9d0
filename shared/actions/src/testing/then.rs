//! What an attempt came to, and what a test expects of it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::Value;

use super::scripted::Scripted;
use crate::error::{ErrorView, JobError, JobResult, Place, Wish};
use crate::job::Payload;
use crate::value::encode;

/// What an attempt came to.
#[derive(Debug)]
pub struct Then<R, T> {
    resources: R,
    result: JobResult<T>,
    put: BTreeMap<String, Value>,
    handled: Vec<(Place, ErrorView)>,
}

impl<R, T: Payload> Then<R, T> {
    pub(super) fn new(resources: R, result: JobResult<T>, attempt: &Scripted) -> Self {
        Self {
            resources,
            result,
            put: attempt.put(),
            handled: attempt.all_handled(),
        }
    }

    /// It returned `expected`.
    ///
    /// # Panics
    ///
    /// Panics if it did not.
    #[track_caller]
    pub fn then_output(self, expected: T) -> Self
    where
        T: PartialEq + Debug,
    {
        match &self.result {
            Ok(output) => assert_eq!(*output, expected, "the output is another one"),
            Err(error) => panic!("it failed: {}", error.view()),
        }
        self
    }

    /// It failed with an error of that code, whatever that asks for.
    ///
    /// # Panics
    ///
    /// Panics if it did not.
    #[track_caller]
    pub fn then_error(self, code: &str) -> Self {
        assert_eq!(self.error().view().code, code, "{}", self.error().view());
        self
    }

    /// It failed, and is to be tried again.
    ///
    /// # Panics
    ///
    /// Panics if it did not.
    #[track_caller]
    pub fn then_retry(self) -> Self {
        let wish = self.error().wish;
        assert!(matches!(wish, Wish::Retry { .. }), "it asks for {wish:?}");
        self
    }

    /// It failed for good with an error of that code, and is to be undone.
    ///
    /// # Panics
    ///
    /// Panics if it did not.
    #[track_caller]
    pub fn then_terminal(self, code: &str) -> Self {
        assert_eq!(self.error().wish, Wish::Terminal, "what it asks for");
        self.then_error(code)
    }

    /// It failed for good with an error of that code, and says that there is nothing to be undone.
    ///
    /// # Panics
    ///
    /// Panics if it did not.
    #[track_caller]
    pub fn then_no_effect(self, code: &str) -> Self {
        let wish = self.error().wish;
        assert_eq!(wish, Wish::TerminalNoEffect, "what it asks for");
        self.then_error(code)
    }

    /// It has kept `value` under `key`.
    ///
    /// # Panics
    ///
    /// Panics if it has not.
    #[track_caller]
    pub fn then_data<D: Payload>(self, key: &str, value: &D) -> Self {
        let expected = encode(value).expect("the value of a test has JSON");
        assert_eq!(
            self.put.get(key),
            Some(&expected),
            "what it kept as {key:?}"
        );
        self
    }

    /// It has kept nothing.
    ///
    /// # Panics
    ///
    /// Panics if it has.
    #[track_caller]
    pub fn then_no_data(self) -> Self {
        assert_eq!(self.put, BTreeMap::new(), "what it kept");
        self
    }

    /// Handlers have dealt with errors of just these codes, in this order.
    ///
    /// # Panics
    ///
    /// Panics if they have not.
    #[track_caller]
    pub fn then_handled(self, codes: &[&str]) -> Self {
        let handled = self.handled.iter();
        let handled: Vec<_> = handled.map(|(_, error)| error.code.as_str()).collect();
        assert_eq!(handled, codes, "what was handled");
        self
    }

    /// Has a look at the resources.
    pub fn then(self, look: impl FnOnce(&R)) -> Self {
        look(&self.resources);
        self
    }

    /// The resources, for the next test.
    pub fn into_resources(self) -> R {
        self.resources
    }

    /// What it returned.
    ///
    /// # Errors
    ///
    /// Returns what it failed with.
    pub fn into_result(self) -> JobResult<T> {
        self.result
    }

    #[track_caller]
    fn error(&self) -> &JobError {
        match &self.result {
            Err(error) => error,
            Ok(output) => panic!("it returned {:?}", encode(output)),
        }
    }
}

impl<R> Then<R, ()> {
    /// It is undone.
    ///
    /// # Panics
    ///
    /// Panics if it is not.
    #[track_caller]
    pub fn then_done(self) -> Self {
        self.then_output(())
    }
}
