//! Arguments that many requests share.

use std::time::Duration;

use nogfso_kernel::{Expected, Vid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest that a caller can ask to wait: one hour.
pub const WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// How many rows a page has if the caller does not say.
const PAGE_ROWS_DEFAULT: usize = 1_000;
/// How many rows a page has at most.
const PAGE_ROWS_MAX: usize = 5_000;

/// Upon which version a command is to be decided: a ULID, `NoVC` or `RetryNoVC` (spec aggregates 1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VidArg(pub Expected);

impl std::str::FromStr for VidArg {
    type Err = String;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        match value {
            "NoVC" => Ok(Self(Expected::NoVc)),
            "RetryNoVC" => Ok(Self(Expected::RetryNoVc)),
            ulid => match ulid.parse() {
                Ok(ulid) => Ok(Self(Expected::Exactly(Vid(ulid)))),
                Err(_) => Err(
                    "a vid is a ULID as an earlier answer gave it, NoVC or RetryNoVC".to_owned(),
                ),
            },
        }
    }
}

impl TryFrom<String> for VidArg {
    type Error = String;
    fn try_from(value: String) -> Result<Self, Self::Error> {
        value.parse()
    }
}

impl From<VidArg> for String {
    fn from(vid: VidArg) -> Self {
        match vid.0 {
            Expected::Exactly(vid) => vid.to_string(),
            Expected::NoVc => "NoVC".to_owned(),
            Expected::RetryNoVc => "RetryNoVC".to_owned(),
        }
    }
}

impl JsonSchema for VidArg {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VidArg".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^(NoVC|RetryNoVC|[0-9A-HJKMNP-TV-Z]{26})$" })
    }
}

/// How long a caller will wait, like `500ms`, `30s`, `15m`; at most an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wait(Duration);

impl Wait {
    /// The time.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl std::str::FromStr for Wait {
    type Err = String;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a wait is a number and ms, s, m or h, like 30s, at most 1h";
        let digits = value
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(value.len());
        let (number, unit) = value.split_at(digits);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(ALLOWED.to_owned()),
        };
        let ms = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit_ms));
        match ms.map(Duration::from_millis) {
            Some(wait) if wait <= WAIT_MAX => Ok(Self(wait)),
            Some(_) | None => Err(ALLOWED.to_owned()),
        }
    }
}

impl TryFrom<String> for Wait {
    type Error = String;
    fn try_from(value: String) -> Result<Self, Self::Error> {
        value.parse()
    }
}

impl From<Wait> for String {
    fn from(wait: Wait) -> Self {
        format!("{}ms", wait.0.as_millis())
    }
}

impl JsonSchema for Wait {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wait".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" })
    }
}

/// How many rows a page is to have: 1 to 5,000, or 1,000 if absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Page(usize);

impl Page {
    /// The number of rows.
    #[must_use]
    pub fn rows(self) -> usize {
        self.0
    }
}

impl Default for Page {
    fn default() -> Self {
        Self(PAGE_ROWS_DEFAULT)
    }
}

impl TryFrom<u64> for Page {
    type Error = String;
    fn try_from(rows: u64) -> Result<Self, Self::Error> {
        match usize::try_from(rows) {
            Ok(rows) if (1..=PAGE_ROWS_MAX).contains(&rows) => Ok(Self(rows)),
            Ok(_) | Err(_) => Err(format!("a page has 1 to {PAGE_ROWS_MAX} rows")),
        }
    }
}

impl From<Page> for u64 {
    fn from(page: Page) -> Self {
        page.0 as Self
    }
}

impl JsonSchema for Page {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Page".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": 5000, "default": 1000 })
    }
}
