//! Where log lines come from: files, standard input, gzip told by its first bytes. Lines have a bounded length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use flate2::bufread::MultiGzDecoder;

/// The longest line that is judged, bytes. A longer one is passed over and counted as broken.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// How much is looked at to find the format, bytes.
const SAMPLE: usize = 128 * 1024;

/// A log being read line by line.
pub(crate) struct Input {
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
    read: Arc<AtomicU64>,
}

/// One line without its line break.
pub(crate) struct RawLine<'a> {
    /// Its number in the file, from 1.
    pub(crate) number: u64,
    /// Its bytes; of a line over [`MAX_LINE`] the first ones only.
    pub(crate) bytes: &'a [u8],
    /// Whether it was longer than [`MAX_LINE`].
    pub(crate) cut: bool,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// If it cannot be opened or its first bytes cannot be read.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let source: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
        };
        Self::new(source).with_context(|| format!("cannot read {}", path.display()))
    }

    fn new(source: Box<dyn Read>) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let mut plain = BufReader::with_capacity(SAMPLE, Counted { source, read: Arc::clone(&read) });
        let zipped = plain.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead> = if zipped {
            Box::new(BufReader::with_capacity(SAMPLE, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Self { reader, line: Vec::new(), number: 0, read })
    }

    /// The first lines, to find the format from, without consuming them.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn sample(&mut self) -> io::Result<&[u8]> {
        let bytes = self.reader.fill_buf()?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').unwrap_or(bytes.len());
        Ok(bytes.get(..whole).unwrap_or_default())
    }

    /// How many bytes were read from the file itself, before unpacking.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// How many lines were read.
    pub(crate) fn lines_read(&self) -> u64 {
        self.number
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read on, for instance because its gzip stream is broken.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<RawLine<'_>>> {
        self.line.clear();
        let bound = MAX_LINE as u64 + 1;
        let read = (&mut self.reader).take(bound).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = self.line.pop_if(|byte| *byte == b'\n').is_some();
        let cut = !ended && self.line.len() > MAX_LINE;
        if cut {
            self.reader.skip_until(b'\n')?;
        }
        self.line.pop_if(|byte| *byte == b'\r');
        Ok(Some(RawLine { number: self.number, bytes: &self.line, cut }))
    }
}

/// Counts what passes through, for the progress bar.
struct Counted {
    source: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(bytes: Vec<u8>) -> Vec<(u64, usize, bool)> {
        let mut input = Input::new(Box::new(io::Cursor::new(bytes))).unwrap();
        let mut all = Vec::new();
        while let Some(line) = input.next_line().unwrap() {
            all.push((line.number, line.bytes.len(), line.cut));
        }
        all
    }

    #[test]
    fn lines_keep_their_numbers_around_one_that_is_too_long() {
        let mut text = b"one\r\n".to_vec();
        text.extend(vec![b'x'; MAX_LINE]);
        text.extend(b"\n");
        text.extend(vec![b'x'; 3 * MAX_LINE]);
        text.extend(b"\nlast");
        assert_eq!(
            lines(text),
            [(1, 3, false), (2, MAX_LINE, false), (3, MAX_LINE + 1, true), (4, 4, false)]
        );
        assert_eq!(lines(Vec::new()), []);
    }

    #[test]
    fn gzip_in_several_members_is_unpacked() {
        let pack = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let packed = [pack(b"one\ntw"), pack(b"o\n")].concat();
        assert_eq!(lines(packed), [(1, 3, false), (2, 3, false)]);
    }

    #[test]
    fn a_broken_gzip_stream_is_an_error() {
        let mut input = Input::new(Box::new(io::Cursor::new(vec![0x1f, 0x8b, 8, 0, 1, 2, 3]))).unwrap();
        assert!(input.next_line().is_err());
    }
}
