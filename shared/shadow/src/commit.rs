//! Commits: their text, and the points in time in them.

use jiff::{Timestamp, tz::Offset};
use nogfso_ids::Author;

use crate::Oid;

/// A point in time at a place: what a commit records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Whole seconds since 1970.
    pub unix_s: i64,
    /// How far local time is ahead of UTC, in seconds; whole minutes are kept.
    pub offset_s: i32,
}

impl Moment {
    /// ISO 8601 with offset, like `2026-03-01T12:00:00+01:00`.
    pub(crate) fn iso(self) -> String {
        let offset = Offset::from_seconds(self.offset_s).unwrap_or(Offset::UTC);
        let time = Timestamp::from_second(self.unix_s).unwrap_or_default();
        let (sign, hours, minutes) = self.offset_parts();
        let local = offset.to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S");
        format!("{local}{sign}{hours:02}:{minutes:02}")
    }

    fn git(self) -> String {
        let (sign, hours, minutes) = self.offset_parts();
        format!("{} {sign}{hours:02}{minutes:02}", self.unix_s.max(0))
    }

    fn offset_parts(self) -> (char, u32, u32) {
        let minutes = self.offset_s.unsigned_abs() / 60;
        let sign = if self.offset_s < 0 { '-' } else { '+' };
        (sign, minutes / 60, minutes % 60)
    }
}

/// Who did something, and when, as git writes it.
pub(crate) fn signature(author: &Author, at: Moment) -> String {
    format!("{} <{}> {}", author.name(), author.email(), at.git())
}

/// What goes into a commit.
pub(crate) struct Commit<'a> {
    pub(crate) tree: Oid,
    pub(crate) parent: Option<Oid>,
    pub(crate) author: &'a Author,
    pub(crate) committer: &'a Author,
    pub(crate) at: Moment,
    pub(crate) message: &'a str,
}

impl Commit<'_> {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let parent = self
            .parent
            .map(|parent| format!("parent {parent}\n"))
            .unwrap_or_default();
        format!(
            "tree {}\n{parent}author {}\ncommitter {}\n\n{}\n",
            self.tree,
            signature(self.author, self.at),
            signature(self.committer, self.at),
            self.message,
        )
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_local_time() {
        let east = Moment {
            unix_s: 1_500_000_000,
            offset_s: 7200,
        };
        assert_eq!(east.iso(), "2017-07-14T04:40:00+02:00");
        assert_eq!(east.git(), "1500000000 +0200");
        let west = Moment {
            unix_s: 1_500_000_000,
            offset_s: -12_600,
        };
        assert_eq!(west.iso(), "2017-07-13T23:10:00-03:30");
        assert_eq!(west.git(), "1500000000 -0330");
    }
}
