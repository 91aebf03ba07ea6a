//! The lines of a log, parsed one after the other.

use std::io;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::format::{Format, KeyMap, Parser, SAMPLE_LINES};
use super::input::Input;
use super::line::{LineError, LogLine};
use super::progress::Progress;
use super::tally::excerpt;

/// How logs are read.
pub(crate) struct Reading {
    /// Their format, found from the first lines where it is not given.
    pub(crate) format: Option<Format>,
    /// The JSON keys.
    pub(crate) keys: KeyMap,
    /// The proxies at the end of the way of a request that are the operator's own.
    pub(crate) trusted_hops: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Self { format: None, keys: KeyMap::new(&[]), trusted_hops: 0 }
    }
}

/// What stands in a line.
pub(crate) enum Read<'a> {
    /// A request.
    Request(LogLine<'a>),
    /// Something else: why, and the line itself.
    Broken(LineError, &'a [u8]),
    /// Nothing can be read from here on.
    Unreadable(io::Error),
}

/// Hands each line that holds a request, or should, with its number, to `each`. Returns how many lines the log has, `None` if it
/// could not be read to its end.
///
/// # Errors
/// If the log cannot be opened, its format is neither given nor recognised, or `each` fails.
pub(crate) fn read(
    path: &Path,
    reading: &Reading,
    progress: &mut Progress,
    mut each: impl FnMut(u64, Read<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<u64>> {
    let mut input = Input::open(path)?;
    let format = match reading.format {
        Some(format) => format,
        None => format_of(&mut input, path, &reading.keys)?,
    };
    let mut parser = Parser::new(format, &reading.keys, reading.trusted_hops);
    let lines = loop {
        let read = input.bytes_read();
        let raw = match input.next_line() {
            Ok(Some(raw)) => raw,
            Ok(None) => break Some(input.lines_read()),
            Err(error) => {
                each(input.lines_read() + 1, Read::Unreadable(error))?;
                break None;
            }
        };
        progress.at(raw.number, read);
        if raw.bytes.trim_ascii().is_empty() {
            continue;
        }
        let parsed = if raw.cut { Err(LineError::TooLong) } else { parser.parse(raw.bytes) };
        match parsed {
            Ok(Some(line)) => each(raw.number, Read::Request(line))?,
            Ok(None) => {}
            Err(why) => each(raw.number, Read::Broken(why, raw.bytes))?,
        }
    };
    progress.file_done(input.bytes_read());
    Ok(lines)
}

fn format_of(input: &mut Input, path: &Path, keys: &KeyMap) -> anyhow::Result<Format> {
    let sample = match input.sample(SAMPLE_LINES) {
        Ok(sample) => sample,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if let Some(format) = Format::detect(sample, keys) {
        return Ok(format);
    }
    let first = sample.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let Some(first) = first else { return Ok(Format::Combined) };
    bail!(
        "{}: the log format is not recognised; `replay --help` lists those that are, and `replay --format` names one.\nIts first line: {}",
        path.display(),
        excerpt(first, 120),
    )
}
