//! The trainable state as bytes, to go on training from: parameters and running statistics, without the optimiser's memory.
//!
//! `SPTS`, feature version u16, monotone u8, zero u8, 3,361 parameters and 224 running statistics as f32, the first eight
//! bytes of the SHA-256 of everything before. Little-endian.

use sallyport_core::FEATURE_VERSION;
use sha2::{Digest as _, Sha256};

use super::parameters::{Parameters, Running};

const MAGIC: &[u8; 4] = b"SPTS";

/// Why a state was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Not a state, cut short, or changed on the way.
    #[error("the trainable state is damaged")]
    Damaged,
    /// Of other feature formulas.
    #[error("the trainable state is of feature version {0}, this build has {FEATURE_VERSION}")]
    FeatureVersion(u16),
}

pub(super) fn write(parameters: &Parameters, running: &Running, monotone: bool) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FEATURE_VERSION.to_le_bytes());
    bytes.extend([u8::from(monotone), 0]);
    for slice in parameters.slices().into_iter().chain(running.slices()) {
        bytes.extend(slice.iter().flat_map(|value| value.to_le_bytes()));
    }
    bytes.extend(checksum(&bytes));
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<(Box<Parameters>, Running, bool), StateError> {
    let (content, sum) = bytes.split_last_chunk::<8>().ok_or(StateError::Damaged)?;
    let (header, numbers) = content.split_first_chunk::<8>().ok_or(StateError::Damaged)?;
    if header[..4] != MAGIC[..] || checksum(content) != *sum {
        return Err(StateError::Damaged);
    }
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version != FEATURE_VERSION {
        return Err(StateError::FeatureVersion(version));
    }
    let (mut parameters, mut running) = (Parameters::zero(), Running::default());
    let (numbers, rest) = numbers.as_chunks::<4>();
    let mut numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
    for value in parameters.slices_mut().into_iter().chain(running.slices_mut()).flatten() {
        *value = numbers.next().filter(|number| number.is_finite()).ok_or(StateError::Damaged)?;
    }
    let variances = [&running.first.variance[..], &running.second.variance, &running.third.variance];
    let negative = variances.into_iter().flatten().any(|variance| *variance < 0.0);
    if negative || header[6] > 1 || header[7] != 0 || numbers.next().is_some() || !rest.is_empty() {
        return Err(StateError::Damaged);
    }
    Ok((parameters, running, header[6] == 1))
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    std::array::from_fn(|index| hash[index])
}
