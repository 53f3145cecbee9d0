//! The work of one repo in one lane: claims, requests and their ends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Histories;
use super::commit::Event;
use super::complaint::{Complaint, Kind};
use super::registries::text;

/// How many ended requests a commit with the whole state names.
const NAMED_ENDS_MAX: usize = 1_024;

/// What a lane's history comes to.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) repo: String,
    epoch: u64,
    holder: Option<u64>,
    /// Requests that have not ended, with their operation.
    pub(crate) open: BTreeMap<String, String>,
    /// Requests that have.
    pub(crate) ended: BTreeMap<String, End>,
    /// In the order of their ends.
    order: Vec<String>,
    cancelled: BTreeSet<String>,
    result_count: u64,
    /// The newest result of each operation that was not taken back.
    pub(crate) last: BTreeMap<String, (String, End)>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) operation: String,
    pub(crate) how: How,
    /// Its number among the results of the lane; 0 if it was taken back or is not known any more.
    pub(crate) number: u64,
}

/// How a request ended, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Done,
    /// Some paths were left aside.
    DoneInPart,
    Failed,
    TakenBack,
}

impl How {
    fn of(result: &Value) -> Self {
        let left_aside = result["problems"]["path_count"].as_u64().unwrap_or(0);
        match result["end"].as_str() {
            Some("done") if left_aside == 0 => Self::Done,
            Some("done") => Self::DoneInPart,
            Some("cancelled") => Self::TakenBack,
            _ => Self::Failed,
        }
    }

    /// Whether the repo is to show an error.
    pub(crate) fn is_error(self) -> bool {
        matches!(self, Self::DoneInPart | Self::Failed)
    }
}

type Fault = (Kind, String);

/// Folds every lane, by subject.
pub(super) fn fold(
    histories: &Histories<'_>,
    complaints: &mut Vec<Complaint>,
) -> BTreeMap<String, Lane> {
    let mut lanes = BTreeMap::new();
    for (subject, history) in histories {
        let tokens: Vec<&str> = subject.split('.').collect();
        let ["fso", "ev", _, "work", _, _, repo] = tokens.as_slice() else {
            continue;
        };
        let mut lane = Lane {
            repo: (*repo).to_owned(),
            ..Lane::default()
        };
        // What was cut off may be anything; the whole state is taken as it is.
        let mut is_cut = history
            .first()
            .is_some_and(|first| first.previous.is_some());
        for commit in history {
            for event in &commit.events {
                let applied = lane.apply(event, &mut is_cut);
                if let Err((kind, what)) = applied {
                    let what = format!("{}: {what}", event.kind);
                    complaints.push(Complaint::new(kind, commit.place(), what));
                }
            }
        }
        lanes.insert((*subject).to_owned(), lane);
    }
    lanes
}

fn impossible(what: &str) -> Fault {
    (Kind::Impossible, what.to_owned())
}

impl Lane {
    /// How many requests it ever had, as far as is known.
    pub(crate) fn request_count(&self) -> usize {
        self.open.len() + self.ended.len()
    }

    /// Whether the request was taken back, or somebody asked for that.
    pub(crate) fn is_taken_back(&self, request: &str) -> bool {
        self.cancelled.contains(request)
            || self
                .ended
                .get(request)
                .is_some_and(|end| end.how == How::TakenBack)
    }

    fn apply(&mut self, event: &Event, is_cut: &mut bool) -> Result<(), Fault> {
        let data = &event.data;
        let request = text(&data["request_id"]);
        match event.kind.as_str() {
            "EV_FSO_WORK_RELEASED" => self.release(data, is_cut),
            // The release that follows says it all.
            _ if *is_cut => Ok(()),
            "EV_FSO_WORK_REQUESTED" => {
                if self.ended.contains_key(&request) || self.open.contains_key(&request) {
                    return Err(impossible("requested before"));
                }
                self.open.insert(request, text(&data["order"]["operation"]));
                Ok(())
            }
            "EV_FSO_WORK_CANCELLED" => {
                self.is_open(&request)?;
                self.cancelled.insert(request);
                Ok(())
            }
            "EV_FSO_WORK_CLAIMED" => {
                let epoch = data["epoch"].as_u64().unwrap_or(0);
                if epoch <= self.epoch {
                    let what = format!("epoch {epoch} after epoch {}", self.epoch);
                    return Err((Kind::EpochNotAbove, what));
                }
                self.epoch = epoch;
                self.holder = Some(epoch);
                Ok(())
            }
            "EV_FSO_WORK_STARTED" | "EV_FSO_WORK_DEFERRED" => {
                self.is_held(data)?;
                self.is_open(&request)
            }
            "EV_FSO_WORK_FINISHED" => self.finish(request, data),
            "EV_FSO_WORK_REVOKED" => {
                self.is_held(data)?;
                self.holder = None;
                Ok(())
            }
            "EV_FSO_WORK_WOKEN" if request.is_empty() => Ok(()),
            "EV_FSO_WORK_WOKEN" => self.is_open(&request),
            _ => Err(impossible("not here")),
        }
    }

