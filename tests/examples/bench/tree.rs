//! Stats of a tree of files, beside `find` over the same tree: the limit of everything that looks at each file.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::{Context, ensure};
use nogfso_ids::{Author, RepoId, SubdirTracking};
use nogfso_journal::Environment;
use nogfso_shadow::{CreateShadow, Moment, MtimeRange, Outcome, StatRequest, create, stat};

use crate::measure::{Better, Figure, Rounds, Values, millis};

const DIRECTORIES: usize = 200;
const FILES_PER_DIRECTORY: usize = 100;

/// First and unchanged stats of the tree, and `find`.
pub(crate) fn figures(rounds: u32) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let tree = folder.path().join("tree");
    plant(&tree)?;
    let (mut find_ms, mut first_ms, mut again_ms) =
        (Values::default(), Values::default(), Values::default());
    let mut rounds = Rounds::new(rounds);
    let mut round = 0;
    while let Some(counts) = rounds.next() {
        find_ms.note(counts, find(&tree)?);
        let shadows = folder.path().join(format!("shadows-{round}"));
        let shadow = new_shadow(&shadows, &tree)?;
        first_ms.note(counts, timed_stat(&shadow, &tree, Outcome::Committed)?);
        again_ms.note(counts, timed_stat(&shadow, &tree, Outcome::Unchanged)?);
        round += 1;
    }
    let find = Figure::new("find-20000-files", find_ms.median(), "ms");
    let first = Figure::new("stat-20000-files-first", first_ms.median(), "ms");
    let again = Figure::new("stat-20000-files-unchanged", again_ms.median(), "ms");
    Ok(vec![
        first.against(&find, Better::Less),
        again.against(&find, Better::Less),
        find,
    ])
}

fn plant(tree: &Path) -> anyhow::Result<()> {
    for directory in 0..DIRECTORIES {
        let directory = tree.join(format!("directory-{directory:03}"));
        fs::create_dir_all(&directory)?;
        for file in 0..FILES_PER_DIRECTORY {
            fs::write(directory.join(format!("file-{file:03}.dat")), "content")?;
        }
    }
    Ok(())
}

fn find(tree: &Path) -> anyhow::Result<f64> {
    let began = Instant::now();
    let status = Command::new("find")
        .arg(tree)
        .args(["-printf", r"%p %s %T@\n"])
        .stdout(Stdio::null())
        .status()
        .context("find does not start: install findutils")?;
    let time = millis(began.elapsed());
    ensure!(status.success(), "find failed: GNU findutils are needed");
    Ok(time)
}

fn new_shadow(shadows: &Path, tree: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir(shadows)?;
    let author = author()?;
    let created = create(&CreateShadow {
        shadow_root: shadows,
        trim_host_root: None,
        host_path: tree,
        repo: RepoId::parse("b9b31f64-9a2c-4d0e-8f5d-5a6f0d4f3a11")?,
        tracking: SubdirTracking::EnterSubdirs,
        author: &author,
        committer: &author,
        now: now()?,
    })?;
    Ok(created.path)
}

fn timed_stat(shadow: &Path, tree: &Path, expected: Outcome) -> anyhow::Result<f64> {
    let author = author()?;
    let request = StatRequest {
        shadow,
        realdir: tree,
        author: &author,
        committer: &author,
        now: now()?,
        mtime_range: MtimeRange::No,
        confirm_emptied: false,
        threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let began = Instant::now();
    let report = stat(&request, &(), &AtomicBool::new(false))?;
    let time = millis(began.elapsed());
    ensure!(
        report.outcome == expected,
        "the stat ended as {:?}, not {expected:?}",
        report.outcome
    );
    Ok(time)
}

fn author() -> anyhow::Result<Author> {
    Ok(Author::try_new("Bench", "bench@example.invalid")?)
}

fn now() -> anyhow::Result<Moment> {
    Ok(Moment {
        unix_s: i64::try_from(Environment::system().now_ms() / 1_000)?,
        offset_s: 0,
    })
}
