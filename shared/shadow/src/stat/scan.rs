//! One run over the tree: how each directory is reached on the way down, and its tree written on the way up.
//!
//! Decides what cannot be entered and so keeps its records; what is recorded of the rest, [`comparison`] decides.
//!
//! [`comparison`]: super::comparison

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix_object::Kind;
use rustix::io::Errno;

use super::comparison::{Changes, Comparison};
use super::slots::{Claims, Slots};
use super::{Outcome, Problem, Progress, Reason, StatError, StatReport};
use crate::descent::{Entered, Visitor};
use crate::directory::{self, Place};
use crate::odb::Odb;
use crate::pack::{Encoder, PackWriter};
use crate::totals::HardLinks;
use crate::tree::{self, Entry};
use crate::{Oid, Sample, Totals};

/// One run over a realdir, as its threads see it.
pub(super) struct Scan<'a> {
    pub(super) git_dir: &'a Path,
    pub(super) realdir: &'a Path,
    pub(super) pack: &'a PackWriter,
    /// Whether anything is recorded; else the tree is only counted.
    pub(super) records: bool,
    pub(super) device: u64,
    pub(super) cancel: &'a AtomicBool,
    pub(super) progress: &'a dyn Progress,
    pub(super) shared: Mutex<Findings>,
    pub(super) hard_links: Mutex<HardLinks>,
    pub(super) top: Mutex<Vec<Entry>>,
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) totals: Totals,
    pub(super) added: u64,
    pub(super) modified: u64,
    pub(super) removed: u64,
    pub(super) problems: Sample<Problem>,
    pub(super) escaped: Sample<PathBuf>,
}

impl Findings {
    pub(super) fn into_report(self, old: Oid, new: Oid) -> StatReport {
        let outcome = if old == new {
            Outcome::Unchanged
        } else {
            Outcome::Committed
        };
        StatReport {
            old,
            new,
            outcome,
            added: self.added,
            modified: self.modified,
            removed: self.removed,
            totals: self.totals,
            problems: self.problems,
            escaped: self.escaped,
        }
    }
}

/// A directory to be compared.
pub(super) struct Task {
    /// Its modification time, if it is on disk; else only its records are left.
    pub(super) on_disk: Option<i64>,
    pub(super) recorded: Option<Oid>,
}

/// What each thread has for itself.
pub(super) struct Worker {
    odb: Odb,
    pub(super) encoder: Encoder,
    pub(super) record: Vec<u8>,
    tree: Vec<u8>,
}

enum Access {
    Listed(Arc<OwnedFd>, Vec<CString>),
    Gone,
    Closed(Reason),
}

impl Scan<'_> {
    pub(super) fn start_task(&self, on_disk: Option<i64>, tree: Oid) -> Task {
        Task {
            on_disk,
            recorded: self.records.then_some(tree),
        }
    }

    /// What was found, and the new entries at the top without the toplevel record.
    pub(super) fn into_findings(self) -> (Findings, Vec<Entry>) {
        let findings = self
            .shared
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (
            findings,
            self.top
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Findings> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn check_cancelled(&self) -> Result<(), StatError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(StatError::Cancelled);
        }
        Ok(())
    }

    pub(super) fn report_problem(&self, place: &Place, name: &[u8], reason: Reason) {
        let path = place.path_of(name);
        self.shared().problems.push(Problem { path, reason });
    }

    fn access(&self, place: &Arc<Place>, task: &Task) -> Result<Access, StatError> {
        if task.on_disk.is_none() {
            return Ok(Access::Gone);
        }
        let listed = place
            .open()
            .and_then(|(handle, stat)| Ok((directory::list(&handle)?, handle, stat.st_dev)));
        let error = match listed {
            Ok((_, _, device)) if device != self.device => {
                return Ok(Access::Closed(Reason::OtherDevice));
            }
            Ok((names, ..))
                if place.depth > 0 && names.iter().any(|name| name.as_c_str() == c".git") =>
            {
                return Ok(Access::Closed(Reason::GitRepo));
            }
            Ok((names, handle, _)) => return Ok(Access::Listed(handle, names)),
            Err(error) => error,
        };
        if place.depth == 0 || directory::is_shortage(&error) {
            let path = self.realdir.join(place.path_of(b""));
            return Err(StatError::Read {
                path,
                source: error,
            });
        }
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(Access::Gone),
            _ if error.kind() == std::io::ErrorKind::NotFound => Ok(Access::Gone),
            _ => Ok(Access::Closed(Reason::Unreadable(error.to_string()))),
        }
    }
}

impl Visitor for Scan<'_> {
    type Task = Task;
    type Pending = Slots;
    type Outcome = Option<Oid>;
    type Worker = Worker;
    type Stop = StatError;

    fn worker(&self) -> Result<Worker, StatError> {
        Ok(Worker {
            odb: Odb::open(self.git_dir)?,
            encoder: Encoder::new(),
            record: Vec::new(),
            tree: Vec::new(),
        })
    }

    fn enter(
        &self,
        worker: &mut Worker,
        place: &Arc<Place>,
        task: Task,
    ) -> Result<Entered<Slots, Task>, StatError> {
        self.check_cancelled()?;
        let access = self.access(place, &task)?;
        let mut totals = Totals::default();
        if let (Some(mtime), Access::Listed(..) | Access::Closed(_)) = (task.on_disk, &access) {
            totals.dirs = 1;
            totals.saw_mtime(mtime);
        }
        let slots = Slots::new(place.depth == 0, task.recorded);
        let on_disk = match access {
            Access::Listed(handle, names) => Some((handle, names)),
            Access::Gone => None,
            Access::Closed(reason) => {
                self.report_problem(place, b"", reason);
                self.shared().totals.add(&totals);
                return Ok(Entered {
                    pending: slots,
                    below: Vec::new(),
                });
            }
        };
        let mut body = std::mem::take(&mut worker.tree);
        if let Some(tree) = task.recorded {
            worker.odb.read(tree, Kind::Tree, &mut body)?;
        }
        let mut comparison = Comparison {
            scan: self,
            place,
            worker,
            claims: Claims::on(task.recorded, &body)?,
            slots,
            below: Vec::new(),
            totals,
            changes: Changes::default(),
        };
        if let Some((handle, names)) = &on_disk {
            comparison.take_entries(handle, names)?;
        }
        let entered = comparison.finish(on_disk)?;
        worker.tree = body;
        Ok(entered)
    }

    fn returned(&self, slots: &mut Slots, slot: usize, tree: Option<Oid>) {
        slots.fill(slot, tree);
    }

    fn leave(&self, worker: &mut Worker, slots: Slots) -> Result<Option<Oid>, StatError> {
        if slots.is_top {
            *self.top.lock().unwrap_or_else(PoisonError::into_inner) = slots.into_entries();
            return Ok(None);
        }
        match slots.settle() {
            Ok(recorded) => Ok(recorded),
            Err(entries) if entries.is_empty() => Ok(None),
            Err(mut entries) => {
                let body = tree::serialise(&mut entries);
                let added = self.pack.add(&mut worker.encoder, Kind::Tree, &body);
                added.map(Some).map_err(StatError::Write)
            }
        }
    }
}
