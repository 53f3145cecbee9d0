//! The shape that all validated text shares: one parser, one error, serde and JSON Schema.

/// How much of a refused value an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// Why a text is not a value of the wanted type. The message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not {wanted}: {allowed}")]
pub struct Malformed {
    /// What was wanted, with its article: `a registry name`.
    pub wanted: &'static str,
    /// What is allowed, as a phrase.
    pub allowed: &'static str,
    /// The refused text, cut to 60 characters.
    pub shown: String,
}

impl Malformed {
    pub(crate) fn new(wanted: &'static str, allowed: &'static str, value: &str) -> Self {
        let mut shown: String = value.chars().take(SHOWN_CHARS_MAX).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self {
            wanted,
            allowed,
            shown,
        }
    }
}

/// Gives a newtype over `String` its parser, its printer, serde and a JSON Schema.
///
/// The type must have an associated `fn accept(value: &str) -> Option<String>` that returns the canonical form.
macro_rules! validated_text {
    ($type:ident, $wanted:literal, $allowed:literal, $schema:tt) => {
        impl $type {
            /// Reads the value from text and brings it into its canonical form.
            ///
            /// # Errors
            ///
            /// Returns [`Malformed`](crate::Malformed), which says what is allowed.
            pub fn parse(value: &str) -> Result<Self, crate::Malformed> {
                match Self::accept(value) {
                    Some(canonical) => Ok(Self(canonical)),
                    None => Err(crate::Malformed::new($wanted, $allowed, value)),
                }
            }

            /// The canonical text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::Malformed;
            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Self::parse(value)
            }
        }

        impl TryFrom<String> for $type {
            type Error = crate::Malformed;
            fn try_from(value: String) -> Result<Self, Self::Error> {
                Self::parse(&value)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

pub(crate) use validated_text;
