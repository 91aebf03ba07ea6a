//! A cursor over one log line: words, brackets and quotes, with or without escapes.

use std::borrow::Cow;

use crate::replay::line::{LineError, Text};

/// How far a time is looked for the end of, bytes.
const LONGEST_TIME: usize = 40;

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

    /// What is still unread.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The bytes before the first ` [TIME] "` and the time: a user name may hold spaces and brackets, but no quote.
    pub(super) fn until_time(
        &mut self,
        time: impl Fn(&[u8]) -> Option<u64>,
    ) -> Result<(&'a [u8], u64), LineError> {
        let mut error = LineError::Missing("the time");
        for (at, _) in self.rest.windows(2).enumerate().filter(|(_, pair)| pair == b" [") {
            let (before, after) = self.rest.split_at(at);
            let inside = after.get(2..).unwrap_or_default();
            let Some(end) = inside.iter().take(LONGEST_TIME).position(|&byte| byte == b']') else { continue };
            let (text, after) = inside.split_at(end);
            let after = after.get(1..).unwrap_or_default();
            match time(text) {
                Some(time_ms) if after.trim_ascii_start().starts_with(b"\"") => {
                    self.rest = after;
                    return Ok((before, time_ms));
                }
                Some(_) => error = LineError::Missing("the request"),
                None => error = LineError::Time,
            }
        }
        Err(error)
    }

    /// The inside of the next `[...]`.
    pub(super) fn bracketed(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        self.between(b'[', b']', what)
    }

    /// The inside of the next `{...}`.
    pub(super) fn braced(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        self.between(b'{', b'}', what)
    }

    fn between(&mut self, open: u8, close: u8, what: &'static str) -> Result<&'a [u8], LineError> {
        let inside = self.rest.trim_ascii_start().strip_prefix(&[open]).ok_or(LineError::Missing(what))?;
        let end = position(inside, close).ok_or(LineError::Unclosed(what))?;
        let (text, after) = inside.split_at(end);
        self.rest = after.get(1..).unwrap_or_default();
        Ok(text)
    }

    /// The inside of the next `"..."`, in which `\"` is a quote. Escapes are left as they are. A quote that neither a space nor
    /// the end follows was written by a client to a server that escapes none.
    pub(super) fn escaped_quote(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        let inside = self.open_quote(what)?;
        let mut escaped = false;
        let end = inside.iter().position(|&byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        if end.is_some_and(|end| inside.get(end + 1).is_some_and(|byte| !byte.is_ascii_whitespace())) {
            return Err(LineError::Forged);
        }
        self.close_quote(inside, end, what)
    }

    /// The inside of the next `"..."` of a writer that escapes nothing: it ends at a quote before a space or the end.
    pub(super) fn plain_quote(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        self.plain_quote_of(what, |_| true)
    }

    /// The same, of a request: only a quote after a protocol ends it.
    pub(super) fn plain_request(&mut self) -> Result<&'a [u8], LineError> {
        self.plain_quote_of("the request", |text| {
            let last = text.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
            last == b"-" || last.starts_with(b"HTTP/")
        })
    }

    fn plain_quote_of(
        &mut self,
        what: &'static str,
        is_whole: impl Fn(&[u8]) -> bool,
    ) -> Result<&'a [u8], LineError> {
        let inside = self.open_quote(what)?;
        let ends = |at: usize| matches!(inside.get(at + 1), None | Some(b' '));
        let end = inside.iter().enumerate().position(|(at, &byte)| {
            byte == b'"' && ends(at) && is_whole(inside.get(..at).unwrap_or_default())
        });
        self.close_quote(inside, end, what)
    }

    /// The bytes before the next quote.
    pub(super) fn until_quote(&mut self, what: &'static str) -> Result<&'a [u8], LineError> {
        let at = position(self.rest, b'"').ok_or(LineError::Missing(what))?;
        let (before, after) = self.rest.split_at(at);
        self.rest = after;
        Ok(before)
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

/// Undoes HAProxy's escapes, `#HH`.
pub(super) fn unhash(text: &[u8]) -> Text<'_> {
    if text.contains(&b'#') { Cow::Owned(decode(text, b'#')) } else { Cow::Borrowed(text) }
}

/// Undoes escapes of two hexadecimal digits behind a mark; a mark before anything else stays.
pub(super) fn decode(text: &[u8], mark: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let value = match after {
            [high, low, ..] if byte == mark => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out.push(value.unwrap_or(byte));
        rest = after.get(if value.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    out
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