    fn is_open(&self, request: &str) -> Result<(), Fault> {
        if self.open.contains_key(request) {
            Ok(())
        } else {
            Err(impossible(&format!("{request} is not open")))
        }
    }

    fn is_held(&self, data: &Value) -> Result<(), Fault> {
        let epoch = data["epoch"].as_u64();
        if epoch.is_some() && epoch == self.holder {
            Ok(())
        } else {
            let what = format!("epoch {epoch:?} writes while {:?} holds", self.holder);
            Err((Kind::NotTheHolder, what))
        }
    }

    fn finish(&mut self, request: String, data: &Value) -> Result<(), Fault> {
        if self.ended.contains_key(&request) {
            return Err((Kind::FinishedTwice, request));
        }
        if !data["epoch"].is_null() {
            self.is_held(data)?;
        }
        let Some(operation) = self.open.remove(&request) else {
            return Err(impossible(&format!("{request} is not open")));
        };
        let how = How::of(&data["result"]);
        if how != How::TakenBack {
            self.result_count += 1;
        }
        let end = End {
            operation: operation.clone(),
            how,
            number: if how == How::TakenBack {
                0
            } else {
                self.result_count
            },
        };
        if how != How::TakenBack {
            self.last.insert(operation, (request.clone(), end.clone()));
        }
        self.order.push(request.clone());
        self.ended.insert(request, end);
        Ok(())
    }

    fn release(&mut self, data: &Value, is_cut: &mut bool) -> Result<(), Fault> {
        let backlog = &data["backlog"];
        let list = |field: &str| backlog[field].as_array().cloned().unwrap_or_default();
        if std::mem::take(is_cut) {
            self.take_whole(data, &list("requests"), &list("finished"));
            return Ok(());
        }
        self.is_held(data)?;
        self.holder = None;
        let waiting: BTreeSet<String> = list("requests")
            .iter()
            .map(|request| text(&request["request"]))
            .collect();
        let named: BTreeSet<String> = list("finished")
            .iter()
            .map(|end| text(&end["request"]))
            .collect();
        if !waiting.iter().eq(self.open.keys()) {
            let what = format!("waiting are {:?}, named are {waiting:?}", self.open);
            return Err((Kind::StateDiffers, what));
        }
        let newest = self.order.iter().rev().take(NAMED_ENDS_MAX);
        if let Some(missing) = newest.clone().find(|request| !named.contains(*request)) {
            let what = format!("{missing} has ended and is not named");
            return Err((Kind::StateDiffers, what));
        }
        let count = backlog["results_count"].as_u64().unwrap_or(0);
        if count != self.result_count {
            let what = format!("{count} results are named, {} were had", self.result_count);
            return Err((Kind::StateDiffers, what));
        }
        Ok(())
    }

    /// Begins in the middle.
    fn take_whole(&mut self, data: &Value, requests: &[Value], finished: &[Value]) {
        self.epoch = data["epoch"].as_u64().unwrap_or(0);
        self.result_count = data["backlog"]["results_count"].as_u64().unwrap_or(0);
        for request in requests {
            let operation = text(&request["order"]["operation"]);
            self.open.insert(text(&request["request"]), operation);
        }
        for named in finished {
            let request = text(&named["request"]);
            let end = End {
                operation: text(&named["operation"]),
                how: How::of(named),
                number: 0,
            };
            self.order.push(request.clone());
            self.ended.insert(request, end);
        }
        let last = data["backlog"]["last"].as_object().cloned();
        for (operation, answered) in last.unwrap_or_default() {
            let request = text(&answered["request"]);
            let end = End {
                operation: operation.clone(),
                how: How::of(&answered["result"]),
                number: answered["number"].as_u64().unwrap_or(0),
            };
            self.ended.insert(request.clone(), end.clone());
            self.last.insert(operation, (request, end));
        }
    }
}
