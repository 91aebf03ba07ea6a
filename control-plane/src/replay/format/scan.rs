//! A cursor over one log line: words, brackets and quotes, with or without escapes.

use std::borrow::Cow;

use crate::replay::line::{LineError, Text};

/// What is still unread of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// The next run of bytes without a space; `what` names it in the error.
    pub(super) fn word(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        let rest = self.rest.trim_ascii_start();
        let end = position(rest, b' ').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return Err(LineError::Missing(what));
        }
        self.rest = after;
        Ok(word)
    }

    /// The bytes before the next ` [`, so that a user name with spaces does no harm.
    pub(super) fn until_bracket(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        let at = self.rest.windows(2).position(|pair| pair == b" [").ok_or(LineError::Missing(what))?;
        let (before, after) = self.rest.split_at(at);
        self.rest = after;
        Ok(before)
    }

    /// The inside of the next `[...]`.
    pub(super) fn bracketed(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        let inside = self.rest.trim_ascii_start().strip_prefix(b"[").ok_or(LineError::Missing(what))?;
        let end = position(inside, b']').ok_or(LineError::Unclosed(what))?;
        let (text, after) = inside.split_at(end);
        self.rest = after.get(1..).unwrap_or_default();
        Ok(text)
    }

    /// The inside of the next `"..."`, in which `\"` is a quote. Escapes are left as they are.
    pub(super) fn escaped_quote(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        let inside = self.open_quote(what)?;
        let mut escaped = false;
        let end = inside.iter().position(|&byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        self.close_quote(inside, end, what)
    }

    /// The inside of the next `"..."` of a writer that escapes nothing: it ends at a quote before a space or the end.
    pub(super) fn plain_quote(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        let inside = self.open_quote(what)?;
        let end = inside
            .iter()
            .enumerate()
            .position(|(at, &byte)| byte == b'"' && matches!(inside.get(at + 1), None | Some(b' ')));
        self.close_quote(inside, end, what)
    }

    fn open_quote(&self, what: &'static str) -> Result<&'a [u8], LineError> {
        self.rest.trim_ascii_start().strip_prefix(b"\"").ok_or(LineError::Missing(what))
    }

    fn close_quote(
        &mut self,
        inside: &'a [u8],
        end: Option<usize>,
        what: &'static str,
    ) -> Result<&'a [u8], LineError> {
        let (text, after) = inside.split_at(end.ok_or(LineError::Unclosed(what))?);
        self.rest = after.get(1..).unwrap_or_default();
        Ok(text)
    }
}

/// Undoes the escapes of nginx and Apache: `\xHH`, `\"`, `\\`, `\n`, `\r`, `\t`. A backslash before anything else stays.
pub(super) fn unescape(text: &[u8]) -> Text<'_> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let (plain, used) = if byte == b'\\' { escape(after) } else { (byte, 0) };
        out.push(plain);
        rest = after.get(used..).unwrap_or_default();
    }
    Cow::Owned(out)
}

/// The byte an escape stands for, and how many bytes after the backslash it takes.
fn escape(after: &[u8]) -> (u8, usize) {
    match after {
        [b'x', high, low, ..] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => (high << 4 | low, 3),
            _ => (b'\\', 0),
        },
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [byte @ (b'"' | b'\\'), ..] => (*byte, 1),
        _ => (b'\\', 0),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|&byte| byte == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_may_hold_escaped_quotes() {
        let mut scan = Scan::new(br#""a \"b\" \\" "next""#);
        let text = scan.escaped_quote("request").unwrap();
        assert_eq!(unescape(text).as_ref(), br#"a "b" \"#);
        assert_eq!(scan.escaped_quote("referer").unwrap(), b"next");
        assert_eq!(scan.escaped_quote("agent"), Err(LineError::Missing("agent")));
    }

    #[test]
    fn a_plain_quote_ends_before_a_space() {
        let mut scan = Scan::new(br#""a"b\" 1"#);
        assert_eq!(scan.plain_quote("agent").unwrap(), br#"a"b\"#);
        assert_eq!(scan.word("bytes").unwrap(), b"1");
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(unescape(br"\x4").as_ref(), br"\x4");
        assert_eq!(unescape(br"\q\x41\").as_ref(), br"\qA\");
    }
}
