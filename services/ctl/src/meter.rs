//! Shows how far long work has come: a bar on a terminal, else a line now and then.
//!
//! Progress is told at most once and by nobody in particular; a meter that hears nothing shows nothing.

use std::future::pending;
use std::time::Duration;

use futures_util::StreamExt;
use humansize::{BINARY, format_size};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use nogfso_bus::{Message, Messages};
use nogfso_contract::codec::{CONTENT_TYPE, Encoding};
use nogfso_contract::progress::{Progress, ProgressPhase};
use nogfso_contract::query::GetRepo;
use nogfso_domain::operation::Operation;
use nogfso_domain::work::WorkResult;
use nogfso_ids::RepoId;
use tokio::time::Instant;

use crate::console::Console;
use crate::gateway::Gateway;

const LINE_EVERY: Duration = Duration::from_secs(5);
const TICK_EVERY: Duration = Duration::from_millis(120);
const COUNTING: &str = "{spinner} {msg}  [{elapsed_precise}]";
const FILLING: &str = "{spinner} {msg}  {wide_bar} [{elapsed_precise}]";

/// The progress of one operation on one repo.
pub(crate) struct Meter {
    messages: Option<Messages>,
    operation: Operation,
    face: Face,
}

enum Face {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Meter {
    /// Listens from now on. What the last run of the operation counted is taken for how much there is to do.
    pub(crate) async fn begin(
        gateway: &Gateway,
        console: &Console,
        repo: RepoId,
        operation: Operation,
    ) -> Self {
        let messages = gateway
            .bus()
            .subscribe(&format!("fso.progress.*.*.{repo}"))
            .await
            .ok();
        let face = if console.is_terminal() {
            Face::Bar(bar(entries_last(gateway, repo, operation).await))
        } else {
            Face::Lines {
                last: Instant::now(),
            }
        };
        Self {
            messages,
            operation,
            face,
        }
    }

    /// The next that is heard; never ends if there is nothing to hear.
    pub(crate) async fn next(&mut self) -> Progress {
        while let Some(messages) = &mut self.messages {
            match messages.next().await {
                Some(message) => match read(&message) {
                    Some(progress) if progress.operation == self.operation => return progress,
                    Some(_) | None => {}
                },
                None => self.messages = None,
            }
        }
        pending().await
    }

    /// Shows it.
    pub(crate) fn show(&mut self, progress: &Progress, console: &mut Console) {
        match &mut self.face {
            Face::Bar(bar) => {
                bar.set_position(progress.files);
                bar.set_message(line(progress));
                if progress.phase == ProgressPhase::Ended {
                    bar.suspend(|| console.remark(&line(progress)));
                }
            }
            Face::Lines { last } => {
                let is_due = match progress.phase {
                    ProgressPhase::Running => last.elapsed() >= LINE_EVERY,
                    ProgressPhase::Ended => true,
                };
                if is_due {
                    *last = Instant::now();
                    console.remark(&line(progress));
                }
            }
        }
    }

    /// Takes the bar away, so that other output can follow.
    pub(crate) fn clear(&mut self) {
        match &self.face {
            Face::Bar(bar) => bar.finish_and_clear(),
            Face::Lines { .. } => {}
        }
    }
}

/// How far it is, in one line.
fn line(progress: &Progress) -> String {
    format!(
        "{}: {} entries, {}, {}/s",
        progress.operation,
        HumanCount(progress.files),
        format_size(progress.bytes, BINARY),
        HumanCount(progress.files_per_s),
    )
}

fn read(message: &Message) -> Option<Progress> {
    let encoding = Encoding::named(message.headers.value(CONTENT_TYPE)).ok()?;
    encoding.decode(&message.payload).ok()
}

fn bar(entries: Option<u64>) -> ProgressBar {
    let bar = entries.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = if entries.is_some() { FILLING } else { COUNTING };
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    bar.set_style(style);
    bar.set_message("waiting for a worker");
    bar.enable_steady_tick(TICK_EVERY);
    bar
}

async fn entries_last(gateway: &Gateway, repo: RepoId, operation: Operation) -> Option<u64> {
    let info = gateway.ask(&GetRepo { repo }).await.ok()?.value;
    let last = info
        .work
        .last
        .into_iter()
        .find(|last| last.operation == operation)?;
    match last.result? {
        WorkResult::Done(report) => {
            let counts = report.counts;
            Some(counts.files + counts.dirs + counts.links + counts.others)
                .filter(|entries| *entries > 0)
        }
        WorkResult::Failed { .. } | WorkResult::Cancelled {} => None,
    }
}
