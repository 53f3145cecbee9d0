//! Which texts are subjects that one message can have.

/// Whether `subject` is a subject without wildcards.
pub(crate) fn is_literal(subject: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && token != "*"
            && token != ">"
            && !token.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    subject.split('.').all(is_token)
}

/// Whether `filter` is a subject in which `*` may stand for a token and a `>` at the end for the rest.
pub(crate) fn is_filter(filter: &str) -> bool {
    match filter.strip_suffix('>') {
        Some("") => true,
        Some(before) => {
            before.ends_with('.') && is_filter(&before[..before.len() - 1]) && !before.contains('>')
        }
        None => is_literal(
            &filter
                .split('.')
                .map(|token| if token == "*" { "x" } else { token })
                .collect::<Vec<_>>()
                .join("."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_filter, is_literal};

    #[test]
    fn subjects_and_filters_are_told_apart() {
        for literal in ["a", "a.b", "a.b-c_d.1"] {
            assert!(is_literal(literal) && is_filter(literal), "{literal}");
        }
        for filter in ["*", ">", "a.*", "a.>", "*.b.>"] {
            assert!(!is_literal(filter) && is_filter(filter), "{filter}");
        }
        for bad in [
            "", ".", "a.", ".a", "a..b", "a b", "a\n", "a.>.b", ">.>", "a..>",
        ] {
            assert!(!is_literal(bad) && !is_filter(bad), "{bad}");
        }
    }
}
