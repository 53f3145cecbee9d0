//! Values between types and the journal: JSON, tagged with the schema under which it was written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{ErrorView, JobError, JobResult, Unloadable, Wish};
use crate::job::Payload;
use crate::name::{ActionRef, JobName};
use crate::plan::Schema;

/// The code of the error of a value that has no JSON.
pub const UNENCODABLE: &str = "unencodable";
/// The code of the error of a job that reads its data as another type than it was kept as.
pub const DATA_MISMATCH: &str = "data_mismatch";
/// The code of the error of a stored value that the code cannot read.
pub const SCHEMA_MISMATCH: &str = "schema_mismatch";

/// Which stored value an upcaster is for: whose, and as what it is stored.
///
/// From a `&'static str`: the output of the steps of the job of that [`NAME`](crate::Job::NAME).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    part: Part,
    job: Cow<'static, str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    Start { application: Option<String> },
    Output,
    Own,
    Returned,
    Data { key: Cow<'static, str> },
}

impl Tag {
    /// What the deployments of an action are given at their start.
    #[must_use]
    pub fn start(action: &ActionRef) -> Self {
        let application = action.application.clone();
        Self {
            part: Part::Start { application },
            job: Cow::Owned(action.name.clone()),
        }
    }

    /// What the steps of a job pass on.
    #[must_use]
    pub fn output(job: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Part::Output, job)
    }

    /// What execute of a job is given, where hooks make it.
    #[must_use]
    pub fn input(job: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Part::Own, job)
    }

    /// What execute of a job returns, where hooks or handlers stand between it and the output.
    #[must_use]
    pub fn returned(job: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Part::Returned, job)
    }

    /// What a job keeps under `key`.
    #[must_use]
    pub fn data(job: impl Into<Cow<'static, str>>, key: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Part::Data { key: key.into() }, job)
    }

    fn new(part: Part, job: impl Into<Cow<'static, str>>) -> Self {
        let job = job.into();
        Self { part, job }
    }
}

impl From<&'static str> for Tag {
    fn from(job: &'static str) -> Self {
        Self::output(job)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = &self.job;
        match &self.part {
            Part::Start { application: None } => write!(f, "start of {job}"),
            Part::Start {
                application: Some(application),
            } => write!(f, "start of {application}/{job}"),
            Part::Output => write!(f, "output of {job}"),
            Part::Own => write!(f, "input of {job}"),
            Part::Returned => write!(f, "what {job} returned"),
            Part::Data { key } => write!(f, "data {key:?} of {job}"),
        }
    }
}

/// A value with the schema under which it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tagged {
    tag: Tag,
    version: u16,
    value: Value,
}

impl Tagged {
    pub(crate) fn start(action: &ActionRef, version: u16, value: Value) -> Self {
        let tag = Tag::start(action);
        Self {
            tag,
            version,
            value,
        }
    }

    pub(crate) fn output(schema: &Schema, value: Value) -> Self {
        Self::of(schema, Part::Output, value)
    }

    pub(crate) fn input(schema: &Schema, value: Value) -> Self {
        Self::of(schema, Part::Own, value)
    }

    pub(crate) fn returned(schema: &Schema, value: Value) -> Self {
        Self::of(schema, Part::Returned, value)
    }

    pub(crate) fn data(schema: &Schema, key: &str, value: Value) -> Self {
        let key = Cow::Owned(key.to_owned());
        Self::of(schema, Part::Data { key }, value)
    }

    fn of(schema: &Schema, part: Part, value: Value) -> Self {
        Self {
            tag: Tag::new(part, schema.job.as_str().to_owned()),
            version: schema.version,
            value,
        }
    }
}

type Upcast = Arc<dyn Fn(Value) -> Result<Value, serde_json::Error> + Send + Sync>;

/// What leads from the schemas of stored values to those of the code, one version at a time.
#[derive(Clone, Default)]
pub(crate) struct Upcasters {
    known: BTreeMap<(Tag, u16), Upcast>,
}

impl Upcasters {
    /// Returns false, and keeps the first, if there is one already.
    #[must_use]
    pub(crate) fn add<Old: Payload, New: Payload>(
        &mut self,
        tag: Tag,
        from: u16,
        lift: fn(Old) -> New,
    ) -> bool {
        let upcast = move |value| serde_json::to_value(lift(serde_json::from_value(value)?));
        self.insert(tag, from, Arc::new(upcast))
    }

    /// The same for a value that the new version leaves as it was.
    #[must_use]
    pub(crate) fn add_unchanged(&mut self, tag: Tag, from: u16) -> bool {
        self.insert(tag, from, Arc::new(Ok))
    }

    fn insert(&mut self, tag: Tag, from: u16, upcast: Upcast) -> bool {
        let is_new = !self.known.contains_key(&(tag.clone(), from));
        self.known.entry((tag, from)).or_insert(upcast);
        is_new
    }
}

/// The schemas that the code of one action and revision has today.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schemas {
    pub(crate) start: u16,
    pub(crate) jobs: BTreeMap<JobName, u16>,
}

/// Brings stored values to the schemas of the code.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) schemas: &'a Schemas,
    pub(crate) upcasters: &'a Upcasters,
}

impl Reader<'_> {
    /// The value as today's code knows it.
    ///
    /// # Errors
    ///
    /// Asks to park the deployment if the code does not know the job, is older than the value, or lacks an upcaster.
    pub(crate) fn load(self, stored: Tagged) -> JobResult<Value> {
        let Tagged {
            tag,
            mut version,
            mut value,
        } = stored;
        let Some(today) = self.version_of(&tag) else {
            return Err(mismatch(format!("no job here writes the {tag}")));
        };
        if version > today {
            return Err(mismatch(format!(
                "the {tag} has version {version}, newer than {today}, that of this code"
            )));
        }
        while version < today {
            let Some(upcast) = self.upcasters.known.get(&(tag.clone(), version)) else {
                return Err(mismatch(format!(
                    "no upcaster leads the {tag} from version {version} on to {today}"
                )));
            };
            value = upcast(value).map_err(|error| {
                mismatch(format!(
                    "the {tag} is not what version {version} was: {error}"
                ))
            })?;
            version += 1;
        }
        Ok(value)
    }

    fn version_of(self, tag: &Tag) -> Option<u16> {
        match &tag.part {
            Part::Start { .. } => Some(self.schemas.start),
            Part::Output | Part::Own | Part::Returned | Part::Data { .. } => {
                let job = JobName::parse(tag.job.clone()).ok()?;
                self.schemas.jobs.get(&job).copied()
            }
        }
    }
}

/// The JSON of a value that a job made.
pub(crate) fn encode<T: Serialize>(value: &T) -> JobResult<Value> {
    serde_json::to_value(value).map_err(|error| {
        let message = format!("the value has no JSON: {error}");
        JobError::terminal(ErrorView::new(UNENCODABLE, message))
    })
}

pub(crate) fn decode<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}

/// The value behind JSON from the journal. What does not fit is no failure of the job: nothing is undone for it.
pub(crate) fn decode_stored<T: DeserializeOwned>(value: Value) -> JobResult<T> {
    decode(value).map_err(|error| mismatch(format!("the stored value does not decode: {error}")))
}

fn mismatch(message: String) -> JobError {
    JobError::new(
        ErrorView::new(SCHEMA_MISMATCH, message),
        Wish::Park(Unloadable::SchemaMismatch),
    )
}
