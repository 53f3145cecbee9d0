//! The bytes of one object in a pack: type and size, then the zlib stream. No deltas; `git gc` makes those.

use flate2::{Compress, Compression, FlushCompress, Status};
use gix_object::Kind;

/// Objects up to this size are not compressed: setting up costs more than the few bytes it would save.
const STORED_BYTES_MAX: usize = 160;

/// Encodes objects one after the other; one per thread, since its buffers are large.
pub(crate) struct Encoder {
    deflate: Compress,
    out: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self {
            deflate: Compress::new(Compression::fast(), true),
            out: Vec::new(),
        }
    }

    /// The pack entry of an object; valid until the next call.
    pub(crate) fn encode(&mut self, kind: Kind, body: &[u8]) -> &[u8] {
        self.out.clear();
        push_header(&mut self.out, kind, body.len());
        if body.len() <= STORED_BYTES_MAX {
            push_stored(&mut self.out, body);
        } else {
            self.push_deflated(body);
        }
        &self.out
    }

    fn push_deflated(&mut self, body: &[u8]) {
        self.deflate.reset();
        loop {
            let read = usize::try_from(self.deflate.total_in()).expect("a body is in memory");
            self.out.reserve(body.len() / 2 + 64);
            let status = self
                .deflate
                .compress_vec(&body[read..], &mut self.out, FlushCompress::Finish)
                .expect("deflating from memory cannot fail");
            if status == Status::StreamEnd {
                return;
            }
        }
    }
}

fn push_header(out: &mut Vec<u8>, kind: Kind, size: usize) {
    let number = match kind {
        Kind::Commit => 1_u8,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let low = |bits: usize, mask: usize| u8::try_from(bits & mask).expect("the mask fits a byte");
    let mut rest = size >> 4;
    out.push(number << 4 | low(size, 15) | if rest > 0 { 128 } else { 0 });
    while rest > 0 {
        let more = if rest >> 7 > 0 { 128 } else { 0 };
        out.push(low(rest, 127) | more);
        rest >>= 7;
    }
}

/// A zlib stream of one stored block.
fn push_stored(out: &mut Vec<u8>, body: &[u8]) {
    let length = u16::try_from(body.len()).expect("only small bodies are stored");
    out.extend([0x78, 0x01, 0x01]);
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend_from_slice(body);
    let (a, b) = body.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    out.extend((b << 16 | a).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn bodies_of_every_size_come_back() {
        let mut encoder = Encoder::new();
        for size in [
            0,
            1,
            15,
            16,
            STORED_BYTES_MAX,
            STORED_BYTES_MAX + 1,
            2047,
            2048,
            300_000,
        ] {
            let body: Vec<u8> = (0..size)
                .map(|i| u8::try_from(i * i % 251).unwrap())
                .collect();
            let entry = encoder.encode(Kind::Tree, &body).to_vec();
            let header = entry.iter().position(|byte| byte & 128 == 0).unwrap() + 1;
            let mut inflated = Vec::new();
            flate2::read::ZlibDecoder::new(&entry[header..])
                .read_to_end(&mut inflated)
                .unwrap();
            assert!(inflated == body, "size {size}");
            let stated = entry[1..header]
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 7 | usize::from(byte & 127));
            assert_eq!(stated << 4 | usize::from(entry[0] & 15), size);
        }
    }
}
