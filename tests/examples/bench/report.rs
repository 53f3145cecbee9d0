//! How the result is printed: a table for people, or a line of JSON for each figure.

use std::fmt::Write as _;

use nogfso_ids::UnixMillis;
use nogfso_journal::Environment;
use serde_json::json;

use crate::disk;
use crate::measure::Figure;

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// A table with a head.
    Table,
    /// The figures, each a JSON object on a line of its own; the head goes to the standard error.
    Json,
}

/// Under which circumstances the figures were measured.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) server_version: String,
    pub(crate) payloads: Vec<(&'static str, usize)>,
    pub(crate) rounds: u32,
}

impl Head {
    pub(crate) fn text(&self, figures: &[Figure]) -> String {
        let fsync = figures.iter().find(|figure| figure.name == disk::FSYNC);
        let date = UnixMillis(Environment::system().now_ms());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let payloads: Vec<_> = self
            .payloads
            .iter()
            .map(|(name, bytes)| format!("{name} {bytes} bytes"))
            .collect();
        [
            format!("date            {date}"),
            format!(
                "system          {} {}, {cores} cores",
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
            format!(
                "server          nats-server {}, one replica, file storage, sync always",
                self.server_version
            ),
            format!("fsync           {:.0} us p50 of 200", fsync.map_or(f64::NAN, |figure| figure.value)),
            format!("raw payload     {}", payloads.join(", ")),
            format!(
                "method          one process with the services and the callers beside the server's, the switches of tests \
                 compiled in; one round to warm up, median of {} rounds",
                self.rounds
            ),
            "ratio           times the cost of the limit; find walks with one thread, a stat with all cores".to_owned(),
            String::new(),
        ]
        .join("\n")
    }
}

/// The figures as they are printed.
pub(crate) fn lines(figures: &[Figure], output: Output) -> String {
    match output {
        Output::Table => table(figures),
        Output::Json => figures.iter().map(json_line).collect(),
    }
}

fn json_line(figure: &Figure) -> String {
    let limit = figure.limit.map(|(name, _)| name);
    let ratio = figure.limit.map(|(_, ratio)| rounded(ratio));
    let line = json!({
        "name": figure.name,
        "value": rounded(figure.value),
        "unit": figure.unit,
        "limit": limit,
        "ratio": ratio,
    });
    format!("{line}\n")
}

/// To three decimals, which is more than the measurement is good for.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn table(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:<34} {:>12} {:<12} {:>6}  {}\n",
        "name", "value", "unit", "ratio", "limit"
    );
    for figure in figures {
        let (limit, ratio) = figure.limit.map_or_else(Default::default, |(name, ratio)| {
            (name, format!("{ratio:.2}"))
        });
        let line = format!(
            "{:<34} {:>12.2} {:<12} {ratio:>6}  {limit}",
            figure.name, figure.value, figure.unit
        );
        writeln!(text, "{}", line.trim_end()).expect("a string can be written");
    }
    text
}
