//! Searching in bytes that need not be text.

/// How much of a text is searched, in bytes: no browser's header is longer, and longer ones are not longer work.
const SEARCHED_BYTES: usize = 1024;

/// Where a part begins; an empty one at once. The first byte is looked at by itself, since nearly all places fail there and
/// comparing slices is a call.
pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let Some(first) = part.first() else { return Some(0) };
    text.windows(part.len()).position(|window| window.first() == Some(first) && window == part)
}

/// Whether the part stands in the first KiB.
pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    find(text.get(..SEARCHED_BYTES).unwrap_or(text), part).is_some()
}

/// The same in any ASCII case; as `part` does not, `text` may be of any length.
pub(crate) fn contains_ignore_case(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window.eq_ignore_ascii_case(part))
}

pub(crate) fn starts_with_ignore_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
}

pub(crate) fn ends_with_ignore_case(text: &[u8], end: &[u8]) -> bool {
    let at = text.len().checked_sub(end.len());
    at.and_then(|at| text.get(at..)).is_some_and(|found| found.eq_ignore_ascii_case(end))
}

/// What is behind a path's last slash.
pub(crate) fn last_segment(path: &[u8]) -> &[u8] {
    let start = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
    path.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_part_is_found_where_it_first_begins() {
        for (text, part, place) in [
            ("aab", "ab", Some(1)),
            ("", "", Some(0)),
            ("a", "", Some(0)),
            ("", "a", None),
            ("ab", "abc", None),
            ("xabab", "ab", Some(1)),
        ] {
            assert_eq!(find(text.as_bytes(), part.as_bytes()), place, "{part} in {text}");
        }
        assert!(
            contains_ignore_case(b"/WP-Content/x", b"/wp-content/") && !contains_ignore_case(b"/w", b"/wp")
        );
        assert!(starts_with_ignore_case(b"FavIcon.ico", b"favicon") && !starts_with_ignore_case(b"f", b"fa"));
        assert!(ends_with_ignore_case(b"/LogIn", b"/login") && !ends_with_ignore_case(b"in", b"/login"));
    }

    #[test]
    fn only_the_first_kilobyte_is_searched() {
        let at = |place: usize| [vec![b'a'; place], b"part".to_vec()].concat();
        assert!(contains(&at(1020), b"part") && !contains(&at(1021), b"part"));
    }

    proptest! {
        #[test]
        fn it_agrees_with_strings(text in "[ab]{0,12}", part in "[ab]{0,3}") {
            prop_assert_eq!(find(text.as_bytes(), part.as_bytes()), text.find(&part));
        }
    }
}
