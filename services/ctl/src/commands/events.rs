//! `events`: the history of a registry or a repo, to its end or for ever.
//!
//! Nothing is missed and nothing shown twice: the next question starts at the last event shown, and every event must name the
//! one before it as its parent, whatever the gateway repeats.

use clap::{Args, Subcommand};
use nogfso_contract::event::EventLine;
use nogfso_contract::query::{EventPage, GetEvents};
use nogfso_contract::{Page, VidArg};
use nogfso_ids::RegistryName;
use nogfso_kernel::Expected;
use tokio::time::sleep;

use crate::arguments::RepoTarget;
use crate::commands::{Ctl, resolve};
use crate::console::Console;
use crate::gateway::Gateway;
use crate::trouble::Trouble;
use crate::waiting::{ASK_AGAIN_PAUSE, one_watch, pause_after};

/// How often in a row an answer with a gap is asked for again.
const GAPS_IN_A_ROW_MAX: u32 = 5;

/// Whose events.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Those of a registry.
    Registry {
        /// The registry.
        registry: RegistryName,
        #[command(flatten)]
        options: EventsOptions,
    },
    /// Those of a repo.
    Repo {
        #[command(flatten)]
        target: RepoTarget,
        #[command(flatten)]
        options: EventsOptions,
    },
}

/// Which events.
#[derive(Debug, Args)]
pub struct EventsOptions {
    /// Go on for ever, through restarts of the gateway, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Only those after the event with this id.
    #[arg(long, value_name = "ID", value_parser = event_id)]
    after: Option<String>,
}

/// How far a listing has come.
struct Place {
    /// The last event that was shown, or after which it was to begin.
    last: Option<String>,
    /// Whose events, and from where; the gateway's own word for the place where there is one.
    call: GetEvents,
}

pub(super) async fn run(command: EventsCommand, ctl: &mut Ctl<'_>) -> Result<(), Trouble> {
    let (call, options) = match command {
        EventsCommand::Registry { registry, options } => (
            GetEvents {
                registry: Some(registry),
                ..GetEvents::default()
            },
            options,
        ),
        EventsCommand::Repo { target, options } => {
            let repo = resolve(&ctl.gateway, target).await?;
            (
                GetEvents {
                    repo: Some(repo),
                    ..GetEvents::default()
                },
                options,
            )
        }
    };
    let call = GetEvents {
        after: options.after.clone(),
        limit: Page::default(),
        ..call
    };
    let place = Place {
        last: options.after,
        call,
    };
    if !options.watch {
        return list(place, &ctl.gateway, ctl.console).await;
    }
    tokio::select! {
        biased;
        ended = watch(place, &ctl.gateway, ctl.console) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(Trouble::Stopped)
        }
    }
}

async fn list(mut place: Place, gateway: &Gateway, console: &mut Console) -> Result<(), Trouble> {
    loop {
        let page = gateway.ask(&place.call).await?.value;
        let caught_up = page.caught_up;
        if place.show(page, console)? == 0 || caught_up {
            return Ok(());
        }
    }
}

async fn watch(mut place: Place, gateway: &Gateway, console: &mut Console) -> Result<(), Trouble> {
    let mut is_at_end = false;
    let mut is_cut_off = false;
    let mut gaps = 0;
    loop {
        let (wait, patience) = one_watch(gateway);
        place.call.wait = is_at_end.then_some(wait);
        let page = gateway.ask_within(&place.call, patience).await;
        let shown = page.and_then(|page| {
            let caught_up = page.value.caught_up;
            Ok((caught_up, place.show(page.value, console)?))
        });
        match shown {
            Ok((caught_up, count)) => {
                if caught_up && (count > 0 || !is_at_end || is_cut_off) {
                    console.notice("Waiting for more events.");
                }
                // A gateway that does not hold its answer back must not be asked without a break.
                if count == 0 && is_at_end {
                    sleep(ASK_AGAIN_PAUSE).await;
                }
                (is_at_end, is_cut_off, gaps) = (caught_up, false, 0);
            }
            Err(trouble @ Trouble::EventGap { .. }) if gaps < GAPS_IN_A_ROW_MAX => {
                gaps += 1;
                sleep(pause_after(&trouble)).await;
            }
            Err(trouble) if trouble.is_passing() => {
                if !is_cut_off {
                    console.notice(&format!("{trouble}; asking again"));
                }
                is_cut_off = true;
                sleep(pause_after(&trouble)).await;
            }
            Err(trouble) => return Err(trouble),
        }
    }
}

impl Place {
    /// Shows what is new in a page and moves on. Says how many events were shown.
    fn show(&mut self, page: EventPage, console: &mut Console) -> Result<usize, Trouble> {
        let mut count = 0;
        for event in new_events(page.events, self.last.as_deref()) {
            if let Some(last) = self.last.as_ref().filter(|last| **last != event.parent) {
                let (after, found) = (last.clone(), event.id);
                return Err(Trouble::EventGap { after, found });
            }
            console.json_line(&event)?;
            self.call.after = Some(event.id.clone());
            self.last = Some(event.id);
            count += 1;
        }
        if count > 0 {
            self.call.after = page.next.or(self.call.after.take());
        }
        Ok(count)
    }
}

/// What is left of a page after the event `last`; a page may begin before it.
fn new_events(mut events: Vec<EventLine>, last: Option<&str>) -> Vec<EventLine> {
    let known = events
        .iter()
        .position(|event| Some(event.id.as_str()) == last);
    events.split_off(known.map_or(0, |at| at + 1))
}

/// Reads the id of an event into the form in which events name their parents.
fn event_id(text: &str) -> Result<String, String> {
    match text.parse().map(|VidArg(expected)| expected) {
        Ok(Expected::Exactly(id)) => Ok(id.to_string()),
        Ok(Expected::NoVc | Expected::RetryNoVc) | Err(_) => {
            Err("the id of an event is a ULID, as the list of events shows it".to_owned())
        }
    }
}
