//! Workers, and what is stuck.

use std::time::Duration;

use indicatif::HumanDuration;
use jiff::Timestamp;
use nogfso_contract::command::ParkedDone;
use nogfso_contract::query::{ParkedList, WorkerInfo, WorkerList};

use super::{Fields, Look, Render, table, yes_or_no};

impl Render for WorkerList {
    fn text(&self, look: &Look) -> String {
        if self.workers.is_empty() {
            return Fields::default().with("workers", "[]").0;
        }
        let header = [
            "HOST",
            "INSTANCE",
            "READY",
            "BUSY",
            "SINCE",
            "SEEN",
            "VERSION",
            "SHADOW ROOT",
            "PREFIXES",
        ];
        table(
            header,
            self.workers
                .iter()
                .map(|worker| row(worker, look))
                .collect(),
        )
    }
}

fn row(worker: &WorkerInfo, look: &Look) -> [String; 9] {
    let presence = &worker.presence;
    let started = i64::try_from(presence.started_ms.0).ok();
    let started = started.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let prefixes: Vec<_> = presence.prefixes.iter().map(ToString::to_string).collect();
    [
        presence.host.to_string(),
        presence.instance.to_string(),
        yes_or_no(presence.ready),
        format!("{}/{}", presence.busy, presence.slots),
        started.map_or_else(|| presence.started_ms.to_string(), |time| look.shown(time)),
        format!(
            "{:#} ago",
            HumanDuration(Duration::from_millis(worker.seen_ms_ago))
        ),
        presence.version.clone(),
        presence.shadow_root.to_string(),
        if prefixes.is_empty() {
            "all".to_owned()
        } else {
            prefixes.join(", ")
        },
    ]
}

impl Render for ParkedList {
    fn text(&self, look: &Look) -> String {
        let rows = self.entries.iter().map(|entry| {
            [
                entry.reaction.clone(),
                entry.subject.clone(),
                entry.item.clone().unwrap_or_default(),
                look.time(&entry.time),
                yes_or_no(entry.retrying),
                entry.reason.clone(),
            ]
        });
        let header = ["REACTION", "SUBJECT", "ITEM", "SINCE", "RETRYING", "REASON"];
        match rows.len() {
            0 => Fields::default().with("parked", "[]").0,
            _ => table(header, rows.collect()),
        }
    }
}

impl Render for ParkedDone {
    fn text(&self, _: &Look) -> String {
        String::new()
    }
}
