//! Packs under construction. They lie in `objects/pack` under names that git takes for temporary files.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gix_object::Kind;
use sha1::{Digest, Sha1};

use super::encode::Encoder;
use super::index::{self, Position};
use crate::{Oid, durable};

/// How many objects go into one pack; the table of its objects is kept in memory (about 60 bytes each).
pub(crate) const OBJECTS_PER_PACK_MAX: usize = 2_097_152;

const WRITE_BUFFER_BYTES: usize = 256 * 1024;
const PACK_HEADER: [u8; 12] = *b"PACK\0\0\0\x02\0\0\0\0";

/// Takes objects from many threads and writes them into a pack; into a further one when the first is full.
///
/// Nothing is created before the first object, and nothing can be seen before [`PackWriter::publish`]. Dropped before
/// that, it removes what it wrote.
pub(crate) struct PackWriter {
    dir: PathBuf,
    owner: &'static str,
    objects_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<OpenPack>,
    sealed: Vec<SealedPack>,
}

struct OpenPack {
    path: PathBuf,
    out: BufWriter<File>,
    offset: u64,
    positions: HashMap<Oid, (u64, u32)>,
}

struct SealedPack {
    staged_pack: PathBuf,
    staged_index: PathBuf,
    hash: String,
}

impl PackWriter {
    /// Writes packs into the objects of `git_dir` on behalf of `owner`, of which there is one at a time.
    pub(crate) fn new(git_dir: &Path, owner: &'static str) -> Self {
        Self {
            dir: pack_dir(git_dir),
            owner,
            objects_max: OBJECTS_PER_PACK_MAX,
            state: Mutex::default(),
        }
    }

    /// Adds an object and tells its id. An object that the open pack has is not added again.
    ///
    /// # Errors
    ///
    /// Returns the I/O error; the writer is then of no use any more.
    pub(crate) fn add(&self, encoder: &mut Encoder, kind: Kind, body: &[u8]) -> io::Result<Oid> {
        let oid = crate::tree::id_of(kind, body);
        self.add_as(encoder, kind, body, oid)?;
        Ok(oid)
    }

    /// Adds an object whose id is known to be `oid`; else as [`PackWriter::add`].
    pub(crate) fn add_as(
        &self,
        encoder: &mut Encoder,
        kind: Kind,
        body: &[u8],
        oid: Oid,
    ) -> io::Result<()> {
        let bytes = encoder.encode(kind, body);
        let crc32 = crc32fast::hash(bytes);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .open
            .as_ref()
            .is_some_and(|pack| pack.positions.len() >= self.objects_max)
        {
            let full = state.open.take().expect("it was just looked at");
            state.sealed.push(full.seal(&self.dir, self.owner)?);
        }
        let number = state.sealed.len();
        let pack = match &mut state.open {
            Some(pack) => pack,
            none => none.insert(OpenPack::create(&self.dir, self.owner, number)?),
        };
        if let Entry::Vacant(place) = pack.positions.entry(oid) {
            place.insert((pack.offset, crc32));
            pack.out.write_all(bytes)?;
            pack.offset += bytes.len() as u64;
        }
        Ok(())
    }

    /// Makes the objects visible and durable.
    ///
    /// # Errors
    ///
    /// Returns the I/O error; some objects may then be visible, unreferenced.
    pub(crate) fn publish(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = state.open.take() {
            let sealed = pack.seal(&self.dir, self.owner)?;
            state.sealed.push(sealed);
        }
        if state.sealed.is_empty() {
            return Ok(());
        }
        for pack in state.sealed.drain(..) {
            std::fs::rename(
                &pack.staged_pack,
                self.dir.join(format!("pack-{}.pack", pack.hash)),
            )?;
            // The index makes the pack visible, so it comes last.
            std::fs::rename(
                &pack.staged_index,
                self.dir.join(format!("pack-{}.idx", pack.hash)),
            )?;
        }
        durable::sync_directory(&self.dir)
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.open.is_some() || !state.sealed.is_empty() {
            state.open = None;
            if let Err(error) = remove_stale(&self.dir, self.owner) {
                tracing::warn!(%error, "unfinished packs stay until the next run");
            }
        }
    }
}

impl OpenPack {
    fn create(dir: &Path, owner: &str, number: usize) -> io::Result<Self> {
        let path = dir.join(format!("{}{number}.pack", staged_prefix(owner)));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let mut out = BufWriter::with_capacity(WRITE_BUFFER_BYTES, file);
        out.write_all(&PACK_HEADER)?;
        Ok(Self {
            path,
            out,
            offset: PACK_HEADER.len() as u64,
            positions: HashMap::new(),
        })
    }

