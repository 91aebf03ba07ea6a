//! Patterns with `*`: of user agents and of paths.

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

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() { Some(0) } else { text.windows(part.len()).position(|window| window == part) }
}

/// Whether a path is the pattern, or begins as it does before a `*` at its end.
pub(super) fn fits_path(pattern: &str, path: &[u8]) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix.as_bytes()),
        None => path == pattern.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn patterns_fit_what_they_are_made_of(parts in prop::collection::vec("[a-c]{0,3}", 1..5), between in "[a-d]{0,4}") {
            let text = parts.join(&between);
            prop_assert!(fits(parts.join("*").as_bytes(), text.as_bytes()));
        }
    }
}
