//! Runs that were cancelled or died: the old state or the new one, and the next run cleans up.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nogfso_shadow::refs::RefError;
use nogfso_shadow::{Outcome, Progress, StatError, StatRequest, stat};

use crate::fixture::{World, stat_in};

fn world() -> World {
    let world = World::new();
    for number in 0..20 {
        world.write(format!("d{number}/f"), "1", 1);
    }
    world
}

struct CancelAfter<'a> {
    calls_left: AtomicU64,
    cancel: &'a AtomicBool,
}

impl Progress for CancelAfter<'_> {
    fn seen(&self, _files: u64, _bytes: u64) {
        if self.calls_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cancel.store(true, Ordering::Relaxed);
        }
    }
}

fn stat_cancelled_after(world: &World, calls: u64) -> StatError {
    let mut outcome = None;
    let author = crate::fixture::author();
    let request = StatRequest {
        shadow: &world.shadow,
        realdir: &world.realdir,
        author: &author,
        committer: &author,
        now: crate::fixture::NOW,
        mtime_range: nogfso_shadow::MtimeRange::No,
        confirm_emptied: false,
        threads: std::num::NonZeroUsize::MIN,
    };
    let cancel = AtomicBool::new(calls == 0);
    let progress = CancelAfter {
        calls_left: AtomicU64::new(calls),
        cancel: &cancel,
    };
    outcome.get_or_insert(stat(&request, &progress, &cancel));
    outcome.unwrap().unwrap_err()
}

#[test]
fn a_cancelled_stat_leaves_nothing() {
    let world = world();
    let before: Vec<_> = world.shadow_files().into_keys().collect();
    for calls in [0, 1, 10] {
        assert!(matches!(
            stat_cancelled_after(&world, calls),
            StatError::Cancelled
        ));
        assert_eq!(world.shadow_files().into_keys().collect::<Vec<_>>(), before);
    }
    assert_eq!(world.stat().added, 20);
}

#[test]
fn progress_tells_every_file_once() {
    struct Sum(AtomicU64, AtomicU64);
    impl Progress for Sum {
        fn seen(&self, files: u64, bytes: u64) {
            self.0.fetch_add(files, Ordering::Relaxed);
            self.1.fetch_add(bytes, Ordering::Relaxed);
        }
    }
    let world = world();
    let author = crate::fixture::author();
    let sum = Sum(AtomicU64::new(0), AtomicU64::new(0));
    let request = StatRequest {
        shadow: &world.shadow,
        realdir: &world.realdir,
        author: &author,
        committer: &author,
        now: crate::fixture::NOW,
        mtime_range: nogfso_shadow::MtimeRange::No,
        confirm_emptied: false,
        threads: std::num::NonZeroUsize::new(4).unwrap(),
    };
    stat(&request, &sum, &AtomicBool::new(false)).unwrap();
    assert_eq!((sum.0.into_inner(), sum.1.into_inner()), (20, 20));
}

#[test]
fn a_tree_that_changes_under_the_walk_is_recorded_in_the_end() {
    let world = world();
    let stopped = AtomicBool::new(false);
    let changes = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0_i64;
            while !stopped.load(Ordering::Relaxed) {
                number += 1;
                let directory = format!("d{}", number % 20);
                match number % 7 {
                    0 => world.remove(&directory),
                    1 => {
                        fs::rename(world.path(&directory), world.path("moved")).unwrap_or_default()
                    }
                    2 if world.path("moved").exists() => world.remove("moved"),
                    _ => world.write(format!("{directory}/sub/f{}", number % 3), "22", number),
                }
                fs::create_dir_all(world.path(&directory)).unwrap();
                changes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        let enough = |stats: u64| stats >= 20 && changes.load(Ordering::Relaxed) >= 200;
        let mut stats = 0;
        while !enough(stats) && Instant::now() < deadline {
            let report = world.stat_with(|request| request.confirm_emptied = true);
            stats += 1;
            let problems = report.map(|report| report.problems);
            if !problems.as_ref().is_ok_and(nogfso_shadow::Sample::is_empty) {
                stopped.store(true, Ordering::Relaxed);
                panic!("{problems:?}");
            }
        }
        stopped.store(true, Ordering::Relaxed);
        assert!(enough(stats));
    });
    let last = world
        .stat_with(|request| request.mtime_range = nogfso_shadow::MtimeRange::Also)
        .unwrap();
    let fresh = world.fresh_shadow(0);
    let at_once = stat_in(&fresh, &world.realdir, |_| {}).unwrap();
    assert_eq!(last.totals, at_once.totals);
    let files = |listing: crate::fixture::Listing| {
        listing
            .into_iter()
            .filter(|(path, _)| !path.ends_with(b"/.nogtree"))
            .collect::<Vec<_>>()
    };
    assert_eq!(files(world.tree()), files(crate::fixture::tree_of(&fresh)));
    world.assert_fsck_is_clean();
}

