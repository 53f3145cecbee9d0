//! The journal of a deployment, for people.

use nogfso_journal::{Commit, LoadError};
use serde_json::Value;

use super::course::all_commits;
use crate::deployment::DeploymentEvent;
use crate::engine::Engine;
use crate::job::Resources;
use crate::name::DeploymentId;
use crate::plan::Plan;

/// The most characters of a value that are shown.
const VALUE_CHARS_MAX: usize = 100;

/// The journal of a deployment: an event a line, with the time since the first one, the writer and its epoch.
///
/// Empty if there is no such deployment.
///
/// # Errors
///
/// Fails as the journal does.
pub async fn timeline<R: Resources>(
    engine: &Engine<R>,
    id: DeploymentId,
) -> Result<Vec<String>, LoadError> {
    let commits = all_commits(engine, &engine.subject(id)).await?;
    Ok(lines(&commits))
}

/// The lines of a journal.
pub(super) fn lines(commits: &[Commit<DeploymentEvent>]) -> Vec<String> {
    let mut lines = vec![];
    let mut plan = None;
    let mut begun_ms = None;
    for commit in commits {
        let writer = match commit.envelope.epoch {
            Some(epoch) => format!("{} {epoch}", commit.envelope.actor),
            None => commit.envelope.actor.clone(),
        };
        for recorded in commit.recorded() {
            if let DeploymentEvent::DeploymentRequested(asked) = &recorded.event {
                plan = Some(asked.plan.clone());
            }
            if let DeploymentEvent::PlanRebound { plan: new, .. } = &recorded.event {
                plan = Some(new.clone());
            }
            let at_ms = recorded.id.time_ms();
            let since_ms = at_ms.saturating_sub(*begun_ms.get_or_insert(at_ms));
            let (seconds, ms) = (since_ms / 1_000, since_ms % 1_000);
            let told = told(plan.as_ref(), &recorded.event);
            lines.push(format!("{seconds:>6}.{ms:03} {writer:<18} {told}"));
        }
    }
    lines
}

/// An event in a line: its name, its job, and the rest of what it says.
fn told(plan: Option<&Plan>, event: &DeploymentEvent) -> String {
    use nogfso_kernel::Event as _;
    let mut line = event.name().to_owned();
    let Ok(Value::Object(mut event)) = serde_json::to_value(event) else {
        return line;
    };
    let Some(Value::Object(mut data)) = event.remove("data") else {
        return line;
    };
    let job = |index: &Value| {
        let index = usize::try_from(index.as_u64()?).ok()?;
        Some(plan?.jobs.get(index)?.job.as_str().to_owned())
    };
    if let Some(Value::Object(at)) = data.remove("at") {
        let job = at.get("index").and_then(&job).unwrap_or_default();
        let number = at.get("attempt").cloned().unwrap_or_default();
        line.push_str(&format!(" {job} #{number}"));
    }
    if let Some(index) = data.remove("index") {
        line.push_str(&format!(" {}", job(&index).unwrap_or_default()));
    }
    for (field, value) in data {
        match (field.as_str(), &value) {
            ("plan" | "request_digest" | "timeout_ms" | "took_ms", _) => {}
            (_, Value::String(text)) => line.push_str(&format!(" {field}={}", short(text))),
            _ => line.push_str(&format!(" {field}={}", short(&value.to_string()))),
        }
    }
    line
}

fn short(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
