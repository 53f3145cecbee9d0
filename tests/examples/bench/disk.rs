//! What the disk itself needs to make an append last.

use std::io::Write;
use std::time::Instant;

use crate::measure::{Values, micros};

/// The name of the figure.
pub(crate) const FSYNC: &str = "fsync";

const FSYNCS: usize = 200;
const WRITE_BYTES: usize = 512;

/// The median time of a small write and its fsync where the server has its folder, in microseconds.
pub(crate) fn fsync() -> anyhow::Result<f64> {
    let mut file = tempfile::tempfile()?;
    let mut times = Values::default();
    for _ in 0..FSYNCS {
        file.write_all(&[b'x'; WRITE_BYTES])?;
        let began = Instant::now();
        file.sync_all()?;
        times.note(true, micros(began.elapsed()));
    }
    Ok(times.median())
}
