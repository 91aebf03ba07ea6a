//! A `google.protobuf.Struct` in its binary form, which is how Envoy hands one over as plugin configuration.
//!
//! Only what that message needs of the wire format (protobuf.dev, "Encoding"). Total: any bytes give a value or
//! nothing.

use serde_json::{Map, Number, Value};

/// Deeper nesting is refused.
const DEEPEST: usize = 32;
/// Doubles beyond this hold no exact whole numbers.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Reads a Struct as the JSON object that it stands for.
pub fn read_struct(bytes: &[u8]) -> Option<Map<String, Value>> {
    structure(bytes, 0)
}

enum Field<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
}

/// `fields = 1`: entries of `key = 1`, `value = 2`.
fn structure(mut bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    while !bytes.is_empty() {
        let (1, Field::Bytes(mut entry)) = field(&mut bytes)? else { return None };
        let (mut key, mut entry_value) = (String::new(), Value::Null);
        while !entry.is_empty() {
            match field(&mut entry)? {
                (1, Field::Bytes(text)) => key = String::from_utf8(text.to_vec()).ok()?,
                (2, Field::Bytes(bytes)) => entry_value = value(bytes, depth + 1)?,
                _ => return None,
            }
        }
        map.insert(key, entry_value);
    }
    Some(map)
}

/// One of `null = 1`, `number = 2`, `string = 3`, `bool = 4`, `struct = 5`, `list = 6`.
fn value(mut bytes: &[u8], depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let mut result = Value::Null;
    while !bytes.is_empty() {
        result = match field(&mut bytes)? {
            (1, Field::Number(_)) => Value::Null,
            (2, Field::Double(number)) => Value::Number(number_of(number)?),
            (3, Field::Bytes(text)) => Value::String(String::from_utf8(text.to_vec()).ok()?),
            (4, Field::Number(number)) => Value::Bool(number != 0),
            (5, Field::Bytes(inner)) => Value::Object(structure(inner, depth + 1)?),
            (6, Field::Bytes(mut list)) => {
                let mut values = Vec::new();
                while !list.is_empty() {
                    let (1, Field::Bytes(inner)) = field(&mut list)? else { return None };
                    values.push(value(inner, depth + 1)?);
                }
                Value::Array(values)
            }
            _ => return None,
        };
    }
    Some(result)
}

/// Struct knows only doubles: whole ones become whole again.
fn number_of(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() < LARGEST_WHOLE {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = varint(bytes)?;
    let content = match tag & 7 {
        0 => Field::Number(varint(bytes)?),
        1 => {
            let (eight, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            Field::Double(f64::from_le_bytes(*eight))
        }
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            let (content, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Field::Bytes(content)
        }
        _ => return None,
    };
    Some((tag >> 3, content))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 127) << (7 * place);
        if *byte < 128 {
            return Some(number);
        }
    }
    None
}
