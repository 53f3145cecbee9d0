//! `parked`: what could not be processed, and what the operator decides about it.

use clap::{Args, Subcommand};
use nogfso_contract::command::{RetryParked, SkipParked};
use nogfso_contract::query::GetParked;

use crate::commands::Ctl;
use crate::trouble::Trouble;

/// What is to be done with an entry.
#[derive(Debug, Subcommand)]
pub enum ParkedCommand {
    /// Try it again; the entry goes when the try has succeeded.
    Retry(Entry),
    /// Forget it without trying again.
    Skip(Entry),
}

/// Names an entry, as the list shows it.
#[derive(Debug, Args)]
pub struct Entry {
    /// The reaction.
    reaction: String,
    /// The journal subject.
    subject: String,
    /// The item, if the entry has one.
    item: Option<String>,
}

pub(super) async fn run(command: Option<ParkedCommand>, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    match command {
        None => {
            let answer = ctl.gateway.ask(&GetParked {}).await?;
            ctl.console.answer(&answer)
        }
        Some(ParkedCommand::Retry(Entry {
            reaction,
            subject,
            item,
        })) => {
            let answer = ctl
                .gateway
                .ask(&RetryParked {
                    reaction,
                    subject,
                    item,
                })
                .await?;
            ctl.console.answer(&answer)
        }
        Some(ParkedCommand::Skip(Entry {
            reaction,
            subject,
            item,
        })) => {
            let answer = ctl
                .gateway
                .ask(&SkipParked {
                    reaction,
                    subject,
                    item,
                })
                .await?;
            ctl.console.answer(&answer)
        }
    }
}
