//! Recording the state of a real directory on the stat branch.
//!
//! Decides what a run does from beginning to end: the gate for immutable directories, what counts as a directory that
//! was lost rather than emptied, when the toplevel record is written, and the commit. [`comparison`] decides what is
//! recorded of each directory. The branch moves last, in one step, so that a run that dies leaves the old state.

mod comparison;
mod error;
mod realdir;
mod report;
mod scan;
mod slots;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use gix_object::Kind;
use nogfso_faults::{Point, reach};
use nogfso_ids::Author;

use self::realdir::{OpenRealdir, Realdir};
use self::scan::{Findings, Scan};
use crate::commit::{Commit, Moment};
use crate::descent::descend;
use crate::directory::Place;
use crate::odb::{self, Odb};
use crate::pack::{self, Encoder, PackWriter};
use crate::record::{self, DIRECTORY_RECORD, ToplevelFacts};
use crate::stub::CONFIG_NAMES;
use crate::tree::{self, Entry, EntryType};
use crate::{Oid, refs};

pub use self::error::StatError;
pub use self::report::{Outcome, Problem, Progress, Reason, StatReport};

/// The branch that a stat writes.
pub(crate) const STAT_BRANCH: &str = "master-stat";
const PACK_OWNER: &str = "stat";

/// What is to be recorded, and as whose work.
#[derive(Debug, Clone)]
pub struct StatRequest<'a> {
    /// The shadow, a complete one.
    pub shadow: &'a Path,
    /// The real directory. A symbolic link there is not followed.
    pub realdir: &'a Path,
    /// The author of the commit.
    pub author: &'a Author,
    /// The committer.
    pub committer: &'a Author,
    /// The time of the commit.
    pub now: Moment,
    /// What becomes of counts, size and range of times in the toplevel record.
    pub mtime_range: MtimeRange,
    /// Whether a realdir that is missing, empty or on another device is recorded as it is.
    pub confirm_emptied: bool,
    /// How many threads walk, at most 64.
    pub threads: NonZeroUsize,
}

/// Says when the toplevel record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MtimeRange {
    /// If the toplevel directory itself changed (its time, its immutable attribute) or has no record.
    No,
    /// In any case, beside everything else.
    Also,
    /// In any case, and nothing else is recorded.
    Only,
}

/// Brings the stat branch of a shadow up to date with the real directory.
///
/// The caller guarantees that no other stat of this shadow runs. Repeating it is harmless: if nothing changed, nothing
/// is written. Paths that cannot be read keep their records and are reported.
///
/// # Errors
///
/// Returns a [`StatError`]; the branch is then as it was.
pub fn stat(
    request: &StatRequest<'_>,
    progress: &dyn Progress,
    cancel: &AtomicBool,
) -> Result<StatReport, StatError> {
    let git_dir = request.shadow.join(".git");
    let head = refs::read(&git_dir, STAT_BRANCH)?.ok_or_else(|| StatError::NoBranch {
        shadow: request.shadow.to_owned(),
    })?;
    refs::clean_up(&git_dir, STAT_BRANCH)?;
    pack::clean_up(&git_dir, PACK_OWNER).map_err(StatError::Write)?;
    let recorded = Recorded::load(&Odb::open(&git_dir)?, head)?;
    let realdir = Realdir::open(request.realdir)?;
    if recorded.is_immutable() && realdir.is_missing_or_immutable() {
        return Ok(StatReport::without_changes(Outcome::Immutable, head));
    }
    let realdir = realdir.accept(request, &git_dir, recorded.has_paths)?;
    let pack = PackWriter::new(&git_dir, PACK_OWNER);
    let scan = Scan {
        git_dir: &git_dir,
        realdir: request.realdir,
        pack: &pack,
        records: request.mtime_range != MtimeRange::Only,
        device: realdir.as_ref().map_or(0, OpenRealdir::device),
        cancel,
        progress,
        shared: Mutex::default(),
        hard_links: Mutex::default(),
        top: Mutex::default(),
    };
    let start = Place::start(realdir.as_ref().map(|open| Arc::clone(&open.handle)));
    let task = scan.start_task(realdir.as_ref().map(|open| open.mtime), recorded.tree);
    descend(&scan, request.threads, start, task)?;
    let (findings, top) = scan.into_findings();
    let tree = if request.mtime_range == MtimeRange::Only {
        recorded.entries.clone()
    } else {
        top
    };
    let run = Run {
        request,
        git_dir: &git_dir,
        pack: &pack,
        head,
        recorded: &recorded,
    };
    let new = run.record(realdir.as_ref(), tree, &findings)?;
    if let Some(realdir) = &realdir {
        realdir.remember(&git_dir).map_err(StatError::Write)?;
    }
    Ok(findings.into_report(head, new))
}

