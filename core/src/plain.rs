//! A path as the site behind will understand it, so that no spelling of a path hides it from the judge.

use std::borrow::Cow;

/// How much of a path is read, in bytes: web servers accept 8 KiB of request line by default.
const READ_BYTES: usize = 8192;

/// The path with `%41` decoded once, without `;parameters`, empty segments, `.` and `..`; at most the first 8 KiB
/// of it. Only judged, never sent on.
pub fn plain(path: &[u8]) -> Cow<'_, [u8]> {
    let path = read(path);
    if is_plain(path) { Cow::Borrowed(path) } else { Cow::Owned(resolve(&decode(path))) }
}

/// The part of a path that is read.
pub(crate) fn read(path: &[u8]) -> &[u8] {
    path.get(..READ_BYTES).unwrap_or(path)
}

/// May say no of a path that is plain, but not yes of one that is not. Looks at every byte without leaving early:
/// so it is a few vector instructions, on every request.
fn is_plain(path: &[u8]) -> bool {
    let marked = path.iter().fold(false, |found, byte| found | (*byte == b'%') | (*byte == b';'));
    let pairs = path.iter().zip(path.iter().skip(1));
    let dotted = pairs
        .fold(false, |found, (one, next)| found | ((*one == b'/') & ((*next == b'/') | (*next == b'.'))));
    !marked && !dotted
}

/// Each `%` with two hex digits behind it as the byte that it stands for.
pub(crate) fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { rest.get(3..).unwrap_or_default() } else { tail };
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn resolve(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for segment in path.split(|byte| *byte == b'/') {
        match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => out.truncate(out.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            name => {
                out.push(b'/');
                out.extend(name);
            }
        }
    }
    if out.is_empty() || path.ends_with(b"/") {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_path_are_one() {
        for (spelling, meant) in [
            ("/", "/"),
            ("/a/b.css", "/a/b.css"),
            ("/.well-known/x", "/.well-known/x"),
            ("/%2Eenv", "/.env"),
            ("/wp%2dlogin.php", "/wp-login.php"),
            ("//a///b/", "/a/b/"),
            ("/health/../login", "/login"),
            ("/health/..%2flogin", "/login"),
            ("/health/..;x/login", "/login"),
            ("/a/./b/..", "/a"),
            ("/../../..", "/"),
            ("/actuator/env;.css", "/actuator/env"),
            ("/100%", "/100%"),
            ("/%zz%4", "/%zz%4"),
            ("/%252e", "/%2e"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(plain(spelling.as_bytes()), meant.as_bytes(), "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_plain_form(path in prop::collection::vec(prop::sample::select(b"/.%2e;a\xff".to_vec()), 0..60)) {
            let plain = plain(&path).into_owned();
            prop_assert!(plain.len() <= path.len() + 1);
            prop_assert!(!plain.windows(2).any(|pair| pair == b"//"));
        }
    }
}
