//! Until when an entry holds: a duration such as `2h`, or a time in RFC 3339.

/// The longest duration: ten years. Who wants longer leaves it out.
const LONGEST_S: u64 = 10 * 365 * 86_400;

/// Reads a duration: a whole number with `s`, `m`, `h`, `d` or `w`; in seconds, 1 second to ten years.
///
/// # Errors
/// What to write instead.
pub(super) fn duration_s(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let unit = text.chars().last().map(|unit| match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => 0,
    });
    let number = text.get(..text.len().saturating_sub(1)).filter(|number| !number.starts_with('+'));
    let seconds = number
        .and_then(|number| number.parse::<u64>().ok())
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    match seconds {
        Some(seconds) if (1..=LONGEST_S).contains(&seconds) => Ok(seconds),
        _ => Err("write a duration such as 90s, 15m, 2h, 7d or 4w, at most 3650d".to_owned()),
    }
}

/// When a duration from now ends, Unix ms.
///
/// # Errors
/// Where it is shorter than a second or longer than ten years.
pub(super) fn after_s(seconds: u64, now_ms: u64) -> Result<u64, String> {
    if (1..=LONGEST_S).contains(&seconds) {
        Ok(now_ms.saturating_add(seconds * 1000))
    } else {
        Err(format!("write 1 to {LONGEST_S} seconds"))
    }
}

/// Reads a time, Unix ms; it must lie in the future.
///
/// # Errors
/// What to write instead.
pub(super) fn at_ms(text: &str, now_ms: u64) -> Result<u64, String> {
    let time: jiff::Timestamp =
        text.parse().map_err(|_| "write a time in RFC 3339, such as 2030-01-31T12:00:00Z".to_owned())?;
    match u64::try_from(time.as_millisecond()) {
        Ok(expires_ms) if expires_ms > now_ms => Ok(expires_ms),
        _ => Err(format!("{text} is past; leave it out for an entry that stays")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        for (text, seconds) in [("90s", 90), (" 15m ", 900), ("2h", 7_200), ("7d", 604_800), ("1w", 604_800)]
        {
            assert_eq!(duration_s(text), Ok(seconds));
        }
        for text in
            ["", "h", "2", "-1h", "+1h", "1.5h", "0s", "3651d", "2h30m", "2y", "18446744073709551615w", "1é"]
        {
            assert!(duration_s(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_has_expired_already_is_refused() {
        let now_ms = 1_795_000_000_000;
        assert_eq!(
            at_ms("2026-11-18T11:06:41+01:00", now_ms),
            Err("2026-11-18T11:06:41+01:00 is past; leave it out for an entry that stays".to_owned())
        );
        assert_eq!(at_ms("2030-01-01T00:00:00Z", now_ms), Ok(1_893_456_000_000));
        for text in ["", "tomorrow", "2030-01-01", "1893456000"] {
            assert!(at_ms(text, now_ms).is_err_and(|fault| fault.contains("RFC 3339")), "{text}");
        }
        assert_eq!((after_s(2, now_ms), after_s(0, now_ms).is_err()), (Ok(now_ms + 2000), true));
        assert!(after_s(u64::MAX, now_ms).is_err());
    }
}
