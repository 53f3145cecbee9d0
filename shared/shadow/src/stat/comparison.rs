//! What is recorded of each directory: its entries as they are now, against those of the recorded tree.
//!
//! Whether a record is still right is found by computing its object id, so that no recorded blob is ever read. A
//! directory's own record is written anew only when one of its direct recorded children changed, as the format has it.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};

use gix_object::Kind;
use rustix::fs::FileType;
use rustix::io::Errno;

use super::scan::{Scan, Task, Worker};
use super::slots::{Claims, DISCARDED, Slots};
use super::{Reason, StatError};
use crate::descent::{Below, DEPTH_MAX, Entered};
use crate::directory::{self, Place, Seen};
use crate::record::{self, DIRECTORY_RECORD};
use crate::stub::CONFIG_NAMES;
use crate::tree::{self, EntryRef, EntryType};
use crate::{Totals, names};

/// How many entries of one directory are looked at between two looks at the cancel flag.
const ENTRIES_PER_REPORT: usize = 4_096;

#[derive(Default)]
pub(super) struct Changes {
    added: u64,
    modified: u64,
    removed: u64,
}

impl Changes {
    fn any(&self) -> bool {
        self.added + self.modified + self.removed > 0
    }
}

/// One directory being compared with its recorded tree.
pub(super) struct Comparison<'c, 's, 'b> {
    pub(super) scan: &'c Scan<'s>,
    pub(super) place: &'c Arc<Place>,
    pub(super) worker: &'c mut Worker,
    pub(super) claims: Claims<'b>,
    pub(super) slots: Slots,
    pub(super) below: Vec<Below<Task>>,
    pub(super) totals: Totals,
    /// The changes among the direct children.
    pub(super) changes: Changes,
}

impl<'b> Comparison<'_, '_, 'b> {
    pub(super) fn take_entries(
        &mut self,
        handle: &OwnedFd,
        names: &[CString],
    ) -> Result<(), StatError> {
        let mut told = (0, 0);
        for chunk in names.chunks(ENTRIES_PER_REPORT) {
            self.scan.check_cancelled()?;
            for name in chunk {
                self.take_entry(handle, name)?;
            }
            let files = self.totals.files + self.totals.links + self.totals.others;
            self.scan
                .progress
                .seen(files - told.0, self.totals.bytes - told.1);
            told = (files, self.totals.bytes);
        }
        Ok(())
    }

