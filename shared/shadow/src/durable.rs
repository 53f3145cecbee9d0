//! Files that are on disk when the call returns.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Creates `path` with `content` and syncs it; the directory entry is the caller's to sync.
///
/// # Errors
///
/// Returns the I/O error; that the file exists is one.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(file)
}

/// Puts `content` at `path` in one step, whatever was there before.
///
/// # Errors
///
/// Returns the I/O error; `path` is then as it was.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    remove_if_present(staged.as_ref())?;
    create(staged.as_ref(), content)?;
    std::fs::rename(&staged, path)?;
    sync_parent(path)
}

/// Removes a file; that it is gone already is fine.
///
/// # Errors
///
/// Returns any other I/O error.
pub(crate) fn remove_if_present(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Syncs a directory, so that its entries last.
///
/// # Errors
///
/// Returns the I/O error.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Syncs the directory that holds `path`.
///
/// # Errors
///
/// Returns the I/O error.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}
