//! The data folder: its layout, and the lock that says that a `nogfso` is alive on it.
//!
//! A second lock, on [`Folder::broker_lock`], says that a NATS server is alive on it. It is left to
//! [`broker`](crate::broker), since a server may outlive the process that started it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::accounts::UserName;
use crate::private_file;

/// The layout that this version reads and writes.
pub const LAYOUT: u32 = 1;

const ALIVE_LOCK: &str = "nogfso.lock";
const LAYOUT_FILE: &str = "layout.json";
const SERVER_ID_BYTES: usize = 6;
/// What may lie in a folder that is not ours yet: traces of a start that was broken off, and what file systems put there.
const HARMLESS: [&str; 4] = [ALIVE_LOCK, "layout.draft", "lost+found", "shadow"];

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It, or something in it, cannot be read or written.
    #[error("{path} cannot be used")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another `nogfso` works on it.
    #[error(
        "{path} is in use by the nogfso with process id {owner}: stop that one, or name another folder with --data"
    )]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// What its lock file says.
        owner: String,
    },
    /// Something else lies there.
    #[error(
        "{path} is no data folder of nogfso and not empty (it holds {found:?}): name a new or empty folder with --data"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// One of the names in it.
        found: String,
    },
    /// It was made by a version with another layout.
    #[error("{path} has layout {found}, and this version reads {LAYOUT} only")]
    OtherLayout {
        /// The folder.
        path: PathBuf,
        /// Its layout.
        found: String,
    },
    /// Its path cannot stand in configuration files.
    #[error(
        "the path {path:?} is not UTF-8 or has control characters: name another folder with --data"
    )]
    BadPath {
        /// The path.
        path: PathBuf,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Layout {
    layout: u32,
    server: String,
}

/// A data folder that is this process's alone until the value is dropped or the process ends.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    server: String,
    _alive: File,
}

impl Folder {
    /// Opens the data folder at `path`, made if it is not there, and locks it.
    ///
    /// # Errors
    ///
    /// See [`FolderError`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        make_private(path)?;
        let root = path.canonicalize().map_err(io_at(path))?;
        if root
            .to_str()
            .is_none_or(|text| text.chars().any(char::is_control))
        {
            return Err(FolderError::BadPath { path: root });
        }
        let layout_file = root.join(LAYOUT_FILE);
        if !layout_file.exists() {
            refuse_foreign(&root)?;
        }
        let alive = lock_alive(&root)?;
        let layout = match fs::read(&layout_file) {
            Ok(bytes) => read_layout(&root, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => begin_layout(&layout_file)?,
            Err(error) => return Err(io_at(&layout_file)(error)),
        };
        let folder = Self {
            root,
            server: layout.server,
            _alive: alive,
        };
        for part in [folder.secrets(), folder.logs(), folder.broker_store()] {
            make_private(&part)?;
        }
        Ok(folder)
    }

    /// The absolute path, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The name of this folder's NATS server; another folder's has another.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server
    }

    /// The folder of passwords.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    /// The folder of logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where shadow repos lie unless settings say otherwise.
    #[must_use]
    pub fn shadow(&self) -> PathBuf {
        self.root.join("shadow")
    }

    /// JetStream's folder.
    #[must_use]
    pub fn broker_store(&self) -> PathBuf {
        self.root.join("nats")
    }

    /// The configuration of the NATS server, as the running one was started with.
    #[must_use]
    pub fn broker_configuration(&self) -> PathBuf {
        self.root.join("nats.conf")
    }

    /// The file in which the NATS server writes its process id.
    #[must_use]
    pub fn broker_pid(&self) -> PathBuf {
        self.root.join("nats.pid")
    }

    /// The file that is locked for as long as a NATS server lives on this folder.
    #[must_use]
    pub fn broker_lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The context file of the operator.
    #[must_use]
    pub fn operator_context(&self) -> PathBuf {
        self.root.join("context.json")
    }

    /// The context file of a user who is not the operator.
    #[must_use]
    pub fn user_context(&self, name: &UserName) -> PathBuf {
        self.root.join(format!("context-{name}.json"))
    }

    /// Removes the context files of users that are not among `present`.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be removed.
    pub fn forget_other_users(&self, present: &[UserName]) -> Result<(), FolderError> {
        for name in names_in(&self.root)? {
            let user = name
                .strip_prefix("context-")
                .and_then(|rest| rest.strip_suffix(".json"));
            if user.is_some_and(|user| present.iter().all(|name| name.as_str() != user)) {
                let path = self.root.join(&name);
                fs::remove_file(&path).map_err(io_at(&path))?;
            }
        }
        Ok(())
    }
}

