//! What a log is packed in and begins with: its first bytes, zstd, byte order marks and holes of NULs.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The first four bytes, where there are as many, and a reader that gives them again.
pub(super) fn looked_at(mut reader: impl BufRead + 'static) -> io::Result<([u8; 4], Looked)> {
    let mut bytes = Vec::new();
    (&mut reader).take(4).read_to_end(&mut bytes)?;
    let mut magic = [0; 4];
    magic.iter_mut().zip(&bytes).for_each(|(place, byte)| *place = *byte);
    Ok((magic, Looked { bytes, at: 0, reader: Box::new(reader) }))
}

/// Passes over a byte order mark, and over the NULs that a log begins with where it was emptied while it was written to.
pub(super) fn skip_marks(reader: &mut impl BufRead) -> io::Result<()> {
    let mut is_first = true;
    loop {
        let bytes = reader.fill_buf()?;
        let marks = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
        let bom = [0xef, 0xbb, 0xbf];
        let is_bom = marks == 0 && is_first && bytes.first() == bom.first();
        if is_bom {
            for expected in bom {
                if reader.fill_buf()?.first() == Some(&expected) {
                    reader.consume(1);
                }
            }
        } else if marks == 0 {
            return Ok(());
        } else {
            reader.consume(marks);
        }
        is_first &= !is_bom;
    }
}

pub(super) fn packed_otherwise(name: &str, program: &str) -> io::Error {
    io::Error::other(format!("it is packed by {name}: `{program} FILE | sallyport replay -` reads it"))
}

/// Bytes that were looked at already, and what comes after them.
pub(super) struct Looked {
    pub(super) bytes: Vec<u8>,
    pub(super) at: usize,
    pub(super) reader: Box<dyn BufRead>,
}

impl Read for Looked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Looked {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            Some(_) => Ok(self.bytes.get(self.at..).unwrap_or_default()),
            None => self.reader.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        if self.at < self.bytes.len() {
            self.at += count;
        } else {
            self.reader.consume(count);
        }
    }
}

/// Where a file cannot be read on.
pub(super) struct Failed(pub(super) Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// The frames of a zstd stream, one after the other.
pub(super) struct Frames {
    source: Looked,
    decoder: FrameDecoder,
    /// Whether a frame is being read.
    is_open: bool,
}

impl Frames {
    /// A reader of the frames of a source.
    pub(super) fn new(source: Looked) -> Self {
        Self { source, decoder: FrameDecoder::new(), is_open: false }
    }

    /// Begins the next frame; whether there is one.
    fn open(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_open {
                self.is_open = self.open()?;
                if !self.is_open {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let blocks = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, blocks).map_err(io::Error::other)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.is_open = false;
        }
    }
}
