//! The text of the records on the stat branch: lines `key: value`, in fixed order, each value JSON.

use std::fmt::Write as _;

use crate::totals::Totals;

/// The tree entry that holds the record of the directory it stands in.
pub const DIRECTORY_RECORD: &str = ".nogtree";

/// Replaces `out` by the record of a regular file.
pub(crate) fn write_file(out: &mut Vec<u8>, name: &str, size: u64, mtime: i64) {
    out.clear();
    out.extend_from_slice(b"name: ");
    write_string(out, name);
    out.extend_from_slice(b"\nsize: ");
    write_unsigned(out, size);
    write_mtime(out, mtime);
}

/// Replaces `out` by the record of a directory.
pub(crate) fn write_directory(out: &mut Vec<u8>, name: &str, mtime: i64) {
    out.clear();
    out.extend_from_slice(b"name: ");
    write_string(out, name);
    write_mtime(out, mtime);
}

/// The record of the whole tree.
pub(crate) fn toplevel(mtime: i64, totals: &Totals, attrs: &str) -> String {
    let mut text = format!("name: \"root\"\nmtime: {mtime}\n");
    let (min, max) = totals.mtime_range.unwrap_or((mtime, mtime));
    write!(
        text,
        "dirs: {}\nfiles: {}\nlinks: {}\nothers: {}\nsize: {}\nmtime_min: {min}\nmtime_max: {max}\nattrs: \"{attrs}\"\n",
        totals.dirs, totals.files, totals.links, totals.others, totals.bytes,
    )
    .expect("a string takes everything");
    text
}

/// What decides whether the toplevel record is written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToplevelFacts {
    pub(crate) mtime: Option<i64>,
    pub(crate) attrs: Option<String>,
}

impl ToplevelFacts {
    pub(crate) fn parse(record: &[u8]) -> Self {
        let text = String::from_utf8_lossy(record);
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        };
        Self {
            mtime: value("mtime").and_then(|v| v.parse().ok()),
            attrs: value("attrs").map(|v| v.trim_matches('"').to_owned()),
        }
    }
}

fn write_mtime(out: &mut Vec<u8>, mtime: i64) {
    out.extend_from_slice(b"\nmtime: ");
    if mtime < 0 {
        out.push(b'-');
    }
    write_unsigned(out, mtime.unsigned_abs());
    out.push(b'\n');
}

fn write_unsigned(out: &mut Vec<u8>, mut value: u64) {
    let start = out.len();
    loop {
        let digit = u8::try_from(value % 10).expect("a digit is below 10");
        out.push(b'0' + digit);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out[start..].reverse();
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            8 => out.extend(b"\\b"),
            12 => out.extend(b"\\f"),
            0..=31 | 127 => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size: u64, mtime: i64) -> String {
        let mut out = b"left over".to_vec();
        write_file(&mut out, name, size, mtime);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_file_has_name_size_and_mtime() {
        assert_eq!(
            file("näme \"q\".json", 7, 1_500_000_300),
            "name: \"näme \\\"q\\\".json\"\nsize: 7\nmtime: 1500000300\n"
        );
        assert_eq!(file("a", 0, -1), "name: \"a\"\nsize: 0\nmtime: -1\n");
    }

    #[test]
    fn names_are_json_strings() {
        let name = "\u{1}\u{8}\t\n\u{c}\r\u{7f}\\\"é";
        let record = file(name, 0, 0);
        let value = record
            .lines()
            .next()
            .unwrap()
            .strip_prefix("name: ")
            .unwrap();
        assert_eq!(value, "\"\\u0001\\b\\t\\n\\f\\r\\u007f\\\\\\\"é\"");
        assert_eq!(serde_json::from_str::<String>(value).unwrap(), name);
    }

    #[test]
    fn the_facts_of_a_toplevel_record_are_read_back() {
        let record = toplevel(17, &Totals::default(), "i");
        let facts = ToplevelFacts::parse(record.as_bytes());
        assert_eq!(facts.mtime, Some(17));
        assert_eq!(facts.attrs.as_deref(), Some("i"));
        let old = ToplevelFacts::parse(b"name: \"root\"\nmtime: 5\n");
        assert_eq!((old.mtime, old.attrs), (Some(5), None));
    }
}
