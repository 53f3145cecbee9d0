//! Ids that are UUIDs, one type for each thing.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Malformed;

/// The namespace of all name-derived ids (spec aggregates 1.1).
const NAMESPACE: Uuid = Uuid::from_u128(0xecb0_2ec6_006d_429f_a378_9392_612f_9c61);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $type:ident, $wanted:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Uuid);

        impl $type {
            /// Takes a UUID as this kind of id.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// Reads the hyphenated lower- or upper-case form.
            ///
            /// # Errors
            ///
            /// Returns [`Malformed`] for anything else, and for the nil UUID.
            pub fn parse(value: &str) -> Result<Self, Malformed> {
                const ALLOWED: &str = "a UUID like 0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11, not all zeros";
                match Uuid::try_parse(value) {
                    Ok(uuid) if value.len() == 36 && !uuid.is_nil() => Ok(Self(uuid)),
                    Ok(_) | Err(_) => Err(Malformed::new($wanted, ALLOWED, value)),
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $type {
            type Err = Malformed;
            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Self::parse(value)
            }
        }

        impl TryFrom<String> for $type {
            type Error = Malformed;
            fn try_from(value: String) -> Result<Self, Self::Error> {
                Self::parse(&value)
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.to_string()
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": "uuid" })
            }
        }
    };
}

uuid_id!(
    /// Identifies a repo; never reused.
    RepoId,
    "a repo id"
);

uuid_id!(
    /// Identifies one request for work, derived from what caused it, so that asking twice is asking once.
    RequestId,
    "a request id"
);

impl RequestId {
    /// The id of the request that `cause` gives rise to; the same for the same cause, on every machine, for ever.
    #[must_use]
    pub fn derived_from(cause: &str) -> Self {
        Self(Uuid::new_v5(
            &NAMESPACE,
            format!("request:{cause}").as_bytes(),
        ))
    }
}
