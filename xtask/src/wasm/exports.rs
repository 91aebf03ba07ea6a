//! Taking away the exports that the filter does not use, and the code behind them.
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
/// Numbers of the sections that are read.
const IMPORTS: u8 = 2;
const EXPORTS: u8 = 7;
const ELEMENTS: u8 = 9;
const CODE: u8 = 10;
/// The kind of an import or export that is a function.
const FUNCTION: u8 = 0;
/// A body without locals that only traps: `unreachable`, `end`.
const NOTHING: [u8; 3] = [0, 0, 0x0b];
/// The instruction `call`; the function's number follows.
const CALL: u8 = 0x10;

/// The module with only the exports of [`KEPT`]; what was exported, and is called from nowhere else, does nothing.
pub(super) fn reduce(module: &[u8]) -> Result<Vec<u8>> {
    let mut rest = module.strip_prefix(PREAMBLE).context("not a WebAssembly module")?;
    let mut reduced = PREAMBLE.to_vec();
    let (mut imports, mut dropped, mut elements) = (0, Vec::new(), Vec::new());
    while let Some((id, after)) = rest.split_first() {
        rest = after;
        let size = take_number(&mut rest)?;
        let section = take(&mut rest, size)?;
        let section = match *id {
            IMPORTS => {
                imports = functions_of(section)?;
                section.to_vec()
            }
            EXPORTS => keep(section, &mut dropped)?,
            ELEMENTS => {
                elements = section.to_vec();
                section.to_vec()
            }
            CODE => {
                dropped.retain(|number| {
                    !mentions(&elements, &[], *number) && !mentions(section, &[CALL], *number)
                });
                empty(section, imports, &dropped)?
            }
            _ => section.to_vec(),
        };
        reduced.push(*id);
        put_number(&mut reduced, section.len());
        reduced.extend(section);
    }
    Ok(reduced)
}

/// How many functions are imported; of those of a proxy, nothing but functions is.
fn functions_of(mut section: &[u8]) -> Result<usize> {
    let count = take_number(&mut section)?;
    for _ in 0..count {
        for _ in ["module", "name"] {
            let length = take_number(&mut section)?;
            take(&mut section, length)?;
        }
        if take(&mut section, 1)?[0] != FUNCTION {
            bail!("the filter imports something that is no function");
        }
        take_number(&mut section)?;
    }
    Ok(count)
}

/// Whether the bytes hold the number of a function behind `before`. They may hold it by chance; then the function stays.
fn mentions(bytes: &[u8], before: &[u8], number: usize) -> bool {
    let mut mention = before.to_vec();
    put_number(&mut mention, number);
    bytes.windows(mention.len()).any(|window| window == mention)
}

/// The code section, a count and bodies behind their lengths, with the bodies of these functions replaced.
fn empty(mut section: &[u8], imports: usize, functions: &[usize]) -> Result<Vec<u8>> {
    let count = take_number(&mut section)?;
    let mut out = Vec::with_capacity(section.len());
    put_number(&mut out, count);
    for number in imports..imports + count {
        let length = take_number(&mut section)?;
        let body = take(&mut section, length)?;
        let body = if functions.contains(&number) { &NOTHING } else { body };
        put_number(&mut out, body.len());
        out.extend(body);
    }
    Ok(out)
}

/// An export is a name (length, bytes), a kind (one byte) and an index. The functions among those that go are added to
/// `dropped`, unless another name of theirs stays.
fn keep(mut section: &[u8], dropped: &mut Vec<usize>) -> Result<Vec<u8>> {
    let count = take_number(&mut section)?;
    let (mut kept, mut entries, mut stay) = (0, Vec::<u8>::new(), Vec::new());
    for _ in 0..count {
        let entry = section;
        let length = take_number(&mut section)?;
        let name = std::str::from_utf8(take(&mut section, length)?)?;
        let kind = take(&mut section, 1)?[0];
        let index = take_number(&mut section)?;
        if KEPT.contains(&name) {
            kept += 1;
            entries.extend(&entry[..entry.len() - section.len()]);
            stay.push(index);
        } else if kind == FUNCTION {
            dropped.push(index);
        }
    }
    dropped.retain(|index| !stay.contains(index));
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
    fn code_behind_dropped_exports_goes_unless_it_is_called() {
        // Two imports, so functions 2 to 4 have bodies: 2 calls 3, nobody calls 4.
        let bodies: [&[u8]; 3] = [&[0, CALL, 3, 0x0b], &[0, 1, 1, 1, 0x0b], &[0, 1, 1, 1, 1, 0x0b]];
        let mut code = vec![3];
        for body in bodies {
            put_number(&mut code, body.len());
            code.extend(body);
        }
        assert!(mentions(&code, &[CALL], 3) && !mentions(&code, &[CALL], 4));
        let emptied = empty(&code, 2, &[4]).unwrap();
        assert_eq!(emptied, [&code[..code.len() - 7], &[3], &NOTHING].concat());
        assert!(empty(&code[..9], 2, &[]).is_err());
        let import = [1, b'm', 1, b'n', FUNCTION, 7];
        assert_eq!(functions_of(&[&[2][..], &import, &import].concat()).unwrap(), 2);
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
