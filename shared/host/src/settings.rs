//! Settings from a file: what the command line and the environment leave open.
//!
//! The order is that of every service: the command line wins over the environment, that over the file named by `--settings`,
//! and that over the defaults.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};

const OPTION: &str = "--settings";

/// Why the settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read, or is not TOML.
    #[error("settings file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: config::ConfigError,
    },
    /// A setting has a value that no option can have.
    #[error("settings file {}: {setting} must be a text, a number, true or false, or a list of such", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The setting.
        setting: String,
    },
}

/// The arguments of a service, completed by the file that `--settings` names: a TOML file with the names of the options,
/// written with `_` in place of `-`.
///
/// What `arguments` or the environment variable `<PREFIX>_<SETTING>` say is left to them. A name that is no option is refused
/// by whoever parses the result.
///
/// # Errors
///
/// See [`SettingsError`].
pub fn completed(
    prefix: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>, SettingsError> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let Some(path) = file_of(&arguments) else {
        return Ok(arguments);
    };
    let faulty = |source| SettingsError::File {
        path: path.clone(),
        source,
    };
    let file = Config::builder()
        .add_source(File::from(path.as_path()).format(FileFormat::Toml))
        .build()
        .map_err(faulty)?;
    let environment = Environment::with_prefix(prefix).prefix_separator("_");
    let environment = Config::builder()
        .add_source(environment)
        .build()
        .map_err(faulty)?;
    for (setting, value) in file.cache.into_table().map_err(faulty)? {
        let option = format!("--{}", setting.replace('_', "-"));
        if is_given(&arguments, &option) || environment.get::<Value>(&setting).is_ok() {
            continue;
        }
        arguments.extend(options(&path, &setting, &option, value)?);
    }
    Ok(arguments)
}

fn options(
    path: &Path,
    setting: &str,
    option: &str,
    value: Value,
) -> Result<Vec<OsString>, SettingsError> {
    let wrong = || SettingsError::Value {
        path: path.to_owned(),
        setting: setting.to_owned(),
    };
    match value.kind {
        ValueKind::Boolean(false) => Ok(vec![]),
        ValueKind::Boolean(true) => Ok(vec![option.into()]),
        ValueKind::Array(values) => {
            let each = values
                .into_iter()
                .map(|value| options(path, setting, option, value));
            Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
        }
        ValueKind::Table(_) | ValueKind::Nil => Err(wrong()),
        ValueKind::String(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => {
            let text = value.into_string().map_err(|_| wrong())?;
            Ok(vec![format!("{option}={text}").into()])
        }
    }
}

fn file_of(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == OPTION {
            return arguments.next().map(PathBuf::from);
        }
        let inline = argument
            .to_str()
            .and_then(|text| text.strip_prefix(OPTION)?.strip_prefix('='));
        if let Some(path) = inline {
            return Some(PathBuf::from(path));
        }
    }
    None
}

fn is_given(arguments: &[OsString], option: &str) -> bool {
    arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .any(|argument| {
            argument
                .strip_prefix(option)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
}

#[cfg(test)]
mod tests {
    //! The file fills in what is not said elsewhere.

    use std::ffi::OsString;

    use super::{SettingsError, completed};

    fn with_file(toml: &str, more: &[&str]) -> Result<Vec<String>, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, toml).unwrap();
        let file = format!("--settings={}", path.display());
        let arguments = ["stad", &file]
            .into_iter()
            .chain(more.iter().copied())
            .map(OsString::from);
        let completed = completed("NOGFSO_TEST_OF_SETTINGS", arguments)?;
        let mut added: Vec<_> = completed
            .into_iter()
            .map(|one| one.into_string().unwrap())
            .collect();
        added.drain(..2 + more.len());
        added.sort();
        Ok(added)
    }

    #[test]
    fn a_file_fills_in_what_the_command_line_leaves_open() {
        let toml = "host = \"h\"\nslots = 3\nprefix = [\"/a b\", \"/c\"]\nlog_json = true\nquiet = false\n";
        let all = [
            "--host=h",
            "--log-json",
            "--prefix=/a b",
            "--prefix=/c",
            "--slots=3",
        ];
        assert_eq!(with_file(toml, &[]).unwrap(), all);
        assert_eq!(
            with_file(toml, &["--prefix", "/d", "--slots=4", "--hostage"]).unwrap(),
            all[..2]
        );
    }

    #[test]
    fn without_a_file_nothing_is_added() {
        let arguments = ["stad", "--host=h"].map(OsString::from);
        assert_eq!(completed("X", arguments.clone()).unwrap(), arguments);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        assert!(matches!(
            with_file("[host]\na = 1\n", &[]),
            Err(SettingsError::Value { .. })
        ));
        assert!(matches!(
            with_file("host = ", &[]),
            Err(SettingsError::File { .. })
        ));
        let missing = ["stad", "--settings", "/none.toml"].map(OsString::from);
        assert!(matches!(
            completed("X", missing),
            Err(SettingsError::File { .. })
        ));
    }
}
