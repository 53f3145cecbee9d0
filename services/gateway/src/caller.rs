//! Who asks: the broker says so, in a header that it writes itself (design 8).

use nogfso_bus::Message;
use nogfso_contract::subjects::REQUEST_INFO_HEADER;
use nogfso_contract::{Code, Failure};
use nogfso_ids::{Actor, Author};
use serde::Deserialize;

use crate::config::Settings;

/// The one who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    name: String,
    actor: Actor,
}

/// What the broker writes about a client.
#[derive(Deserialize)]
struct Stamp {
    acc: Option<String>,
    user: Option<String>,
}

impl Caller {
    /// The caller of `message`.
    ///
    /// # Errors
    ///
    /// Denies a request that does not come from a user of the users' account.
    pub(crate) fn of(message: &Message, settings: &Settings) -> Result<Self, Failure> {
        // The broker replaces a header of exactly this name; in other letters it would be the sender's own.
        let mut headers = message.headers.iter();
        let stamp = headers.find(|(name, _)| *name == REQUEST_INFO_HEADER);
        match (stamp.map(|(_, value)| value), &settings.unstamped_user) {
            (Some(header), _) => {
                let stamp: Stamp = serde_json::from_str(header)
                    .map_err(|_| denied("the broker's stamp on the request is unreadable"))?;
                if stamp.acc.as_deref() != Some(settings.users_account.as_str()) {
                    return Err(denied(
                        "requests are taken from users of the users' account only",
                    ));
                }
                Self::user(&stamp.user.unwrap_or_default())
            }
            (None, Some(user)) => Self::user(user),
            (None, None) => Err(denied(
                "the broker did not say who sent the request; connect as a user",
            )),
        }
    }

    fn user(name: &str) -> Result<Self, Failure> {
        let actor = Actor::parse(&format!("user:{name}"))
            .map_err(|_| denied("the name of the user is not one that can be recorded"))?;
        Ok(Self {
            name: name.to_owned(),
            actor,
        })
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The author of commits that the caller asks for without naming one.
    pub(crate) fn author(&self) -> Result<Author, Failure> {
        Author::try_new(&self.name, &format!("{}@users.invalid", self.name))
            .map_err(|error| Failure::field("author", error))
    }
}

fn denied(message: &str) -> Failure {
    Failure::new(Code::Denied, message)
}

#[cfg(test)]
mod tests {
    //! Only the broker's word counts.

    use nogfso_bus::Message;
    use nogfso_contract::Code;

    use super::{Caller, REQUEST_INFO_HEADER, Settings};

    fn caller(stamp: Option<&str>, settings: &Settings) -> Result<String, Code> {
        let message = Message::new("fso.cmd.x", "");
        let message = match stamp {
            Some(stamp) => message.with_header(REQUEST_INFO_HEADER, stamp),
            None => message,
        };
        Caller::of(&message, settings)
            .map(|caller| caller.actor().to_string())
            .map_err(|failure| failure.code)
    }

    #[test]
    fn a_user_is_who_the_broker_says() {
        let settings = Settings::default();
        let stamp = r#"{"acc":"USERS","user":"alice","host":"::1","rtt":1}"#;
        assert_eq!(caller(Some(stamp), &settings), Ok("user:alice".to_owned()));
        for bad in [
            r#"{"acc":"FSO","user":"alice"}"#,
            r#"{"acc":"USERS"}"#,
            "{}",
            "x",
            r#"{"acc":"USERS","user":"a b"}"#,
        ] {
            assert_eq!(caller(Some(bad), &settings), Err(Code::Denied), "{bad}");
        }
        assert_eq!(caller(None, &settings), Err(Code::Denied));
    }

    #[test]
    fn a_stamp_in_other_letters_is_nobodys() {
        let stamp = r#"{"acc":"USERS","user":"operator"}"#;
        for name in ["nats-request-info", "NATS-REQUEST-INFO"] {
            let message = Message::new("fso.cmd.x", "").with_header(name, stamp);
            let refused = Caller::of(&message, &Settings::default()).unwrap_err();
            assert_eq!(refused.code, Code::Denied, "{name}");
        }
    }

    #[test]
    fn without_accounts_everybody_is_the_user_of_the_settings() {
        let settings = Settings {
            unstamped_user: Some("operator".to_owned()),
            ..Settings::default()
        };
        assert_eq!(caller(None, &settings), Ok("user:operator".to_owned()));
    }
}
