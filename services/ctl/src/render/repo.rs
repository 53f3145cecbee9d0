//! A repo, as indented JSON.

use nogfso_contract::command::ErrorCleared;
use nogfso_contract::query::RepoInfo;

use super::{Fields, Look, Render};
use crate::camel::camel_keys;

impl Render for RepoInfo {
    fn text(&self, _: &Look) -> String {
        let json = serde_json::to_string_pretty(self)
            .expect("a repo has text keys only and can always be written");
        format!("{}\n", camel_keys(&json))
    }
}

impl Render for ErrorCleared {
    fn text(&self, _: &Look) -> String {
        Fields::default()
            .with("repo", self.repo)
            .with("repoVid", &self.repo_vid)
            .0
    }
}
