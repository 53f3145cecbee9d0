//! What a tree amounts to: counts, size, range of times. Hard links count as files each, their size once.

use std::collections::HashMap;

/// How many hard-linked files whose other names are still to come are remembered in one walk (about 40 bytes each).
pub(crate) const HARD_LINKS_PENDING_MAX: usize = 4_194_304;

/// Counts over a directory tree, the start directory included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Directories.
    pub dirs: u64,
    /// Regular files; every hard-linked name counts.
    pub files: u64,
    /// Symbolic links.
    pub links: u64,
    /// Everything else: pipes, sockets, devices.
    pub others: u64,
    /// Apparent size in bytes of the distinct regular files.
    pub bytes: u64,
    /// The earliest and the latest modification time, in whole seconds since 1970.
    pub mtime_range: Option<(i64, i64)>,
}

impl Totals {
    pub(crate) fn saw_mtime(&mut self, mtime: i64) {
        let (min, max) = self.mtime_range.unwrap_or((mtime, mtime));
        self.mtime_range = Some((min.min(mtime), max.max(mtime)));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.dirs += other.dirs;
        self.files += other.files;
        self.links += other.links;
        self.others += other.others;
        self.bytes = self.bytes.saturating_add(other.bytes);
        if let Some((min, max)) = other.mtime_range {
            self.saw_mtime(min);
            self.saw_mtime(max);
        }
    }
}

/// Tells the first name of a hard-linked file from its other names.
///
/// A file is forgotten with its last name, so a tree that holds all names of its files needs little memory.
#[derive(Debug, Default)]
pub(crate) struct HardLinks {
    names_to_come: HashMap<u64, u64>,
}

impl HardLinks {
    /// Whether `inode`, a file with `link_count` names, is seen for the first time.
    ///
    /// Beyond [`HARD_LINKS_PENDING_MAX`] the answer may be wrongly yes.
    pub(crate) fn is_first(&mut self, inode: u64, link_count: u64) -> bool {
        if let Some(left) = self.names_to_come.get_mut(&inode) {
            *left -= 1;
            if *left == 0 {
                self.names_to_come.remove(&inode);
            }
            return false;
        }
        if link_count > 1 && self.names_to_come.len() < HARD_LINKS_PENDING_MAX {
            self.names_to_come.insert(inode, link_count - 1);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_three_names_counts_once_and_is_then_forgotten() {
        let mut links = HardLinks::default();
        assert_eq!([(); 3].map(|()| links.is_first(7, 3)), [true, false, false]);
        assert!(links.names_to_come.is_empty());
    }
}