    fn take_entry(&mut self, handle: &OwnedFd, name: &CStr) -> Result<(), StatError> {
        if name == c".git" {
            // Below the top, such a directory is not listed at all.
            self.scan
                .report_problem(self.place, name.to_bytes(), Reason::GitRepo);
            return Ok(());
        }
        let stored = names::stored(name.to_bytes());
        let seen = match directory::look(handle, name) {
            Ok(Some(seen)) => seen,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.keep_recorded(name, &stored, Reason::Unreadable(error.to_string()));
                return Ok(());
            }
        };
        if matches!(stored, Cow::Owned(_)) && seen.is_recorded() {
            let path = self.place.path_of(name.to_bytes());
            self.scan.shared().escaped.push(path);
        }
        match seen.kind {
            FileType::RegularFile => self.take_file(&stored, seen),
            FileType::Symlink => self.take_link(handle, name, &stored, seen),
            FileType::Directory => {
                self.take_directory(name, &stored, seen);
                Ok(())
            }
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                self.totals.others += 1;
                self.totals.saw_mtime(seen.mtime);
                Ok(())
            }
        }
    }

    fn take_file(&mut self, stored: &[u8], seen: Seen) -> Result<(), StatError> {
        self.totals.files += 1;
        self.totals.saw_mtime(seen.mtime);
        let is_first = seen.link_count <= 1 || {
            let mut links = self
                .scan
                .hard_links
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            links.is_first(seen.inode, seen.link_count)
        };
        if is_first {
            self.totals.bytes = self.totals.bytes.saturating_add(seen.bytes);
        }
        if !self.scan.records {
            return Ok(());
        }
        let mut body = std::mem::take(&mut self.worker.record);
        record::write_file(&mut body, text_of(stored), seen.bytes, seen.mtime);
        let settled = self.settle(stored, EntryType::Record, &body);
        self.worker.record = body;
        settled
    }

    fn take_link(
        &mut self,
        handle: &OwnedFd,
        name: &CStr,
        stored: &[u8],
        seen: Seen,
    ) -> Result<(), StatError> {
        self.totals.links += 1;
        self.totals.saw_mtime(seen.mtime);
        if !self.scan.records {
            return Ok(());
        }
        match rustix::fs::readlinkat(handle, name, Vec::new()) {
            Ok(target) => self.settle(stored, EntryType::Link, target.as_bytes()),
            // It is gone, or no link any more.
            Err(Errno::NOENT | Errno::INVAL) => Ok(()),
            Err(error) => {
                self.keep_recorded(
                    name,
                    stored,
                    Reason::Unreadable(std::io::Error::from(error).to_string()),
                );
                Ok(())
            }
        }
    }

    fn take_directory(&mut self, name: &CStr, stored: &[u8], seen: Seen) {
        let closed = if seen.device != self.scan.device {
            Some(Reason::OtherDevice)
        } else if self.place.depth >= DEPTH_MAX {
            Some(Reason::TooDeep)
        } else {
            None
        };
        if let Some(reason) = closed {
            self.totals.dirs += 1;
            self.totals.saw_mtime(seen.mtime);
            self.keep_recorded(name, stored, reason);
            return;
        }
        let recorded = self.claims.claim(stored).and_then(|entry| {
            if entry.kind == EntryType::Tree {
                return Some(entry.oid);
            }
            self.changes.removed += 1;
            self.slots.leave_out();
            None
        });
        let slot = self.slots.reserve(stored.to_owned(), recorded);
        let task = Task {
            on_disk: Some(seen.mtime),
            recorded,
        };
        self.below.push(Below {
            name: name.to_owned(),
            slot,
            task,
        });
    }

    /// Records a file or link as `body`.
    fn settle(&mut self, stored: &[u8], kind: EntryType, body: &[u8]) -> Result<(), StatError> {
        let oid = tree::id_of(Kind::Blob, body);
        let recorded = self.claims.claim(stored);
        let changed = match recorded {
            Some(entry) if entry.kind == kind && entry.oid == oid => false,
            Some(entry) if entry.kind == EntryType::Tree => {
                self.changes.added += 1;
                self.visit_records(entry, DISCARDED);
                true
            }
            Some(_) => {
                self.changes.modified += 1;
                true
            }
            None => {
                self.changes.added += 1;
                true
            }
        };
        if changed {
            let added = self
                .scan
                .pack
                .add_as(&mut self.worker.encoder, Kind::Blob, body, oid);
            added.map_err(StatError::Write)?;
        }
        self.slots.push(stored.to_owned(), kind, oid, changed);
        Ok(())
    }

    fn keep_recorded(&mut self, name: &CStr, stored: &[u8], reason: Reason) {
        self.scan
            .report_problem(self.place, name.to_bytes(), reason);
        if let Some(entry) = self.claims.claim(stored) {
            self.slots.keep(entry);
        }
    }

    /// Has the records below a directory that is gone removed.
    fn visit_records(&mut self, tree: EntryRef<'_>, slot: usize) {
        self.below.push(Below {
            name: CString::default(),
            slot,
            task: Task {
                on_disk: None,
                recorded: Some(tree.oid),
            },
        });
    }

    /// Settles what is recorded but not on disk, and the directory's own record.
    pub(super) fn finish(
        mut self,
        on_disk: Option<(Arc<OwnedFd>, Vec<CString>)>,
    ) -> Result<Entered<Slots, Task>, StatError> {
        let claims = std::mem::replace(&mut self.claims, Claims::on(None, &[])?);
        let mut own_record = None;
        for entry in claims.into_left_over() {
            if entry.name == DIRECTORY_RECORD.as_bytes() {
                own_record = Some(entry);
            } else if self.slots.is_top && CONFIG_NAMES.contains(&entry.name) {
                self.slots.keep(entry);
            } else if entry.kind == EntryType::Tree {
                let slot = self.slots.reserve(entry.name.to_owned(), Some(entry.oid));
                self.visit_records(entry, slot);
            } else {
                self.changes.removed += 1;
                self.slots.leave_out();
            }
        }
        if !self.slots.is_top {
            let filled = on_disk.as_ref().filter(|(_, names)| !names.is_empty());
            self.settle_own_record(own_record, filled.map(|(handle, _)| handle.as_ref()))?;
        }
        if let Some((handle, _)) = on_disk {
            let count = self
                .below
                .iter()
                .filter(|below| below.task.on_disk.is_some())
                .count();
            self.place.keep_open(handle, count);
        }
        let mut shared = self.scan.shared();
        shared.totals.add(&self.totals);
        shared.added += self.changes.added;
        shared.modified += self.changes.modified;
        shared.removed += self.changes.removed;
        drop(shared);
        Ok(Entered {
            pending: self.slots,
            below: self.below,
        })
    }

    fn settle_own_record(
        &mut self,
        recorded: Option<EntryRef<'b>>,
        handle: Option<&OwnedFd>,
    ) -> Result<(), StatError> {
        if !self.changes.any() {
            if let Some(entry) = recorded {
                self.slots.keep(entry);
            }
            return Ok(());
        }
        let Some(handle) = handle else {
            self.slots.leave_out();
            return Ok(());
        };
        let path = || self.scan.realdir.join(self.place.path_of(b""));
        let failed = |source: Errno| StatError::Read {
            path: path(),
            source: source.into(),
        };
        // The time is taken last: what is added from now on makes the next run write this record again.
        let mtime = rustix::fs::fstat(handle).map_err(failed)?.st_mtime;
        let stored = names::stored(self.place.name().to_bytes());
        let mut body = std::mem::take(&mut self.worker.record);
        record::write_directory(&mut body, text_of(&stored), mtime);
        let oid = tree::id_of(Kind::Blob, &body);
        let changed = recorded.is_none_or(|entry| entry.oid != oid);
        if changed {
            let added = self
                .scan
                .pack
                .add_as(&mut self.worker.encoder, Kind::Blob, &body, oid);
            added.map_err(StatError::Write)?;
        }
        self.worker.record = body;
        self.slots
            .push(DIRECTORY_RECORD.into(), EntryType::Record, oid, changed);
        Ok(())
    }
}

impl Seen {
    fn is_recorded(&self) -> bool {
        matches!(
            self.kind,
            FileType::RegularFile | FileType::Symlink | FileType::Directory
        )
    }
}

fn text_of(stored: &[u8]) -> &str {
    std::str::from_utf8(stored).expect("stored names are UTF-8")
}
