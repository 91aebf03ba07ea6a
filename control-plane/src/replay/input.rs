//! Where log lines come from: files, standard input, gzip and zstd told by their first bytes. Lines have a bounded length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use flate2::bufread::MultiGzDecoder;

use super::unpack::{Failed, Frames, Looked, looked_at, packed_otherwise, skip_marks};

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
        let plain = BufReader::with_capacity(SAMPLE, Counted { source, read: Arc::clone(&read) });
        let (magic, plain) = looked_at(plain)?;
        let mut reader: Box<dyn BufRead> = match magic {
            [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(SAMPLE, MultiGzDecoder::new(plain))),
            // A frame, or one to be passed over.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                Box::new(BufReader::with_capacity(SAMPLE, Frames::new(plain)))
            }
            [b'B', b'Z', b'h', b'1'..=b'9'] => return Err(packed_otherwise("bzip2", "bzcat")),
            [0xfd, b'7', b'z', b'X'] => return Err(packed_otherwise("xz", "xzcat")),
            _ => Box::new(plain),
        };
        skip_marks(&mut reader)?;
        Ok(Self { reader, line: Vec::new(), number: 0, read })
    }

    /// The first lines, `lines` of them or what [`SAMPLE`] holds, to find the format from, without consuming them. They are
    /// the same however many bytes the source gives at a time.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn sample(&mut self, lines: usize) -> io::Result<&[u8]> {
        let mut sample = Vec::new();
        let mut failed = None;
        for _ in 0..lines {
            let room = SAMPLE.saturating_sub(sample.len()) as u64;
            match (&mut self.reader).take(room).read_until(b'\n', &mut sample) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let mut reader = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        if failed.is_some() {
            reader = Box::new(BufReader::new(Failed(failed)));
        }
        self.reader = Box::new(Looked { bytes: sample, at: 0, reader });
        let sample = self.reader.fill_buf()?;
        let end = match sample.len() {
            SAMPLE.. => sample.iter().rposition(|&byte| byte == b'\n').unwrap_or(sample.len()),
            short => short,
        };
        Ok(sample.get(..end).unwrap_or_default())
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
    fn zstd_in_several_frames_is_unpacked_and_other_packers_are_named() {
        let pack = |text: &[u8]| {
            ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
        };
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
        for parts in [vec![pack(b"one\ntw"), pack(b"o\n")], vec![skipped.to_vec(), pack(b"one\ntwo")]] {
            assert_eq!(lines(parts.concat()), [(1, 3, false), (2, 3, false)]);
        }
        let long: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
        let mut cut = pack(long.as_bytes());
        cut.truncate(cut.len() - 3);
        let mut input = Input::new(Box::new(io::Cursor::new(cut))).unwrap();
        assert!(
            std::iter::from_fn(|| input.next_line().map(|line| line.map(drop)).transpose())
                .any(|l| l.is_err())
        );
        let error = Input::new(Box::new(io::Cursor::new(b"BZh91AY&SY".to_vec()))).err().expect("not read");
        assert!(error.to_string().contains("bzcat"), "{error}");
    }

    #[test]
    fn marks_before_the_first_line_are_passed_over() {
        for marks in [&b""[..], b"\xef\xbb\xbf", b"\0\0\0", b"\0\xef\xbb\xbf", &[0; 300_000]] {
            assert_eq!(lines([marks, b"one\ntwo"].concat()), [(1, 3, false), (2, 3, false)]);
        }
    }

    /// Gives one byte at a time, and fails at its end.
    struct Trickle(io::Cursor<Vec<u8>>);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer.get_mut(..1).unwrap_or_default()) {
                Ok(0) => Err(io::Error::other("cut off")),
                other => other,
            }
        }
    }

    #[test]
    fn the_sample_does_not_depend_on_how_the_source_gives_it() {
        let text = b"\xef\xbb\xbfone\ntwo\nthree\nfour\nfi".to_vec();
        let mut slow = Input::new(Box::new(Trickle(io::Cursor::new(text.clone())))).unwrap();
        assert_eq!(slow.sample(3).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(slow.sample(9).unwrap(), b"one\ntwo\nthree\nfour\nfi", "what failed is told later");
        for _ in 0..4 {
            assert!(slow.next_line().unwrap().is_some());
        }
        assert!(slow.next_line().is_err());
        let mut fast = Input::new(Box::new(io::Cursor::new(text))).unwrap();
        assert_eq!(fast.sample(3).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(fast.next_line().unwrap().unwrap().bytes, b"one");
    }

    #[test]
    fn a_broken_gzip_stream_is_an_error() {
        assert!(Input::new(Box::new(io::Cursor::new(vec![0x1f, 0x8b, 8, 0, 1, 2, 3]))).is_err());
    }
}
