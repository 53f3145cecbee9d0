//! Making a new shadow: complete at its final path, or not there at all.
//!
//! Decides what a new shadow contains and how it appears in one step. Which repo gets one, and that only one process
//! at a time tries for a repo, is the caller's.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use gix_object::Kind;
use nogfso_faults::{Point, reach};
use nogfso_ids::{Author, RepoId, SubdirTracking};
use rustix::fs::RenameFlags;

use crate::commit::{Commit, Moment};
use crate::location::{PlacementError, shadow_path};
use crate::pack::{Encoder, PackWriter};
use crate::refs::{self, RefError};
use crate::stub::{is_supported, stub_files};
use crate::tree::{self, Entry, EntryType};
use crate::{Oid, directory, durable};

/// The branches that a shadow has from the beginning, all at one commit.
const INITIAL_BRANCHES: [&str; 6] = [
    "master-content",
    "master-sha",
    "master-sot",
    "master-stat",
    STUB_BRANCH,
    "master-tos",
];
const STUB_BRANCH: &str = "master-stub";

/// What shadow is to be made.
#[derive(Debug, Clone)]
pub struct CreateShadow<'a> {
    /// The directory of all shadows.
    pub shadow_root: &'a Path,
    /// What is left out of the host path below the shadow root.
    pub trim_host_root: Option<&'a Path>,
    /// The real directory.
    pub host_path: &'a Path,
    /// The repo.
    pub repo: RepoId,
    /// The tracking mode.
    pub tracking: SubdirTracking,
    /// The author of the first commit.
    pub author: &'a Author,
    /// Its committer.
    pub committer: &'a Author,
    /// Its time.
    pub now: Moment,
}

/// A shadow that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was there before.
    pub was_there: bool,
}

/// Why there is no shadow. Nothing stands at the final path that was not there before.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The mode is not supported yet.
    #[error("subdir tracking {0} is not supported yet")]
    UnsupportedTracking(SubdirTracking),
    /// The paths do not allow a shadow.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// There is no real directory.
    #[error("`{}` is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// Something else stands at the path of the shadow.
    #[error("`{}` exists, but is not the shadow of repo {repo}: it says {found:?}", path.display())]
    Occupied {
        /// The path of the shadow.
        path: PathBuf,
        /// The repo.
        repo: RepoId,
        /// What is in its file `.git/fso/uuid`; `None` without one.
        found: Option<String>,
    },
    /// The file system failed.
    #[error("failed to create the shadow at `{}`", path.display())]
    Io {
        /// The path of the shadow.
        path: PathBuf,
        /// How it failed.
        #[source]
        source: io::Error,
    },
    /// A ref could not be written.
    #[error(transparent)]
    Ref(#[from] RefError),
}

/// Creates the shadow of a repo, with its first commit on all initial branches and without any record.
///
/// Repeating it is harmless, also after a run that died at any point: a complete shadow is left as it is, an
/// incomplete one is removed.
///
/// # Errors
///
/// Returns a [`CreateError`].
pub fn create(request: &CreateShadow<'_>) -> Result<Created, CreateError> {
    if !is_supported(request.tracking) {
        return Err(CreateError::UnsupportedTracking(request.tracking));
    }
    let path = shadow_path(
        request.shadow_root,
        request.trim_host_root,
        request.host_path,
        request.repo,
    )?;
    let failed = |source| CreateError::Io {
        path: path.clone(),
        source,
    };
    let parent = path.parent().unwrap_or(request.shadow_root);
    remove_left_overs(parent, request.repo).map_err(failed)?;
    if path.symlink_metadata().is_ok() {
        verify(&path, request.repo)?;
        return Ok(Created {
            path,
            was_there: true,
        });
    }
    if directory::open_start(request.host_path).is_err() {
        return Err(CreateError::NotADirectory(request.host_path.to_owned()));
    }
    make_directories(parent).map_err(failed)?;
    let nanoseconds = i128::from(request.now.unix_s) * 1_000_000_000;
    let staged = parent.join(format!("{}{nanoseconds}__", left_over_prefix(request.repo)));
    let built = build(request, &staged, &path);
    if let Err(error) = built {
        if let Err(error) = std::fs::remove_dir_all(&staged) {
            tracing::warn!(%error, path = %staged.display(), "an incomplete shadow stays until the next try");
        }
        return Err(error);
    }
    Ok(Created {
        path,
        was_there: false,
    })
}

