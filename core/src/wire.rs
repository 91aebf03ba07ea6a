//! Reading and writing length-checked binary formats: little-endian, every read total.

/// Reads from the front of a byte slice; `None` once it is too short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A finite number.
    pub(crate) fn f32(&mut self) -> Option<f32> {
        self.array().map(f32::from_le_bytes).filter(|value| value.is_finite())
    }

    /// Text of at most `most` bytes behind its u16 length; what is not UTF-8 is replaced.
    pub(crate) fn text(&mut self, most: usize) -> Option<String> {
        let length = usize::from(self.u16()?);
        if length > most {
            return None;
        }
        Some(String::from_utf8_lossy(self.bytes(length)?).into_owned())
    }
}

/// Appends text, cut to `most` bytes, behind its u16 length.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8], most: usize) {
    let text = text.get(..most).unwrap_or(text);
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text);
}

/// A checksum against damage (not against forgery: the transport's token does that): FNV-1a, 64 bits.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// The same over words of eight bytes, for what is large: an eighth of the steps. The last word is filled up with zeroes,
/// so the length has to be checked elsewhere.
pub(crate) fn word_checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    words.iter().chain([&last]).fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        // The rotation brings the top bits, which a product leaves alone, down to where the next one spreads them.
        (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    })
}
