//! Fixed-size records: a struct of plain numbers and its little-endian form, written once.

/// A number (or short byte array) with a fixed binary form.
pub(crate) trait Field: Sized {
    const BYTES: usize;
    fn write(self, out: &mut &mut [u8]);
    fn read(from: &mut &[u8]) -> Option<Self>;
}

fn put(bytes: &[u8], out: &mut &mut [u8]) {
    if let Some((head, tail)) = std::mem::take(out).split_at_mut_checked(bytes.len()) {
        head.copy_from_slice(bytes);
        *out = tail;
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = from.split_first_chunk::<N>()?;
    *from = tail;
    Some(*head)
}

macro_rules! number {
    ($($type:ty),*) => { $(
        impl Field for $type {
            const BYTES: usize = size_of::<$type>();
            fn write(self, out: &mut &mut [u8]) {
                put(&self.to_le_bytes(), out);
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                take(from).map(<$type>::from_le_bytes)
            }
        }
    )* };
}
number!(u8, u32, u64);

impl Field for f32 {
    const BYTES: usize = 4;
    fn write(self, out: &mut &mut [u8]) {
        put(&self.to_le_bytes(), out);
    }
    /// Refuses what is not a finite number of at least 0: no field of a record can be.
    fn read(from: &mut &[u8]) -> Option<Self> {
        take(from).map(f32::from_le_bytes).filter(|v| v.is_finite() && *v >= 0.0)
    }
}

impl<const N: usize> Field for [u8; N] {
    const BYTES: usize = N;
    fn write(self, out: &mut &mut [u8]) {
        put(&self, out);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        take(from)
    }
}

impl<const N: usize> Field for [u64; N] {
    const BYTES: usize = 8 * N;
    fn write(self, out: &mut &mut [u8]) {
        for number in self {
            number.write(out);
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = u64::read(from)?;
        }
        Some(numbers)
    }
}

/// A clock that runs back by no more than this (10 minutes) stands still: log lines are out of order, for they come
/// when a response ends.
pub(crate) const LONGEST_STEP_BACK_MS: u64 = 600_000;

/// Declares a struct of [`Field`]s with `BYTES`, `to_bytes` and a total `from_bytes`.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $( $(#[$field_meta:meta])* $field:ident : $type:ty ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $( $(#[$field_meta])* pub(crate) $field: $type ),* }

        impl $name {
            /// Length of the binary form, in bytes.
            pub const BYTES: usize = 0 $( + <$type as $crate::record::Field>::BYTES )*;

            /// The binary form: the fields in order, little-endian, without padding.
            pub fn to_bytes(&self) -> [u8; Self::BYTES] {
                let mut bytes = [0; Self::BYTES];
                let mut out = bytes.as_mut_slice();
                $( $crate::record::Field::write(self.$field, &mut out); )*
                bytes
            }

            /// Reads the binary form; `None` where the length is wrong or a number is impossible.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                if bytes.len() != Self::BYTES {
                    return None;
                }
                let mut from = bytes;
                Some(Self { $( $field: $crate::record::Field::read(&mut from)? ),* })
            }

            /// The keyed hash that this record belongs to.
            pub fn key(&self) -> u64 {
                self.key
            }

            /// Whether it was last seen so long after `now_ms` that the clock must have been set back since: waiting
            /// until the clock has caught up would freeze its decays and its rate limit.
            pub fn is_from_later(&self, now_ms: u64) -> bool {
                self.last_seen_ms > now_ms.saturating_add($crate::record::LONGEST_STEP_BACK_MS)
            }

            /// When it was last seen, in Unix milliseconds.
            pub fn last_seen_ms(&self) -> u64 {
                self.last_seen_ms
            }
        }
    };
}
pub(crate) use record;
