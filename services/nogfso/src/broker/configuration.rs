//! The text of the server's configuration: a pure function of the settings and the passwords.
//!
//! Here stands who may say what (design 8). Services and journal live in the account `FSO`. People live in `USERS`, which
//! imports the subjects of commands, queries, discovery, feed and progress and reaches nothing else; the server stamps their
//! commands and queries with who sent them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::accounts::{Accounts, Password, Person, SERVICE, SYSTEM};
use crate::context::inbox_prefix;

const STORE_MEMORY_MIB_MAX: u32 = 256;
const LOG_FILE_MIB_MAX: u32 = 16;
const LOG_FILE_COUNT_MAX: u32 = 4;
/// Above the longest wait that a command may ask for, one hour: the server forgets the way back for later answers.
const ANSWER_MINUTES_MAX: u32 = 61;

/// What the configuration needs to know beside the users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// The server's name, as it greets its clients.
    pub server_name: String,
    /// Where clients connect; a loopback address.
    pub listen: SocketAddr,
    /// JetStream's folder.
    pub store: PathBuf,
    /// Where the server writes its process id.
    pub pid: PathBuf,
    /// Where the server writes its log.
    pub log: PathBuf,
    /// The most that JetStream may store, in GiB.
    pub store_gib_max: u32,
}

/// Writes the configuration.
///
/// # Panics
///
/// Panics if a path is not UTF-8 or contains control characters; the data folder refuses such.
#[must_use]
pub fn configuration(settings: &BrokerSettings, accounts: &Accounts) -> String {
    format!(
        "\
# Written anew at every start of nogfso; changes are lost.
server_name: {name}
listen: {listen}
pid_file: {pid}
log_file: {log}
logfile_size_limit: {LOG_FILE_MIB_MAX}MB
logfile_max_num: {LOG_FILE_COUNT_MAX}

jetstream {{
  store_dir: {store}
  sync_interval: always
  max_memory_store: {STORE_MEMORY_MIB_MAX}MB
  max_file_store: {store_gib_max}GB
}}

system_account: \"$SYS\"

accounts {{
  \"$SYS\": {{
    users: [ {{ user: {system_user}, password: {system_password} }} ]
  }}
  FSO: {{
    jetstream: enabled
    exports: [
      {{ service: \"fso.cmd.>\", response_threshold: \"{ANSWER_MINUTES_MAX}m\" }}
      {{ service: \"fso.get.>\", response_threshold: \"{ANSWER_MINUTES_MAX}m\" }}
      {{ service: \"fso.submit.>\" }}
      {{ service: \"$SRV.>\", response_type: stream }}
      {{ stream: \"fso.feed.>\" }}
      {{ stream: \"fso.progress.>\" }}
    ]
    users: [
{service}    ]
  }}
  USERS: {{
    imports: [
      {{ service: {{ account: FSO, subject: \"fso.cmd.>\" }}, share: true }}
      {{ service: {{ account: FSO, subject: \"fso.get.>\" }}, share: true }}
      {{ service: {{ account: FSO, subject: \"fso.submit.>\" }} }}
      {{ service: {{ account: FSO, subject: \"$SRV.>\" }} }}
      {{ stream: {{ account: FSO, subject: \"fso.feed.>\" }} }}
      {{ stream: {{ account: FSO, subject: \"fso.progress.>\" }} }}
    ]
    users: [
{people}    ]
  }}
}}
",
        name = quoted(&settings.server_name),
        listen = quoted(&settings.listen.to_string()),
        pid = quoted_path(&settings.pid),
        log = quoted_path(&settings.log),
        store = quoted_path(&settings.store),
        store_gib_max = settings.store_gib_max,
        system_user = quoted(SYSTEM),
        system_password = quoted(accounts.system.reveal()),
        service = service(&accounts.service),
        people = accounts.people().map(person).collect::<String>(),
    )
}

/// The services may say everything but what people ask, so that none of them can speak for a person.
fn service(password: &Password) -> String {
    user(
        SERVICE,
        password,
        "publish: { deny: [ \"fso.cmd.>\", \"fso.get.>\", \"fso.submit.>\" ] }\n",
    )
}

/// A person asks, submits under its own name, and hears its own answers, the feed and the progress.
fn person(person: &Person) -> String {
    let name = &person.name;
    let inbox = inbox_prefix(name);
    let rights = format!(
        "publish: {{ allow: [ \"fso.cmd.>\", \"fso.get.>\", \"fso.submit.{name}.>\", \"$SRV.>\" ] }}\n          \
         subscribe: {{ allow: [ \"{inbox}.>\", \"fso.feed.>\", \"fso.progress.>\" ] }}\n"
    );
    user(name.as_str(), &person.password, &rights)
}

fn user(name: &str, password: &Password, rights: &str) -> String {
    let (name, password) = (quoted(name), quoted(password.reveal()));
    format!(
        "      {{\n        user: {name}, password: {password}\n        permissions: {{\n          {rights}        }}\n      }}\n"
    )
}

fn quoted_path(path: &Path) -> String {
    quoted(path.to_str().expect("the data folder has a path in UTF-8"))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        assert!(!char.is_control(), "control characters are refused earlier");
        if char == '"' || char == '\\' {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::accounts::UserName;

    #[test]
    fn the_configuration_is_as_it_was_reviewed() {
        let text = configuration(&settings("/data/nogfso"), &accounts());
        assert_eq!(text, include_str!("configuration.expected.conf"));
    }

    #[test]
    fn the_real_server_accepts_it_whatever_the_path() {
        let folder = tempfile::tempdir().unwrap();
        for place in [
            "plain",
            "with space",
            "ag-müller",
            "a\"quote",
            "back\\slash",
            "$HOME",
            "#x;{}",
        ] {
            let place = folder.path().join(place);
            std::fs::create_dir(&place).unwrap();
            let file = place.join("nats.conf");
            let text = configuration(&settings(place.to_str().unwrap()), &accounts());
            std::fs::write(&file, text).unwrap();
            let output = Command::new(nogfso_testkit::nats_server_program())
                .arg("-t")
                .arg("-c")
                .arg(&file)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {said}", place.display());
        }
    }

    fn settings(root: &str) -> BrokerSettings {
        let root = Path::new(root);
        BrokerSettings {
            server_name: "nogfso-0123456789ab".to_owned(),
            listen: "127.0.0.1:4222".parse().unwrap(),
            store: root.join("nats"),
            pid: root.join("nats.pid"),
            log: root.join("logs/nats-server.log"),
            store_gib_max: 64,
        }
    }

    fn accounts() -> Accounts {
        Accounts {
            service: password('1'),
            system: password('2'),
            operator: Person {
                name: UserName::operator(),
                password: password('3'),
            },
            others: vec![Person {
                name: "alice".parse().unwrap(),
                password: password('4'),
            }],
        }
    }

    fn password(digit: char) -> Password {
        Password::parse(&digit.to_string().repeat(48)).unwrap()
    }
}
