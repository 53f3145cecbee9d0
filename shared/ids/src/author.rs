//! Who is named as the author of a commit in a shadow repo.

use serde::{Deserialize, Serialize};

use crate::Malformed;

/// The longest name and the longest e-mail address of an author, in bytes each.
pub const AUTHOR_FIELD_BYTES_MAX: usize = 256;

const ALLOWED: &str = "`Name <email>`, both not empty, without angle brackets and control characters, at most 256 bytes each";

/// An author in git's sense: a name and an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Author {
    name: String,
    email: String,
}

impl Author {
    /// Makes an author of its two parts.
    ///
    /// # Errors
    ///
    /// Returns [`Malformed`] if a part is empty, too long, or contains what git cannot store.
    pub fn try_new(name: &str, email: &str) -> Result<Self, Malformed> {
        let whole = || format!("{name} <{email}>");
        let fits = |part: &str| {
            !part.is_empty()
                && part.len() <= AUTHOR_FIELD_BYTES_MAX
                && part.trim() == part
                && !part.chars().any(|c| c == '<' || c == '>' || c.is_control())
        };
        if fits(name) && fits(email) {
            Ok(Self {
                name: name.to_owned(),
                email: email.to_owned(),
            })
        } else {
            Err(Malformed::new("an author", ALLOWED, &whole()))
        }
    }

    /// Reads `Name <email>`.
    ///
    /// # Errors
    ///
    /// Returns [`Malformed`] as [`Author::try_new`] does.
    pub fn parse(value: &str) -> Result<Self, Malformed> {
        let parts = value
            .strip_suffix('>')
            .and_then(|rest| rest.split_once(" <"));
        match parts {
            Some((name, email)) => Self::try_new(name, email),
            None => Err(Malformed::new("an author", ALLOWED, value)),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }
}

impl std::fmt::Display for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

impl std::str::FromStr for Author {
    type Err = Malformed;
    fn from_str(value: &str) -> Result<Self, Self::Err> {
        Self::parse(value)
    }
}

impl TryFrom<String> for Author {
    type Error = Malformed;
    fn try_from(value: String) -> Result<Self, Self::Error> {
        Self::parse(&value)
    }
}

impl From<Author> for String {
    fn from(author: Author) -> Self {
        author.to_string()
    }
}

impl schemars::JsonSchema for Author {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Author".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[^<>]+ <[^<>]+>$", "maxLength": 516 })
    }
}
