//! Measures what the product costs beside what nothing could be faster than.
//!
//! Says nothing about right or wrong, and has no bar: whoever reads the table compares it with an earlier one.

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
use nogfso_testkit::NatsServer;

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
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    nogfso_host::logging::start("warn", nogfso_host::logging::Format::Text)?;
    let server = NatsServer::start();
    let runtime = tokio::runtime::Runtime::new()?;
    let (payloads, mut figures) = runtime
        .block_on(async {
            let measured = requests::figures(&server, arguments.rounds);
            tokio::time::timeout(SERVER_PART_LIMIT, measured).await
        })
        .context("the part against the server takes too long")??;
    let server_version = server.version().to_owned();
    drop((runtime, server));
    figures.extend(tree::figures(arguments.rounds)?);
    let head = Head {
        server_version,
        payloads,
        rounds: arguments.rounds,
    };
    print(
        &head.text(&figures),
        &report::lines(&figures, arguments.output),
        arguments.output,
    )?;
    Ok(())
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