/// What the stat branch says before the run.
struct Recorded {
    tree: Oid,
    /// The entries at the top, without the toplevel record.
    entries: Vec<Entry>,
    toplevel: Option<(Oid, ToplevelFacts)>,
    has_paths: bool,
}

impl Recorded {
    fn load(odb: &Odb, head: Oid) -> Result<Self, StatError> {
        let tree = odb.tree_of(head)?;
        let mut buffer = Vec::new();
        odb.read(tree, Kind::Tree, &mut buffer)?;
        let mut entries: Vec<Entry> = odb::entries(tree, &buffer)?
            .into_iter()
            .map(tree::EntryRef::to_owned)
            .collect();
        let is_config = |entry: &Entry| CONFIG_NAMES.contains(&entry.name.as_slice());
        let empty = tree::id_of(Kind::Blob, b"");
        if entries
            .iter()
            .any(|entry| is_config(entry) && entry.oid != empty)
        {
            return Err(StatError::UnsupportedTracking);
        }
        let toplevel = entries
            .iter()
            .position(|entry| entry.name == DIRECTORY_RECORD.as_bytes())
            .map(|at| entries.remove(at).oid);
        let toplevel = match toplevel {
            Some(oid) => {
                odb.read(oid, Kind::Blob, &mut buffer)?;
                Some((oid, ToplevelFacts::parse(&buffer)))
            }
            None => None,
        };
        let has_paths = entries.iter().any(|entry| !is_config(entry));
        Ok(Self {
            tree,
            entries,
            toplevel,
            has_paths,
        })
    }

    fn is_immutable(&self) -> bool {
        let facts = self.toplevel.as_ref().map(|(_, facts)| facts);
        facts.and_then(|facts| facts.attrs.as_deref()) == Some(realdir::IMMUTABLE)
    }

    /// Whether the toplevel record stays as it is, however much changed below.
    fn keeps_toplevel(&self, realdir: &OpenRealdir) -> Option<Oid> {
        let (oid, facts) = self.toplevel.as_ref()?;
        let current =
            facts.mtime == Some(realdir.mtime) && facts.attrs.as_deref() == Some(realdir.attrs);
        current.then_some(*oid)
    }
}

/// The end of a run: from the entries at the top to the commit.
struct Run<'a> {
    request: &'a StatRequest<'a>,
    git_dir: &'a Path,
    pack: &'a PackWriter,
    head: Oid,
    recorded: &'a Recorded,
}

impl Run<'_> {
    /// Commits `entries` with a toplevel record, if that makes a difference; returns the head of the branch.
    fn record(
        &self,
        realdir: Option<&OpenRealdir>,
        mut entries: Vec<Entry>,
        findings: &Findings,
    ) -> Result<Oid, StatError> {
        let mut encoder = Encoder::new();
        let mut add = |kind, body: &[u8]| {
            self.pack
                .add(&mut encoder, kind, body)
                .map_err(StatError::Write)
        };
        if let Some(realdir) = realdir {
            let kept = match self.request.mtime_range {
                MtimeRange::No => self.recorded.keeps_toplevel(realdir),
                MtimeRange::Also | MtimeRange::Only => None,
            };
            let text = record::toplevel(realdir.mtime, &findings.totals, realdir.attrs);
            let current = kept.unwrap_or_else(|| tree::id_of(Kind::Blob, text.as_bytes()));
            if self.recorded.toplevel.as_ref().map(|(oid, _)| *oid) != Some(current) {
                add(Kind::Blob, text.as_bytes())?;
            }
            entries.push(Entry {
                name: DIRECTORY_RECORD.into(),
                kind: EntryType::Record,
                oid: current,
            });
        }
        let body = tree::serialise(&mut entries);
        let tree = tree::id_of(Kind::Tree, &body);
        if tree == self.recorded.tree {
            return Ok(self.head);
        }
        add(Kind::Tree, &body)?;
        let range = if self.request.mtime_range == MtimeRange::Only {
            ": mtime range"
        } else {
            ""
        };
        let message = format!("stat {}{range}", self.request.now.iso());
        let commit = Commit {
            tree,
            parent: Some(self.head),
            author: self.request.author,
            committer: self.request.committer,
            at: self.request.now,
            message: &message,
        };
        let new = add(Kind::Commit, &commit.to_bytes())?;
        self.pack.publish().map_err(StatError::Write)?;
        reach(Point::StadRecorded);
        refs::Step {
            git_dir: self.git_dir,
            branch: STAT_BRANCH,
            old: self.head,
            new,
            committer: self.request.committer,
            at: self.request.now,
            message: &format!("commit: {message}"),
        }
        .take()?;
        reach(Point::StadMoved);
        Ok(new)
    }
}
