//! Requests for work, where they stand and how they ended.

use humansize::{BINARY, format_size};
use nogfso_contract::command::{RequestCancelled, StatAccepted};
use nogfso_contract::query::{RequestInfo, RequestState};
use nogfso_domain::operation::Problems;
use nogfso_domain::work::{Outcome, Report, WorkResult};

use super::{Fields, Look, Render};

impl Render for StatAccepted {
    fn text(&self, look: &Look) -> String {
        let fields = Fields::default().with("repo", self.repo);
        match &self.ended {
            Some(info) => fields.0 + &info.text(look),
            None => fields.with("request", self.request).0,
        }
    }
}

impl Render for RequestCancelled {
    fn text(&self, look: &Look) -> String {
        self.request.text(look)
    }
}

impl Render for RequestInfo {
    fn text(&self, look: &Look) -> String {
        let fields = Fields::default()
            .with("request", self.request)
            .with("operation", self.operation)
            .with("state", state(self.state))
            .with_some("reason", self.reason.as_ref())
            .with_some("heldBy", self.held_by.as_ref())
            .with("time", look.time(&self.time));
        match &self.result {
            Some(WorkResult::Done(report)) => with_report(fields, report),
            Some(WorkResult::Failed {
                code,
                message,
                problems,
            }) => {
                let fields = fields.with("code", code).with("error", message);
                with_problems(fields, problems)
            }
            Some(WorkResult::Cancelled {}) | None => fields,
        }
        .0
    }
}

fn with_report(fields: Fields, report: &Report) -> Fields {
    let counts = &report.counts;
    let changed = format!(
        "{} added, {} modified, {} removed",
        counts.added, counts.modified, counts.removed
    );
    let fields = fields
        .with("outcome", outcome(report.outcome))
        .with_some("shadowPath", report.shadow_path.as_ref())
        .with_some("oldRef", report.old_ref.as_ref())
        .with_some("newRef", report.new_ref.as_ref())
        .with("changed", changed)
        .with("files", counts.files)
        .with("dirs", counts.dirs)
        .with("links", counts.links)
        .with("others", counts.others)
        .with("size", format_size(counts.bytes, BINARY));
    with_problems(fields, &report.problems)
}

fn with_problems(fields: Fields, problems: &Problems) -> Fields {
    if problems.is_empty() {
        return fields;
    }
    let fields = fields.with("problemPaths", problems.path_count());
    problems.paths().iter().fold(fields, |fields, problem| {
        fields.with(
            "  - path",
            format!("{:?}, {}", problem.path(), problem.reason()),
        )
    })
}

fn state(state: RequestState) -> &'static str {
    match state {
        RequestState::Waiting => "waiting",
        RequestState::Deferred => "deferred",
        RequestState::Running => "running",
        RequestState::Done => "done",
        RequestState::Failed => "failed",
        RequestState::Cancelled => "cancelled",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unchanged => "unchanged",
        Outcome::Immutable => "immutable",
        Outcome::Committed => "committed",
    }
}
