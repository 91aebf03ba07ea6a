//! Patterns with `*`: of user agents and of paths.

use crate::text::{find, starts_with_ignore_case};

/// Whether a text holds a pattern, or, where it has `*`, is made up of its parts with anything between them.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let (Some(first), Some(last)) = (parts.next(), parts.next_back()) else {
        return find(text, pattern).is_some();
    };
    let Some(mut rest) = text.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for part in parts {
        match find(rest, part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// Whether two paths are one to a site's router, as most route: whatever their ASCII case, with a slash at the end or
/// without.
pub(super) fn same_path(one: &[u8], other: &[u8]) -> bool {
    without_slash(one).eq_ignore_ascii_case(without_slash(other))
}

/// Whether a path is the pattern, or begins as it does before a `*` at its end; as [`same_path`] compares, so that `/a/*`
/// fits `/a` as it fits `/a/`.
pub(crate) fn fits_path(pattern: &str, path: &[u8]) -> bool {
    match pattern.strip_suffix('*').map(str::as_bytes) {
        Some(prefix) => {
            starts_with_ignore_case(path, prefix) || (prefix.ends_with(b"/") && same_path(path, prefix))
        }
        None => same_path(path, pattern.as_bytes()),
    }
}

/// A path but for the slash at its end.
pub(super) fn without_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_fits_in_any_case_and_with_or_without_a_slash() {
        for (pattern, path, expected) in [
            ("/trap", "/trap", true),
            ("/trap", "/TRAP/", true),
            ("/Trap/", "/trap", true),
            ("/trap", "/trap/x", false),
            ("/trap", "/trapx", false),
            ("/trap", "/tra", false),
            ("/", "/", true),
            ("/", "/a", false),
            ("/a/*", "/A/b", true),
            ("/a/*", "/a/", true),
            ("/a/*", "/A", true),
            ("/a/*", "/ab", false),
            ("/a*", "/Ab/c", true),
            ("/a*", "/", false),
            ("/caf\u{e9}", "/CAF\u{e9}/", true),
            ("/caf\u{e9}", "/caf\u{c9}", false),
        ] {
            assert_eq!(fits_path(pattern, path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_what_they_are_made_of(parts in prop::collection::vec("[a-c]{0,3}", 1..5), between in "[a-d]{0,4}") {
            let text = parts.join(&between);
            prop_assert!(fits(parts.join("*").as_bytes(), text.as_bytes()));
        }
    }
}
