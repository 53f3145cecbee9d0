//! Commands on what could not be processed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call;

/// Tries a parked entry again; it goes when the try has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryParked {
    /// The reaction.
    pub reaction: String,
    /// The journal subject.
    pub subject: String,
    /// The item, if the entry has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// Forgets a parked entry without trying again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipParked {
    /// The reaction.
    pub reaction: String,
    /// The journal subject.
    pub subject: String,
    /// The item, if the entry has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
}

/// It was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParkedDone {}

call!(
    RetryParked,
    "fso.cmd.parked.retry",
    "Tries a parked entry again.",
    ParkedDone
);
call!(
    SkipParked,
    "fso.cmd.parked.skip",
    "Forgets a parked entry.",
    ParkedDone
);