fn build(request: &CreateShadow<'_>, staged: &Path, path: &Path) -> Result<(), CreateError> {
    let failed = |source| CreateError::Io {
        path: path.to_owned(),
        source,
    };
    let layout = Layout {
        request,
        git_dir: staged.join(".git"),
    };
    DirBuilder::new()
        .mode(0o755)
        .create(staged)
        .map_err(failed)?;
    layout.write_directories().map_err(failed)?;
    let commit = layout.write_objects().map_err(failed)?;
    layout.write_refs(commit).map_err(failed)?;
    layout.write_reflogs(commit)?;
    layout.write_files(staged).map_err(failed)?;
    sync_directories(staged).map_err(failed)?;
    reach(Point::StadShadowStaged);
    let here = rustix::fs::CWD;
    rustix::fs::renameat_with(here, staged, here, path, RenameFlags::NOREPLACE)
        .map_err(|error| failed(error.into()))?;
    durable::sync_parent(path).map_err(failed)
}

/// A shadow under construction.
struct Layout<'a> {
    request: &'a CreateShadow<'a>,
    git_dir: PathBuf,
}

impl Layout<'_> {
    fn write_directories(&self) -> io::Result<()> {
        for directory in [
            "fso",
            "info",
            "logs/refs/heads",
            "objects/info",
            "objects/pack",
            "refs/heads",
            "refs/tags",
        ] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(self.git_dir.join(directory))?;
        }
        Ok(())
    }

    fn write_objects(&self) -> io::Result<Oid> {
        let pack = PackWriter::new(&self.git_dir, "init");
        let mut encoder = Encoder::new();
        let mut entries = Vec::new();
        for (name, content) in stub_files(self.request.tracking) {
            entries.push(Entry {
                name: name.as_bytes().to_owned(),
                kind: EntryType::Record,
                oid: pack.add(&mut encoder, Kind::Blob, content.as_bytes())?,
            });
        }
        let commit = Commit {
            tree: pack.add(&mut encoder, Kind::Tree, &tree::serialise(&mut entries))?,
            parent: None,
            author: self.request.author,
            committer: self.request.committer,
            at: self.request.now,
            message: &self.message(),
        };
        let commit = pack.add(&mut encoder, Kind::Commit, &commit.to_bytes())?;
        pack.publish()?;
        Ok(commit)
    }

    fn message(&self) -> String {
        format!("init {}", self.request.now.iso())
    }

    fn write_refs(&self, commit: Oid) -> io::Result<()> {
        let heads = self.git_dir.join("refs/heads");
        for branch in INITIAL_BRANCHES {
            durable::create(&heads.join(branch), format!("{commit}\n").as_bytes())?;
        }
        let head = format!("ref: refs/heads/{STUB_BRANCH}\n");
        durable::create(&self.git_dir.join("HEAD"), head.as_bytes()).map(drop)
    }

    fn write_reflogs(&self, commit: Oid) -> Result<(), RefError> {
        let nothing = Oid::null(gix_hash::Kind::Sha1);
        let message = format!("commit (initial): {}", self.message());
        let line = refs::reflog_line(
            nothing,
            commit,
            self.request.committer,
            self.request.now,
            &message,
        );
        for branch in INITIAL_BRANCHES {
            refs::append_reflog(&self.git_dir, &format!("refs/heads/{branch}"), &line)?;
        }
        refs::append_reflog(&self.git_dir, "HEAD", &line)
    }

    fn write_files(&self, staged: &Path) -> io::Result<()> {
        for (name, content) in stub_files(self.request.tracking) {
            durable::create(&staged.join(name), content.as_bytes())?;
        }
        let uuid = format!("{}\n", self.request.repo);
        let config = config(self.request.host_path);
        let files: [(&str, &[u8]); 5] = [
            ("index", &index(stub_files(self.request.tracking))),
            ("info/exclude", b""),
            ("info/attributes", b""),
            ("config", &config),
            ("fso/uuid", uuid.as_bytes()),
        ];
        for (name, content) in files {
            durable::create(&self.git_dir.join(name), content)?;
        }
        Ok(())
    }
}

