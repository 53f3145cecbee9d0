//! The message that says that everything runs, and what to do next.

use nogfso_ids::Instance;

use crate::config::Settings;
use crate::context::url;
use crate::folder::Folder;

/// The message, to be written in one piece.
#[must_use]
pub fn message(settings: &Settings, folder: &Folder, worker: &Instance) -> String {
    format!(
        "\
nogfso {version} is ready: NATS server on {url}, gateway, registry daemon, and worker {worker} of {host}; data in {data}
To use it from a shell:
export NATS_CONTEXT={context}
Then try:
nats micro ls
nogfsoctl workers
nogfsoctl get registries
Ctrl-C stops everything.
",
        version = env!("CARGO_PKG_VERSION"),
        url = url(settings.listen),
        host = settings.host,
        data = folder.path().display(),
        context = shell_word(&folder.operator_context().display().to_string()),
    )
}

/// `text` as one word of a shell.
fn shell_word(text: &str) -> String {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte));
    if is_plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_odd_characters_is_one_word() {
        assert_eq!(shell_word("/data/context.json"), "/data/context.json");
        assert_eq!(shell_word("/it's here"), r"'/it'\''s here'");
    }
}
