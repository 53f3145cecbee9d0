//! How answers read: `key: value` lines with the keys that operators know, tables for lists, JSON for a repo.

mod outcome;
mod registry;
mod repo;
mod request;
mod workers;

#[cfg(test)]
mod tests;

use std::fmt::Display;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What the form of times depends on.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// Where the reader is.
    pub(crate) zone: TimeZone,
}

/// An answer that a person can read.
pub(crate) trait Render {
    /// The text, of whole lines.
    fn text(&self, look: &Look) -> String;
}

impl Look {
    /// A time as people read it; what is no RFC 3339 stays as it is.
    fn time(&self, rfc3339: &str) -> String {
        match rfc3339.parse::<Timestamp>() {
            Ok(time) => self.shown(time),
            Err(_) => rfc3339.to_owned(),
        }
    }

    fn shown(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S %Z")
            .to_string()
    }
}

/// Lines of `key: value`.
#[derive(Default)]
struct Fields(String);

impl Fields {
    fn with(mut self, key: &str, value: impl Display) -> Self {
        self.0.push_str(&format!("{key}: {value}\n"));
        self
    }

    fn with_some(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// A list below its key; `[]` if it is empty.
    fn with_table<const N: usize>(
        mut self,
        key: &str,
        header: [&str; N],
        rows: Vec<[String; N]>,
    ) -> String {
        if rows.is_empty() {
            return self.with(key, "[]").0;
        }
        self.0.push_str(&format!("{key}:\n{}", table(header, rows)));
        self.0
    }
}

fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table.add_rows(rows);
    table
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}
