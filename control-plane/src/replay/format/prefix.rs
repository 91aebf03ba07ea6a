//! What stands before the lines of a server where something else collects them: containerd, syslog, journald.

use super::time;

/// The line itself.
pub(super) fn strip(line: &[u8]) -> &[u8] {
    // Some rotate a log while it is written to: then it goes on behind a hole of NULs.
    let start = line.iter().position(|&byte| byte != 0).unwrap_or(line.len());
    let line = line.get(start..).unwrap_or_default();
    containerd(line).or_else(|| syslog(line)).unwrap_or(line)
}

/// `2024-07-12T09:00:00.123456789Z stdout F LINE`.
fn containerd(line: &[u8]) -> Option<&[u8]> {
    let (moment, rest) = word(line)?;
    let (stream, rest) = word(rest)?;
    let (tag, rest) = word(rest)?;
    let is_one = matches!(stream, b"stdout" | b"stderr") && matches!(tag, b"F" | b"P");
    (is_one && time::rfc3339(moment).is_some()).then_some(rest)
}

/// `[<PRIORITY>]Jul 12 09:00:00 HOST TAG: LINE`, the time also as in RFC 3339; or, as in RFC 5424,
/// `<PRIORITY>1 TIME HOST APP PROCESS MESSAGE - LINE`.
fn syslog(line: &[u8]) -> Option<&[u8]> {
    let after = match line.strip_prefix(b"<") {
        None => line,
        Some(rest) => {
            let end = rest.iter().take(4).position(|&byte| byte == b'>')?;
            let (digits, after) = rest.split_at(end);
            digits.iter().all(u8::is_ascii_digit).then_some(after.get(1..)?)?
        }
    };
    if let Some(rest) = after.strip_prefix(b"1 ") {
        let (moment, rest) = word(rest)?;
        time::rfc3339(moment)?;
        let (_host, rest) = word(rest)?;
        let (_app, rest) = word(rest)?;
        let (_process, rest) = word(rest)?;
        let (_message, rest) = word(rest)?;
        let rest = rest.strip_prefix(b"- ")?;
        return Some(rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest));
    }
    let rest = match after.split_at_checked(15) {
        Some((moment, rest)) if time::is_of_syslog(moment) => rest.strip_prefix(b" ")?,
        _ => {
            let (moment, rest) = word(after)?;
            time::rfc3339(moment)?;
            rest
        }
    };
    let (_host, rest) = word(rest)?;
    let (tag, rest) = word(rest)?;
    tag.ends_with(b":").then_some(rest)
}

fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().take(300).position(|&byte| byte == b' ')?;
    let (word, rest) = text.split_at(end);
    Some((word, rest.get(1..)?))
}
