//! Reading what Redis answers: a value of another type or beyond its bounds is an error, never a panic.

use redis::Value;

use crate::shared::SharedError;

/// An answer that does not fit.
fn odd(expected: &str) -> SharedError {
    SharedError(format!("Redis answered something else than {expected}"))
}

/// A whole number, 0 or more.
pub(super) fn number(value: &Value) -> Result<u64, SharedError> {
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.ok_or_else(|| odd("a number"))
}

/// A number of 32 bits; 0 where there is none.
pub(super) fn count(value: &Value) -> Result<u32, SharedError> {
    if *value == Value::Nil {
        return Ok(0);
    }
    u32::try_from(number(value)?).map_err(|_| odd("a number of 32 bits"))
}

/// A finite number as text, 0 or more.
pub(super) fn fraction(value: &Value) -> Result<f32, SharedError> {
    let text = std::str::from_utf8(bytes(value)?).unwrap_or_default();
    let number = text.parse().ok().filter(|number: &f32| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| odd("a fraction"))
}

/// Bytes.
pub(super) fn bytes(value: &Value) -> Result<&[u8], SharedError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(odd("bytes")),
    }
}

/// A list.
pub(super) fn list(value: &Value) -> Result<&[Value], SharedError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(odd("a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_an_error() {
        let text = |text: &str| Value::BulkString(text.into());
        assert_eq!((number(&Value::Int(3)), number(&text("12"))), (Ok(3), Ok(12)));
        for odd in
            [Value::Int(-1), Value::Okay, Value::Nil, text("1.5"), Value::Array(vec![]), text("\u{e9}")]
        {
            assert!(number(&odd).is_err(), "{odd:?}");
        }
        assert_eq!((count(&Value::Nil), count(&Value::Int(7))), (Ok(0), Ok(7)));
        assert!(count(&Value::Int(1 << 33)).is_err());
        assert_eq!(fraction(&text("1.5")), Ok(1.5));
        for odd in ["nan", "inf", "-1", "", "1e99"] {
            assert!(fraction(&text(odd)).is_err(), "{odd}");
        }
        assert!(bytes(&Value::Okay).is_err() && list(&Value::Nil).is_err());
    }
}