    /// Completes the pack and writes its index, both synced, under names that no reader looks at.
    fn seal(self, dir: &Path, owner: &str) -> io::Result<SealedPack> {
        let mut file = self
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        let count = u32::try_from(self.positions.len()).expect("a pack holds far fewer objects");
        file.seek(SeekFrom::Start(8))?;
        file.write_all(&count.to_be_bytes())?;
        let hash = hash_from_start(&mut file)?;
        file.write_all(&hash)?;
        file.set_permissions(Permissions::from_mode(0o444))?;
        file.sync_all()?;

        let hex = Oid::Sha1(hash).to_string();
        let staged_index = dir.join(format!("{}{hex}.idx", staged_prefix(owner)));
        let mut positions: Vec<Position> = self
            .positions
            .into_iter()
            .map(|(oid, (offset, crc32))| Position { oid, crc32, offset })
            .collect();
        let mut index = BufWriter::new(File::create_new(&staged_index)?);
        index::write(&mut index, &mut positions, hash)?;
        let index = index.into_inner().map_err(io::IntoInnerError::into_error)?;
        index.set_permissions(Permissions::from_mode(0o444))?;
        index.sync_all()?;
        Ok(SealedPack {
            staged_pack: self.path,
            staged_index,
            hash: hex,
        })
    }
}

fn hash_from_start(file: &mut File) -> io::Result<[u8; 20]> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; WRITE_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn pack_dir(git_dir: &Path) -> PathBuf {
    git_dir.join("objects/pack")
}

/// Git removes stale files that start with `tmp_`, should we never come back.
fn staged_prefix(owner: &str) -> String {
    format!("tmp_nogfso_{owner}_")
}

/// Removes what a dead run of `owner` left in the objects of `git_dir`.
///
/// # Errors
///
/// Returns the I/O error.
pub(crate) fn clean_up(git_dir: &Path, owner: &str) -> io::Result<()> {
    remove_stale(&pack_dir(git_dir), owner)
}

fn remove_stale(dir: &Path, owner: &str) -> io::Result<()> {
    let prefix = staged_prefix(owner);
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&prefix)) else {
            continue;
        };
        if let Some(hash) = rest.strip_suffix(".idx") {
            // Its pack may have been renamed already, and without an index nobody would ever remove it.
            if !dir.join(format!("pack-{hash}.idx")).exists() {
                durable::remove_if_present(&dir.join(format!("pack-{hash}.pack")))?;
            }
        }
        durable::remove_if_present(&dir.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(git_dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(pack_dir(git_dir)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn writer(git_dir: &Path, objects_max: usize) -> PackWriter {
        std::fs::create_dir_all(pack_dir(git_dir)).unwrap();
        let mut writer = PackWriter::new(git_dir, "test");
        writer.objects_max = objects_max;
        writer
    }

    #[test]
    fn a_full_pack_is_followed_by_another_and_each_object_can_be_read() {
        let temp = tempfile::tempdir().unwrap();
        let writer = writer(temp.path(), 2);
        let mut encoder = Encoder::new();
        let bodies: Vec<String> = (0..5)
            .map(|number| format!("{number}").repeat(100 * number))
            .collect();
        let oids: Vec<Oid> = bodies
            .iter()
            .map(|body| {
                writer
                    .add(&mut encoder, Kind::Blob, body.as_bytes())
                    .unwrap()
            })
            .collect();
        assert!(
            names(temp.path())
                .iter()
                .all(|name| name.starts_with("tmp_"))
        );
        writer.publish().unwrap();
        let names = names(temp.path());
        assert_eq!(
            names.iter().filter(|name| name.ends_with(".pack")).count(),
            3
        );
        assert!(
            names.len() == 6 && names.iter().all(|name| name.starts_with("pack-")),
            "{names:?}"
        );
        let odb = crate::odb::Odb::open(temp.path()).unwrap();
        for (oid, body) in oids.into_iter().zip(bodies) {
            let mut read = Vec::new();
            odb.read(oid, Kind::Blob, &mut read).unwrap();
            assert!(read == body.as_bytes());
        }
    }

    #[test]
    fn an_object_that_comes_twice_is_written_once() {
        let temp = tempfile::tempdir().unwrap();
        let writer = writer(temp.path(), 2);
        let mut encoder = Encoder::new();
        for _ in 0..3 {
            writer.add(&mut encoder, Kind::Blob, b"same").unwrap();
        }
        writer.publish().unwrap();
        let pack = names(temp.path())
            .into_iter()
            .find(|name| name.ends_with(".pack"))
            .unwrap();
        let bytes = std::fs::read(pack_dir(temp.path()).join(pack)).unwrap();
        assert_eq!(bytes[8..12], [0, 0, 0, 1]);
    }

    #[test]
    fn what_is_not_published_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let writer = writer(temp.path(), 1);
        let mut encoder = Encoder::new();
        writer.add(&mut encoder, Kind::Blob, b"a").unwrap();
        writer.add(&mut encoder, Kind::Blob, b"b").unwrap();
        drop(writer);
        assert_eq!(names(temp.path()), Vec::<String>::new());
    }

    #[test]
    fn without_objects_nothing_is_written() {
        let temp = tempfile::tempdir().unwrap();
        writer(temp.path(), 1).publish().unwrap();
        assert_eq!(names(temp.path()), Vec::<String>::new());
    }
}
