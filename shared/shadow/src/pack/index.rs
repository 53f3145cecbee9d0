//! The index of a pack, version 2.

use std::io::{self, Write};

use sha1::{Digest, Sha1};

use crate::Oid;

/// Where an object lies in its pack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    pub(crate) oid: Oid,
    pub(crate) crc32: u32,
    pub(crate) offset: u64,
}

/// Offsets from here on go into the table of long offsets.
const LONG_OFFSET_MIN: u64 = 1 << 31;

/// Writes the index of the pack with the checksum `pack_hash`. Brings `positions` into order.
///
/// # Errors
///
/// Returns the error of `out`.
pub(crate) fn write(
    out: impl Write,
    positions: &mut [Position],
    pack_hash: [u8; 20],
) -> io::Result<()> {
    positions.sort_unstable_by_key(|position| position.oid);
    let mut out = Hashing {
        out,
        hash: Sha1::new(),
    };
    out.write_all(b"\xfftOc\0\0\0\x02")?;
    let mut below = 0;
    for first_byte in 0..=255_u8 {
        let rest = &positions[below..];
        below += rest.partition_point(|position| position.oid.as_slice()[0] <= first_byte);
        out.write_all(&count(below).to_be_bytes())?;
    }
    for position in positions.iter() {
        out.write_all(position.oid.as_slice())?;
    }
    for position in positions.iter() {
        out.write_all(&position.crc32.to_be_bytes())?;
    }
    let mut long_offsets = Vec::new();
    for position in positions.iter() {
        let field = match u32::try_from(position.offset) {
            Ok(offset) if position.offset < LONG_OFFSET_MIN => offset,
            Ok(_) | Err(_) => {
                long_offsets.push(position.offset);
                1 << 31 | count(long_offsets.len() - 1)
            }
        };
        out.write_all(&field.to_be_bytes())?;
    }
    for offset in long_offsets {
        out.write_all(&offset.to_be_bytes())?;
    }
    out.write_all(&pack_hash)?;
    let hash = out.hash.finalize();
    out.out.write_all(&hash)?;
    out.out.flush()
}

fn count(items: usize) -> u32 {
    u32::try_from(items).expect("a pack holds far fewer objects")
}

struct Hashing<W> {
    out: W,
    hash: Sha1,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_objects_are_in_the_table_of_long_offsets() {
        let position = |byte: u8, offset| Position {
            oid: Oid::Sha1([byte; 20]),
            crc32: u32::from(byte),
            offset,
        };
        let mut positions = [
            position(9, LONG_OFFSET_MIN),
            position(1, LONG_OFFSET_MIN - 1),
            position(5, 1 << 40),
        ];
        let mut out = Vec::new();
        write(&mut out, &mut positions, [7; 20]).unwrap();
        let offsets = 8 + 256 * 4 + 3 * 20 + 3 * 4;
        let expected = [
            0x7fff_ffff_u32.to_be_bytes().as_slice(),
            &0x8000_0000_u32.to_be_bytes(),
            &0x8000_0001_u32.to_be_bytes(),
            &(1_u64 << 40).to_be_bytes(),
            &LONG_OFFSET_MIN.to_be_bytes(),
            &[7; 20],
        ]
        .concat();
        assert_eq!(out[offsets..offsets + expected.len()], expected);
        assert_eq!(out.len(), offsets + expected.len() + 20);
    }
}
