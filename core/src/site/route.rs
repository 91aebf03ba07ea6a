//! Which site and route a request belongs to.

use crate::keys::HashKey;

/// So many segments of a path tell its route.
const SEGMENTS: usize = 4;
/// A longer segment is a name, not a kind of thing.
const LONGEST: usize = 20;

/// Keyed hashes of a request's site and route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The host, in any case.
    pub(crate) site: u64,
    /// The host and the path's shape: names and numbers are any.
    pub(crate) route: u64,
}

impl Places {
    /// Of a host and a plain path.
    pub(crate) fn of(key: &HashKey, host: &[u8], path: &[u8]) -> Self {
        let mut shape = Shape::default();
        shape.add(host);
        let site = key.text(b'o', shape.bytes());
        for segment in path.split(|byte| *byte == b'/').skip(1).take(SEGMENTS) {
            shape.add(b"/");
            shape.add(if is_any(segment) { b"*" } else { segment });
        }
        Self { site, route: key.text(b'o', shape.bytes()) }
    }
}

/// Host and path with numbers and names left out, in lower case, cut where it is longer than any that is worth a route.
struct Shape {
    bytes: [u8; 128],
    length: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { bytes: [0; 128], length: 0 }
    }
}

impl Shape {
    fn add(&mut self, text: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(self.length).zip(text) {
            *slot = byte.to_ascii_lowercase();
        }
        self.length = (self.length + text.len()).min(self.bytes.len());
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

fn is_any(segment: &[u8]) -> bool {
    segment.len() > LONGEST || segment.iter().any(|byte| byte.is_ascii_digit() || *byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_by_kinds_of_things_not_by_their_numbers() {
        let key = HashKey::from_bytes([7; 16]);
        let route = |host: &str, path: &str| Places::of(&key, host.as_bytes(), path.as_bytes());
        let image = route("shop.example", "/image/64681/productModel/200x200");
        assert_eq!(image, route("SHOP.example", "/image/7/productmodel/90x90"));
        assert_ne!(image, route("other.example", "/image/7/productmodel/90x90"));
        assert_ne!(image.route, route("shop.example", "/image/7/brand").route);
        assert_eq!(image.site, route("shop.example", "/").site);
        let long = "x".repeat(5_000);
        assert_eq!(route(&long, &long), route(&long, &long));
    }
}