/// The settings that git and other readers of the format look for.
fn config(host_path: &Path) -> Vec<u8> {
    let mut text = b"[core]\n\trepositoryformatversion = 0\n\tfilemode = false\n\tbare = false\n\
        \tlogallrefupdates = true\n\ttrustctime = false\n[fso]\n\trealdir = \""
        .to_vec();
    for &byte in host_path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', byte]),
            b'\n' => text.extend(b"\\n"),
            b'\t' => text.extend(b"\\t"),
            _ => text.push(byte),
        }
    }
    text.extend(b"\"\n");
    for filter in ["stat", "sha"] {
        let section = format!(
            "[filter \"{filter}\"]\n\tclean = $GIT_DIR/fso/bin/{filter}-clean %f\n\
            \tsmudge = $GIT_DIR/fso/bin/{filter}-smudge\n\trequired = true\n",
        );
        text.extend(section.bytes());
    }
    text
}

/// An index of the stub checkout without cached stat data, so that `git status` is clean.
fn index(files: &[(&str, &str)]) -> Vec<u8> {
    use sha1::{Digest, Sha1};

    const STAT_DATA_BYTES: usize = 24;
    const OWNER_AND_SIZE_BYTES: usize = 12;
    let small = |length: usize| u16::try_from(length).expect("the stub is small");
    let mut bytes = b"DIRC\0\0\0\x02".to_vec();
    bytes.extend(u32::from(small(files.len())).to_be_bytes());
    for (name, content) in files {
        let start = bytes.len();
        bytes.extend([0; STAT_DATA_BYTES]);
        bytes.extend(0o100_644_u32.to_be_bytes());
        bytes.extend([0; OWNER_AND_SIZE_BYTES]);
        bytes.extend(tree::id_of(Kind::Blob, content.as_bytes()).as_slice());
        bytes.extend(small(name.len()).to_be_bytes());
        bytes.extend(name.bytes());
        // At least one NUL ends the name, and entries are multiples of eight bytes long.
        let padding = 8 - (bytes.len() - start) % 8;
        bytes.resize(bytes.len() + padding, 0);
    }
    let checksum = Sha1::digest(&bytes);
    bytes.extend(checksum);
    bytes
}

/// Accepts what stands at `path` only if it is a shadow of `repo`.
fn verify(path: &Path, repo: RepoId) -> Result<(), CreateError> {
    let found = std::fs::read_to_string(path.join(".git/fso/uuid")).ok();
    if found.as_deref().map(str::trim_end) == Some(repo.to_string().as_str()) {
        return Ok(());
    }
    Err(CreateError::Occupied {
        path: path.to_owned(),
        repo,
        found,
    })
}

fn left_over_prefix(repo: RepoId) -> String {
    format!("{repo}.fso.__tmp__")
}

fn remove_left_overs(parent: &Path, repo: RepoId) -> io::Result<()> {
    let entries = match std::fs::read_dir(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let prefix = left_over_prefix(repo);
    for entry in entries {
        let name = entry?.file_name();
        if name.as_bytes().starts_with(prefix.as_bytes()) {
            std::fs::remove_dir_all(parent.join(name))?;
        }
    }
    Ok(())
}

/// Makes `path` and what is missing above it, and syncs each directory that got a new entry.
fn make_directories(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|above| !above.exists())
        .collect();
    DirBuilder::new().recursive(true).mode(0o755).create(path)?;
    missing.into_iter().rev().try_for_each(durable::sync_parent)
}

fn sync_directories(top: &Path) -> io::Result<()> {
    let mut todo = vec![top.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                todo.push(entry.path());
            }
        }
        durable::sync_directory(&directory)?;
    }
    Ok(())
}
