//! How the name of a file becomes the name of a tree entry.
//!
//! Almost every name is stored as it is. Stored under an escape are names that
//!
//! - are not UTF-8,
//! - the shadow needs for itself: `.gitignore`, `.gitattributes`, `.nogtree`, `.nogbundles`,
//! - git gives a meaning of its own (`.git`, `.gitmodules` and what it takes for these: other case, trailing dots and
//!   spaces, NTFS short names, characters that HFS+ ignores, parts after a backslash); `git fsck` refuses such trees,
//! - start with the escape prefix.
//!
//! The escaped form is `.nogesc-` and then the name with every byte that is not an ASCII letter, digit, `.`, `-` or `_`
//! as `%` and two upper-case hex digits. The `name` of a record is always the stored name. No stored name that is not
//! an escaped one starts with the prefix, so the mapping is injective and can be undone.

use std::borrow::Cow;

/// Starts every escaped name, and no other.
pub const ESCAPE_PREFIX: &str = ".nogesc-";

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Says under which name `name`, one path component, is stored. Borrowed if it is stored as it is.
#[must_use]
pub fn stored(name: &[u8]) -> Cow<'_, [u8]> {
    if !needs_escape(name) {
        return Cow::Borrowed(name);
    }
    let mut escaped = ESCAPE_PREFIX.as_bytes().to_vec();
    for &byte in name {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            escaped.push(byte);
        } else {
            escaped.extend([
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
    Cow::Owned(escaped)
}

/// Gives back the name that is stored as `stored`; `None` if it is the stored form of no name.
#[must_use]
pub fn original(stored: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(escaped) = stored.strip_prefix(ESCAPE_PREFIX.as_bytes()) else {
        return (!needs_escape(stored)).then_some(Cow::Borrowed(stored));
    };
    let mut name = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            name.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let value = |digit: u8| HEX.iter().position(|&hex| hex == digit);
        let byte = value(digits[0])? * 16 + value(digits[1])?;
        name.push(u8::try_from(byte).ok()?);
        rest = after;
    }
    // Only the canonical spelling counts, so that two stored names never stand for one.
    (self::stored(&name) == stored).then_some(Cow::Owned(name))
}

fn needs_escape(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else {
        return true;
    };
    if text.is_ascii() && !text.contains(['~', '\\']) && !text.starts_with('.') {
        return false;
    }
    matches!(text, ".nogtree" | ".nogbundles")
        || text.starts_with(ESCAPE_PREFIX)
        || text.split('\\').any(is_special_to_git)
}

/// Errs on the safe side where git's rules for the file systems differ.
fn is_special_to_git(part: &str) -> bool {
    let visible: String = part
        .chars()
        .filter(|&c| !is_ignored_by_hfs(c))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let base = visible
        .split(':')
        .next()
        .unwrap_or_default()
        .trim_end_matches(['.', ' ']);
    matches!(
        base,
        ".git" | "git~1" | ".gitmodules" | ".gitattributes" | ".gitignore"
    ) || is_ntfs_short_name(base)
}

fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Whether NTFS could have given the short name `base` to one of git's own files.
fn is_ntfs_short_name(base: &str) -> bool {
    let Some((stem, number)) = base.split_once('~') else {
        return false;
    };
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    numbered
        && (matches!(stem, "gitmod" | "gitatt" | "gitign")
            || (base.len() == 8
                && ["gi7eba", "gi7d29", "gi250a"]
                    .iter()
                    .any(|hashed| hashed.starts_with(stem))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_stored_as_they_are() {
        for name in [
            "a",
            ".a",
            ".github",
            ".gitlab-ci.yml",
            ".nogdata",
            ".nogtree2",
            "näme \"q\".json",
            "a\\b",
            "x~1",
            "line\nbreak",
            "100%",
            ".mailmap",
            "git",
            "git~10",
        ] {
            assert_eq!(stored(name.as_bytes()), name.as_bytes(), "{name}");
        }
    }

    #[test]
    fn names_with_a_meaning_are_escaped() {
        for name in [
            ".git",
            ".GIT",
            ".git.",
            ".git ",
            ".git::$INDEX_ALLOCATION",
            "git~1",
            "GIT~1",
            ".g\u{200c}it",
            "a\\.git",
            ".gitignore",
            ".gitIgnore",
            ".gitattributes",
            ".gitmodules",
            ".GitModules",
            "gitmod~1",
            "gi7eba~1",
            ".nogtree",
            ".nogbundles",
            ".nogesc-",
            ".nogesc-a",
        ] {
            assert!(
                stored(name.as_bytes()).starts_with(ESCAPE_PREFIX.as_bytes()),
                "{name}"
            );
        }
    }

    #[test]
    fn the_escape_is_percent_encoding() {
        assert_eq!(stored(b"b\xff d%").as_ref(), b".nogesc-b%FF%20d%25");
        assert_eq!(
            original(b".nogesc-b%FF%20d%25").as_deref(),
            Some(&b"b\xff d%"[..])
        );
    }

    #[test]
    fn what_is_no_stored_name_has_no_original() {
        for stored in [
            &b".nogtree"[..],
            b".nogesc-a",
            b".nogesc-%ff",
            b".nogesc-%F",
            b".nogesc-%41%FF",
        ] {
            assert_eq!(
                original(stored),
                None,
                "{:?}",
                String::from_utf8_lossy(stored)
            );
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(
            name in prop_oneof![
                prop::collection::vec(1_u8..=255, 1..40),
                "[.][gn][a-z-]{1,8}[%~ .0-9A-F]{0,6}".prop_map(String::into_bytes),
            ]
        ) {
            let stored = stored(&name).into_owned();
            let back = original(&stored).map(Cow::into_owned);
            prop_assert_eq!(back, Some(name));
            prop_assert!(std::str::from_utf8(&stored).is_ok());
        }
    }
}