#[test]
fn packs_of_a_dead_run_are_removed() {
    let world = world();
    world.stat();
    let packs = world.shadow.join(".git/objects/pack");
    let hash = "0123456789012345678901234567890123456789";
    let left_over = [
        "tmp_nogfso_stat_0.pack".to_owned(),
        format!("tmp_nogfso_stat_{hash}.idx"),
        format!("pack-{hash}.pack"),
    ];
    let others = ["tmp_nogfso_sha_0.pack", "tmp_pack_abcdef"];
    let before = fs::read_dir(&packs).unwrap().count();
    for name in left_over.iter().map(String::as_str).chain(others) {
        fs::write(packs.join(name), "half").unwrap();
    }
    assert_eq!(world.stat().outcome, Outcome::Unchanged);
    assert!(left_over.iter().all(|name| !packs.join(name).exists()));
    assert_eq!(fs::read_dir(&packs).unwrap().count(), before + others.len());
}

#[test]
fn objects_that_a_dead_run_published_do_no_harm() {
    let world = world();
    let twin = world.temp.path().join("twin");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(&world.shadow)
        .arg(&twin)
        .status();
    assert!(copied.unwrap().success());
    let expected = stat_in(&twin, &world.realdir, |_| {}).unwrap();
    for entry in fs::read_dir(twin.join(".git/objects/pack")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(
            entry.path(),
            world
                .shadow
                .join(".git/objects/pack")
                .join(entry.file_name()),
        )
        .unwrap();
    }
    let report = world.stat();
    assert_eq!(
        (report.outcome, report.new),
        (Outcome::Committed, expected.new)
    );
    world.assert_fsck_is_clean();
}

#[test]
fn the_ref_lock_of_a_dead_run_is_removed() {
    let world = world();
    let staged = world.shadow.join(".git/fso/master-stat.next");
    let lock = world.shadow.join(".git/refs/heads/master-stat.lock");
    fs::write(&staged, "0123456789012345678901234567890123456789\n").unwrap();
    fs::hard_link(&staged, &lock).unwrap();
    assert_eq!(world.stat().outcome, Outcome::Committed);
    assert!(!staged.exists() && !lock.exists());
}

#[test]
fn a_run_that_died_after_the_ref_moved_has_succeeded() {
    let world = world();
    let report = world.stat();
    let staged = world.shadow.join(".git/fso/master-stat.next");
    fs::hard_link(world.shadow.join(".git/refs/heads/master-stat"), &staged).unwrap();
    world.write("new", "1", 1);
    let next = world.stat();
    assert_eq!((next.old, next.added), (report.new, 1));
    assert!(!staged.exists());
    world.assert_fsck_is_clean();
}

#[test]
fn the_ref_lock_of_somebody_else_is_respected() {
    let world = world();
    let lock = world.shadow.join(".git/refs/heads/master-stat.lock");
    fs::write(&lock, "").unwrap();
    let before = world.git(&["rev-parse", "master-stat"]);
    let error = world.stat_with(|_| {}).unwrap_err();
    assert!(
        matches!(error, StatError::Ref(RefError::Locked(_))),
        "{error}"
    );
    assert_eq!(world.git(&["rev-parse", "master-stat"]), before);
    fs::remove_file(&lock).unwrap();
    assert_eq!(world.stat().added, 20);
}
