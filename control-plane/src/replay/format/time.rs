//! The times that stand in access logs, as Unix milliseconds. Times before 1970 are refused.

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Any of the known forms of a time.
pub(super) fn any(text: &[u8]) -> Option<u64> {
    rfc3339(text).or_else(|| common(text)).or_else(|| {
        let number: f64 = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
        epoch(number)
    })
}

/// `15/Dec/2018:10:18:31 +0000`.
pub(super) fn common(text: &[u8]) -> Option<u64> {
    let mut digits = Digits(text);
    let day = digits.number(2)?;
    digits.literal(b"/")?;
    let name = digits.take(3)?;
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(name))? as i64 + 1;
    digits.literal(b"/")?;
    let year = digits.number(4)?;
    digits.literal(b":")?;
    let clock = digits.clock()?;
    digits.literal(b" ")?;
    let offset = digits.offset()?;
    digits.end()?;
    unix_ms([year, month, day], clock, 0, offset)
}

/// `15/Dec/2018:10:18:31.655`, as HAProxy writes it: in the zone of its machine, taken for UTC.
pub(super) fn local(text: &[u8]) -> Option<u64> {
    let (whole, fraction) = text.split_at_checked(20)?;
    let mut fraction = Digits(fraction);
    let ms = fraction.fraction_ms();
    fraction.end()?;
    let whole = [whole, b" +0000"].concat();
    Some(common(&whole)? + u64::try_from(ms).ok()?)
}

/// A time as syslog has it, `Jul 12 09:00:00`, without a year.
pub(super) fn is_of_syslog(text: &[u8]) -> bool {
    let mut digits = Digits(text);
    let month = digits.take(3).is_some_and(|name| MONTHS.contains(&name));
    let day = matches!(digits.take(3), Some([b' ', b' ' | b'0'..=b'9', b'0'..=b'9']));
    month && day && digits.literal(b" ").and_then(|()| digits.clock()).is_some()
}

/// `2018-12-15T10:18:31.250Z`, or with an offset, or a space instead of the `T`; a comma may stand for the point.
pub(super) fn rfc3339(text: &[u8]) -> Option<u64> {
    let mut digits = Digits(text);
    let year = digits.number(4)?;
    digits.literal(b"-")?;
    let month = digits.number(2)?;
    digits.literal(b"-")?;
    let day = digits.number(2)?;
    digits.literal(b"T").or_else(|| digits.literal(b"t")).or_else(|| digits.literal(b" "))?;
    let clock = digits.clock()?;
    let fraction_ms = digits.fraction_ms();
    let offset = match digits.literal(b"Z").or_else(|| digits.literal(b"z")) {
        Some(()) => 0,
        None => digits.offset()?,
    };
    digits.end()?;
    unix_ms([year, month, day], clock, fraction_ms, offset)
}

/// A number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its size: each range
/// reaches from 1973 to the year 5138.
pub(super) fn epoch(number: f64) -> Option<u64> {
    let ms = match number {
        n if !(0.0..1e20).contains(&n) => return None,
        n if n < 1e11 => n * 1e3,
        n if n < 1e14 => n,
        n if n < 1e17 => n / 1e3,
        n => n / 1e6,
    };
    Some(ms.round() as u64)
}

/// Unix milliseconds of a civil date and time; `None` where no such date exists or it lies before 1970.
fn unix_ms([year, month, day]: [i64; 3], clock_s: i64, fraction_ms: i64, offset_s: i64) -> Option<u64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    // Days since 1970-03-01 in years that begin in March, so that the leap day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day;
    let seconds = (days - 719_469) * 86_400 + clock_s - offset_s;
    u64::try_from(seconds * 1000 + fraction_ms).ok()
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// What is still unread of a time.
struct Digits<'a>(&'a [u8]);

impl<'a> Digits<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        self.take(digits)?
            .iter()
            .try_fold(0, |value, &byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
    }

    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// `HH:MM:SS` as seconds of the day; a leap second counts as the one before it.
    fn clock(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.literal(b":")?;
        let minute = self.number(2)?;
        self.literal(b":")?;
        let second = self.number(2)?;
        (hour < 24 && minute < 60 && second <= 60).then(|| hour * 3600 + minute * 60 + second.min(59))
    }

    /// `.250` or `,250`, any number of digits, as milliseconds; 0 where there is none.
    fn fraction_ms(&mut self) -> i64 {
        if self.literal(b".").or_else(|| self.literal(b",")).is_none() {
            return 0;
        }
        let mut weight = 100;
        let mut total = 0;
        while let Some((digit, rest)) = self.0.split_first().filter(|(digit, _)| digit.is_ascii_digit()) {
            total += weight * i64::from(digit - b'0');
            weight /= 10;
            self.0 = rest;
        }
        total
    }

    /// `+0130` or `-01:30`, as seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.take(1)? {
            b"+" => 1,
            b"-" => -1,
            _ => return None,
        };
        let hours = self.number(2)?;
        let _ = self.literal(b":");
        let minutes = self.number(2)?;
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_in_every_form() {
        let moment = 1_544_869_111_000;
        assert_eq!(any(b"15/Dec/2018:10:18:31 +0000"), Some(moment));
        assert_eq!(any(b"15/Dec/2018:11:48:31 +0130"), Some(moment));
        assert_eq!(any(b"2018-12-15T10:18:31Z"), Some(moment));
        assert_eq!(any(b"2018-12-15 05:18:31.25-05:00"), Some(moment + 250));
        assert_eq!(any(b"1544869111"), Some(moment));
        assert_eq!(any(b"1544869111.25"), Some(moment + 250));
        assert_eq!(any(b"1544869111250"), Some(moment + 250));
        assert_eq!(any(b"1544869111250000"), Some(moment + 250));
        assert_eq!(any(b"1544869111250000000"), Some(moment + 250));
    }

    #[test]
    fn leap_days_and_the_epoch() {
        assert_eq!(rfc3339(b"1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(rfc3339(b"2000-02-29T00:00:00Z"), Some(951_782_400_000));
        assert_eq!(rfc3339(b"2024-12-31T23:59:60Z"), Some(1_735_689_599_000));
        assert_eq!(rfc3339(b"2023-02-29T00:00:00Z"), None);
        assert_eq!(rfc3339(b"1969-12-31T23:59:59Z"), None);
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in
            ["", "-", "NaN", "inf", "-5", "99/Dec/2018:10:18:31 +0000", "2018-13-01T00:00:00Z", "1e300"]
        {
            assert_eq!(any(text.as_bytes()), None, "{text}");
        }
    }
}
