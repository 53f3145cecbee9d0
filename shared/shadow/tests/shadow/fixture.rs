//! A realdir and its shadow in a directory of their own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use nogfso_ids::{Author, RepoId, SubdirTracking};
use nogfso_shadow::{
    CreateError, CreateShadow, Created, Moment, MtimeRange, StatError, StatReport, StatRequest,
    create, stat,
};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use tempfile::TempDir;

pub(crate) const REPO: &str = "0b5e7c3a-6f0e-4c1e-9d52-1f4d2a8c7b11";
pub(crate) const NOW: Moment = Moment {
    unix_s: 1_600_000_000,
    offset_s: 3600,
};

pub(crate) struct World {
    pub(crate) temp: TempDir,
    pub(crate) realdir: PathBuf,
    pub(crate) shadow: PathBuf,
}

/// Path to git mode and object id.
pub(crate) type Listing = BTreeMap<Vec<u8>, (String, String)>;

pub(crate) fn author() -> Author {
    Author::try_new("Alice A", "alice@example.org").unwrap()
}

pub(crate) fn repo() -> RepoId {
    RepoId::parse(REPO).unwrap()
}

impl World {
    /// An empty realdir with a new shadow.
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let realdir = temp.path().join("data/exp1");
        fs::create_dir_all(&realdir).unwrap();
        let shadow = create_in(temp.path(), &realdir).unwrap().path;
        Self {
            temp,
            realdir,
            shadow,
        }
    }

    /// Another shadow of the same realdir, as if nothing had been recorded.
    pub(crate) fn fresh_shadow(&self, number: usize) -> PathBuf {
        create_in(
            &self.temp.path().join(format!("fresh{number}")),
            &self.realdir,
        )
        .unwrap()
        .path
    }

    pub(crate) fn path(&self, path: impl AsRef<OsStr>) -> PathBuf {
        self.realdir.join(path.as_ref())
    }

    pub(crate) fn write(&self, path: impl AsRef<OsStr>, content: &str, mtime: i64) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        set_mtime(&path, mtime);
    }

    pub(crate) fn link(&self, path: impl AsRef<OsStr>, target: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    pub(crate) fn fifo(&self, path: impl AsRef<OsStr>) {
        use rustix::fs::{FileType, Mode};
        let mode = Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(CWD, self.path(path), FileType::Fifo, mode, 0).unwrap();
    }

    pub(crate) fn remove(&self, path: impl AsRef<OsStr>) {
        let path = self.path(path);
        if path.symlink_metadata().unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    pub(crate) fn touch(&self, path: impl AsRef<OsStr>, mtime: i64) {
        set_mtime(&self.path(path), mtime);
    }

    pub(crate) fn stat(&self) -> StatReport {
        self.stat_with(|_| {}).unwrap()
    }

    pub(crate) fn stat_with(
        &self,
        adjust: impl FnOnce(&mut StatRequest<'_>),
    ) -> Result<StatReport, StatError> {
        stat_in(&self.shadow, &self.realdir, adjust)
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git_in(&self.shadow, arguments)
    }

    pub(crate) fn tree(&self) -> Listing {
        tree_of(&self.shadow)
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        let paths = self.tree().into_keys().map(String::from_utf8);
        paths.collect::<Result<_, _>>().unwrap()
    }

    /// The text at `path` on the stat branch.
    pub(crate) fn record(&self, path: &str) -> String {
        self.git(&["cat-file", "blob", &format!("master-stat:{path}")])
    }

    pub(crate) fn assert_fsck_is_clean(&self) {
        let output = git_command(
            &self.shadow,
            &["fsck", "--full", "--strict", "--no-dangling"],
        )
        .output()
        .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success() && said.is_empty(),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }

    /// Every file of the shadow with what tells whether it was written.
    pub(crate) fn shadow_files(&self) -> BTreeMap<PathBuf, (u64, i64, i64)> {
        files_below(&self.shadow)
    }
}

pub(crate) fn files_below(top: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut files = BTreeMap::new();
    let mut todo = vec![top.to_owned()];
    while let Some(path) = todo.pop() {
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            todo.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        files.insert(
            path,
            (metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
        );
    }
    files
}

pub(crate) fn create_request<'a>(
    shadow_root: &'a Path,
    realdir: &'a Path,
    author: &'a Author,
) -> CreateShadow<'a> {
    CreateShadow {
        shadow_root,
        trim_host_root: None,
        host_path: realdir,
        repo: repo(),
        tracking: SubdirTracking::EnterSubdirs,
        author,
        committer: author,
        now: NOW,
    }
}

/// Creates a shadow of `realdir` below `top`.
pub(crate) fn create_in(top: &Path, realdir: &Path) -> Result<Created, CreateError> {
    create(&create_request(&top.join("shadow"), realdir, &author()))
}

pub(crate) fn stat_in(
    shadow: &Path,
    realdir: &Path,
    adjust: impl FnOnce(&mut StatRequest<'_>),
) -> Result<StatReport, StatError> {
    let author = author();
    let mut request = StatRequest {
        shadow,
        realdir,
        author: &author,
        committer: &author,
        now: NOW,
        mtime_range: MtimeRange::No,
        confirm_emptied: false,
        threads: NonZeroUsize::new(3).unwrap(),
    };
    adjust(&mut request);
    stat(&request, &(), &AtomicBool::new(false))
}

pub(crate) fn tree_of(shadow: &Path) -> Listing {
    let output = git_command(shadow, &["ls-tree", "-r", "-z", "master-stat"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let entries = output
        .stdout
        .split(|&byte| byte == 0)
        .filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let tab = entry.iter().position(|&byte| byte == b'\t').unwrap();
            let head = std::str::from_utf8(&entry[..tab]).unwrap();
            let mut parts = head.split(' ');
            let mode = parts.next().unwrap().to_owned();
            (
                entry[tab + 1..].to_vec(),
                (mode, parts.nth(1).unwrap().to_owned()),
            )
        })
        .collect()
}

pub(crate) fn git_in(dir: &Path, arguments: &[&str]) -> String {
    let output = git_command(dir, arguments).output().unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn git_command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(dir)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Bob")
        .env("GIT_AUTHOR_EMAIL", "bob@example.org")
        .env("GIT_COMMITTER_NAME", "Bob")
        .env("GIT_COMMITTER_EMAIL", "bob@example.org");
    command
}

pub(crate) fn set_mtime(path: &Path, mtime: i64) {
    let time = Timespec {
        tv_sec: mtime,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub(crate) fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
