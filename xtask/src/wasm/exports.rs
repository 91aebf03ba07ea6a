//! Taking away the exports that the filter does not use.
//!
//! The SDK exports every callback of the ABI, and Envoy calls whatever is exported: for each piece of a body, for
//! the log, at the end of a stream. Each call into the machine costs about a microsecond even where nothing
//! happens there; without the export there is no call.

use anyhow::{Context, Result, bail};

/// What Envoy needs: the ABI's frame, and the callbacks that the filter implements.
const KEPT: [&str; 12] = [
    "memory",
    "malloc",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_context_create",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_http_call_response",
    "proxy_on_delete",
];
/// Magic number and version of the binary format (WebAssembly Core Specification, 5.5.16).
const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";
/// Number of the export section.
const EXPORTS: u8 = 7;

/// The module with only the exports of [`KEPT`].
pub(super) fn reduce(module: &[u8]) -> Result<Vec<u8>> {
    let mut rest = module.strip_prefix(PREAMBLE).context("not a WebAssembly module")?;
    let mut reduced = PREAMBLE.to_vec();
    while let Some((id, after)) = rest.split_first() {
        rest = after;
        let size = take_number(&mut rest)?;
        let section = take(&mut rest, size)?;
        let section = if *id == EXPORTS { keep(section)? } else { section.to_vec() };
        reduced.push(*id);
        put_number(&mut reduced, section.len());
        reduced.extend(section);
    }
    Ok(reduced)
}

/// An export is a name (length, bytes), a kind (one byte) and an index.
fn keep(mut section: &[u8]) -> Result<Vec<u8>> {
    let count = take_number(&mut section)?;
    let (mut kept, mut entries) = (0, Vec::<u8>::new());
    for _ in 0..count {
        let entry = section;
        let length = take_number(&mut section)?;
        let name = std::str::from_utf8(take(&mut section, length)?)?;
        take(&mut section, 1)?;
        take_number(&mut section)?;
        if KEPT.contains(&name) {
            kept += 1;
            entries.extend(&entry[..entry.len() - section.len()]);
        }
    }
    if kept != KEPT.len() {
        bail!("the filter lacks an export: {kept} of {} were found", KEPT.len());
    }
    let mut section = Vec::new();
    put_number(&mut section, kept);
    section.extend(entries);
    Ok(section)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(length).context("the module is cut short")?;
    *bytes = tail;
    Ok(head)
}

/// An unsigned LEB128 number.
fn take_number(bytes: &mut &[u8]) -> Result<usize> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    bail!("a number is too long")
}

fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(names: &[&str]) -> Vec<u8> {
        let mut section = Vec::new();
        put_number(&mut section, names.len());
        for name in names {
            put_number(&mut section, name.len());
            section.extend(name.bytes());
            section.extend([0, 3]);
        }
        let mut module = PREAMBLE.to_vec();
        module.push(EXPORTS);
        put_number(&mut module, section.len());
        module.extend(section);
        module.extend([0, 2, b'x', b'y']);
        module
    }

    #[test]
    fn only_the_kept_stay() {
        let with_more: Vec<_> = KEPT.iter().copied().chain(["proxy_on_log", "proxy_on_done"]).collect();
        assert_eq!(reduce(&module(&with_more)).unwrap(), module(&KEPT));
    }

    #[test]
    fn damage_is_an_error() {
        assert!(reduce(&module(&KEPT[1..])).is_err(), "memory is missing");
        let good = module(&KEPT);
        for length in [0, 7, 9, 20, 100] {
            assert!(reduce(&good[..length]).is_err(), "{length}");
        }
    }
}
