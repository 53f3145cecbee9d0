//! Reading settings: defaults, then a file, then the environment; unknown names are refused.

use std::path::Path;

use config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;

/// Why there are no settings. Says which setting is wrong.
#[derive(Debug, thiserror::Error)]
#[error("settings: {source}")]
pub struct SettingsError {
    #[from]
    source: config::ConfigError,
}

/// Reads the settings of a service.
///
/// The type's serde defaults come first, then `file` (TOML) if one is named, then environment variables
/// `<PREFIX>_<SETTING>`, for example `NOGFSO_STAD_HOST`; a list is written with commas. The type should refuse unknown fields.
///
/// # Errors
///
/// Fails if the file cannot be read or a value is not what its setting allows.
pub fn load<T: DeserializeOwned>(
    prefix: &str,
    file: Option<&Path>,
    lists: &[&str],
) -> Result<T, SettingsError> {
    let mut environment = Environment::with_prefix(prefix)
        .prefix_separator("_")
        .try_parsing(true)
        .list_separator(",");
    for list in lists {
        environment = environment.with_list_parse_key(list);
    }
    let mut sources = Config::builder();
    if let Some(file) = file {
        sources = sources.add_source(File::from(file).format(FileFormat::Toml));
    }
    Ok(sources.add_source(environment).build()?.try_deserialize()?)
}