fn lock_alive(root: &Path) -> Result<File, FolderError> {
    let path = root.join(ALIVE_LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io_at(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = fs::read_to_string(&path).unwrap_or_default();
            return Err(FolderError::InUse {
                path: root.to_owned(),
                owner: owner.trim_end().to_owned(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(io_at(&path)(error)),
    }
    file.set_len(0).map_err(io_at(&path))?;
    writeln!(file, "{}", std::process::id()).map_err(io_at(&path))?;
    Ok(file)
}

fn refuse_foreign(root: &Path) -> Result<(), FolderError> {
    match names_in(root)?
        .into_iter()
        .find(|name| !HARMLESS.contains(&name.as_str()))
    {
        None => Ok(()),
        // Another start may have made the layout since it was looked for.
        Some(_) if root.join(LAYOUT_FILE).exists() => Ok(()),
        Some(found) => Err(FolderError::Foreign {
            path: root.to_owned(),
            found,
        }),
    }
}

fn read_layout(root: &Path, bytes: &[u8]) -> Result<Layout, FolderError> {
    let other = |found: String| FolderError::OtherLayout {
        path: root.to_owned(),
        found,
    };
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|_| other("unknown".to_owned()))?;
    if value["layout"] != LAYOUT {
        return Err(other(value["layout"].to_string()));
    }
    serde_json::from_value(value).map_err(|_| other("unknown".to_owned()))
}

fn begin_layout(path: &Path) -> Result<Layout, FolderError> {
    let id: [u8; SERVER_ID_BYTES] = rand::random();
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let layout = Layout {
        layout: LAYOUT,
        server: format!("nogfso-{id}"),
    };
    let text = serde_json::to_string(&layout).expect("a number and a string can be written");
    private_file::write(path, &format!("{text}\n")).map_err(io_at(path))?;
    Ok(layout)
}

fn names_in(folder: &Path) -> Result<Vec<String>, FolderError> {
    fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        })
        .map_err(io_at(folder))
}

/// Makes a folder that only its owner may enter, and those above it, where they are missing.
///
/// # Errors
///
/// Fails if it cannot be made.
pub fn make_private(path: &Path) -> Result<(), FolderError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io_at(path))
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> FolderError {
    move |source| FolderError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_keeps_its_server_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        let first = Folder::open(&path).unwrap().server_name().to_owned();
        assert_eq!(Folder::open(&path).unwrap().server_name(), first);
        let other = Folder::open(&place.path().join("c")).unwrap();
        assert_ne!(other.server_name(), first);
        let mode = fs::metadata(other.secrets()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn two_at_once_are_refused_and_the_owner_is_named() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let error = Folder::open(place.path()).unwrap_err();
        let FolderError::InUse { owner, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(owner, std::process::id().to_string());
        drop(folder);
        Folder::open(place.path()).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("thesis.tex"), "").unwrap();
        let error = Folder::open(place.path()).unwrap_err();
        assert!(matches!(error, FolderError::Foreign { .. }), "{error}");
        assert_eq!(names_in(place.path()).unwrap(), ["thesis.tex"]);
    }

    #[test]
    fn another_layout_is_refused() {
        let place = tempfile::tempdir().unwrap();
        drop(Folder::open(place.path()).unwrap());
        for text in ["{\"layout\":2,\"server\":\"a\"}", "", "{\"layout\":1}"] {
            fs::write(place.path().join(LAYOUT_FILE), text).unwrap();
            let error = Folder::open(place.path()).unwrap_err();
            assert!(matches!(error, FolderError::OtherLayout { .. }), "{error}");
        }
    }

    #[test]
    fn contexts_of_users_who_are_gone_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let (alice, bob) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        for path in [
            folder.operator_context(),
            folder.user_context(&alice),
            folder.user_context(&bob),
        ] {
            fs::write(path, "").unwrap();
        }
        folder
            .forget_other_users(std::slice::from_ref(&bob))
            .unwrap();
        assert!(folder.operator_context().exists());
        assert!(!folder.user_context(&alice).exists());
        assert!(folder.user_context(&bob).exists());
    }
}
