//! Who has which lock and who moves which branch, looked at again and again while workers are at it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nogfso_ids::RepoId;

use super::fleet::Fleet;
use crate::end_to_end::asking::git;

const PAUSE: Duration = Duration::from_millis(2);

/// What the lock file says: the epoch and the instance of who touched the shadow last.
type Mark = (u64, String);

/// A branch that was seen to have moved.
#[derive(Debug)]
struct Move {
    shadow: PathBuf,
    commit: String,
    /// The marks that were there from the look before to this look.
    marks: BTreeSet<Mark>,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    looks: u64,
    held_looks: u64,
    moves: Vec<Move>,
    faults: Vec<String>,
}

/// Looks on a thread of its own until it is asked what it saw.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Watch {
    pub(super) fn on(fleet: &Fleet) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut places: Vec<_> = fleet
            .repos
            .iter()
            .map(|repo| Place::new(fleet, *repo))
            .collect();
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !flag.load(Ordering::SeqCst) {
                look(&mut places, &mut seen);
                std::thread::sleep(PAUSE);
            }
            seen
        });
        Self { stop, thread }
    }

    /// Ends the looking. Fails if anything was done twice, if a lock was in two hands, if a mark went back, or if a branch was moved by another worker
    /// than the one that the lock file named.
    pub(super) fn found_order(self, fleet: &Fleet) {
        fleet.assert_recorded_once();
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.thread.join().expect("the watch does not fail");
        assert_eq!(seen.faults, Vec::<String>::new());
        assert!(seen.held_looks > 0, "of {} looks", seen.looks);
        assert!(!seen.moves.is_empty(), "of {} looks", seen.looks);
        let committers: BTreeMap<&str, &str> = fleet
            .workers
            .iter()
            .map(|worker| (worker.instance.as_str(), worker.committer.as_str()))
            .collect();
        for Move {
            shadow,
            commit,
            marks,
        } in &seen.moves
        {
            let committer = git(shadow, &["show", "-s", "--format=%cn", commit]);
            let allowed: Vec<_> = marks
                .iter()
                .filter_map(|(_, instance)| committers.get(instance.as_str()))
                .collect();
            assert!(
                allowed.contains(&&committer.as_str()),
                "{committer} moved the branch of {} under {marks:?}",
                shadow.display()
            );
        }
    }
}

/// What is looked at for one repo.
struct Place {
    lock: PathBuf,
    shadow: PathBuf,
    inode: Option<u64>,
    mark: Option<Mark>,
    commit: Option<String>,
}

impl Place {
    fn new(fleet: &Fleet, repo: RepoId) -> Self {
        let mut place = Self {
            lock: fleet.lock(repo),
            shadow: fleet.shadow(repo),
            inode: None,
            mark: None,
            commit: None,
        };
        place.mark = mark(&place.lock);
        place.commit = commit(&place.shadow);
        place
    }

    fn look(&mut self, seen: &mut Seen) {
        let before = mark(&self.lock);
        let now = commit(&self.shadow);
        let after = mark(&self.lock);
        let inode = fs::metadata(&self.lock).ok().map(|metadata| metadata.ino());
        let place = self.lock.display();
        if self.inode.is_some() && self.inode != inode {
            seen.faults.push(format!("{place} is another file"));
        }
        let marks: Vec<Mark> = [self.mark.take(), before, after]
            .into_iter()
            .flatten()
            .collect();
        let in_order = |pair: &[Mark]| pair[0].0 < pair[1].0 || pair[0] == pair[1];
        if !marks.windows(2).all(in_order) {
            seen.faults.push(format!("{place}: {marks:?}"));
        }
        if let Some(now) = &now
            && self.commit.as_ref() != Some(now)
            && !marks.is_empty()
        {
            seen.moves.push(Move {
                shadow: self.shadow.clone(),
                commit: now.clone(),
                marks: marks.iter().cloned().collect(),
            });
        }
        self.mark = marks.last().cloned();
        self.inode = inode;
        self.commit = now;
    }
}

fn look(places: &mut [Place], seen: &mut Seen) {
    seen.looks += 1;
    for place in places.iter_mut() {
        place.look(seen);
    }
    let held = holders(places);
    seen.held_looks += u64::from(!held.is_empty());
    let doubly = |held: &BTreeMap<PathBuf, BTreeSet<String>>| {
        let mut doubly = held.clone();
        doubly.retain(|_, holders| holders.len() > 1);
        doubly
    };
    let first = doubly(&held);
    // The system tells its list in parts, so that a lock that changes hands meanwhile may stand in two of them.
    if !first.is_empty() && doubly(&holders(places)) == first {
        seen.faults.push(format!("in two hands: {first:?}"));
    }
}

/// The processes that hold each lock which is held.
fn holders(places: &[Place]) -> BTreeMap<PathBuf, BTreeSet<String>> {
    let by_inode: BTreeMap<String, &Place> = places
        .iter()
        .filter_map(|place| Some((place.inode?.to_string(), place)))
        .collect();
    let locks = fs::read_to_string("/proc/locks").expect("the system tells of its locks");
    let mut held: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for line in locks.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let [_, "FLOCK", _, "WRITE", process, place, ..] = words.as_slice()
            && let Some(inode) = place.rsplit(':').next()
            && let Some(place) = by_inode.get(inode)
        {
            let holders = held.entry(place.lock.clone()).or_default();
            holders.insert((*process).to_owned());
        }
    }
    held
}

fn mark(lock: &Path) -> Option<Mark> {
    let text = fs::read_to_string(lock).ok()?;
    let (epoch, instance) = text.lines().next()?.split_once(' ')?;
    Some((epoch.parse().ok()?, instance.to_owned()))
}

fn commit(shadow: &Path) -> Option<String> {
    let text = fs::read_to_string(shadow.join(".git/refs/heads/master-stat")).ok()?;
    Some(text.trim_end().to_owned())
}
