//! Measures what the product costs beside what nothing could be faster than.
//!
//! Says nothing about right or wrong, and has no bar: whoever reads the table compares it with an earlier one.

mod actions;
mod counted;
mod disk;
mod measure;
mod raw;
mod report;
mod requests;
mod system;
mod tree;

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use nogfso_testkit::{NatsServer, NatsSettings};

use self::measure::Figure;
use self::report::{Head, Output};

/// How long everything against the server may take.
const SERVER_PART_LIMIT: Duration = Duration::from_secs(120);

/// Measures the product beside raw appends and find.
#[derive(Debug, Parser)]
struct Arguments {
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// How many rounds are counted, after one to warm up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=15))]
    rounds: u32,
    /// What is measured.
    #[arg(long, value_enum, default_value_t = Part::All)]
    part: Part,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Everything.
    All,
    /// The product: commands, stats, scans.
    Product,
    /// The engine of actions.
    Actions,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    nogfso_host::logging::start("warn", nogfso_host::logging::Format::Text)?;
    let mut head = Head {
        server_version: String::new(),
        payloads: vec![],
        rounds: arguments.rounds,
    };
    let mut figures = vec![];
    if arguments.part != Part::Actions {
        figures.extend(product(&mut head, arguments.rounds)?);
    }
    if arguments.part != Part::Product {
        figures.extend(engine(&mut head, arguments.rounds)?);
    }
    print(
        &head.text(&figures),
        &report::lines(&figures, arguments.output),
        arguments.output,
    )?;
    Ok(())
}

/// Commands, stats and scans.
fn product(head: &mut Head, rounds: u32) -> anyhow::Result<Vec<Figure>> {
    let server = NatsServer::start();
    let measured = within(requests::figures(&server, rounds))?;
    let (payloads, mut figures) = measured;
    server.version().clone_into(&mut head.server_version);
    head.payloads.extend(payloads);
    drop(server);
    figures.extend(tree::figures(rounds)?);
    Ok(figures)
}

/// Deployments through the standalone worker, on a server that syncs every message and on one with the default interval.
fn engine(head: &mut Head, rounds: u32) -> anyhow::Result<Vec<Figure>> {
    let mut figures = vec![];
    for (sync, names) in actions::SERVERS {
        let server = NatsServer::start_with(NatsSettings::default().with_sync(sync));
        let measured = within(actions::figures(&server, rounds, &names))?;
        let (payloads, measured) = measured;
        server.version().clone_into(&mut head.server_version);
        head.payloads.extend(payloads);
        figures.extend(measured);
    }
    Ok(figures)
}

fn within<T>(measured: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime
        .block_on(async { tokio::time::timeout(SERVER_PART_LIMIT, measured).await })
        .context("the part against the server takes too long")?
}

fn print(head: &str, lines: &str, output: Output) -> std::io::Result<()> {
    match output {
        Output::Table => writeln!(std::io::stdout(), "{head}\n{lines}")?,
        Output::Json => {
            writeln!(std::io::stderr(), "{head}")?;
            write!(std::io::stdout(), "{lines}")?;
        }
    }
    std::io::stdout().flush()
}
