//! Numbers and times as people read them.

use crate::replay::accuracy::Accuracy;
use crate::replay::decisions::timestamp;
use crate::training::curve::Confusion;

/// `2018-12-15 10:18`.
pub(in crate::replay) fn minute(ms: u64) -> String {
    timestamp(ms).strftime("%Y-%m-%d %H:%M").to_string()
}

/// A number with its thousands apart.
pub(in crate::replay) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 line`, `2 lines`.
pub(in crate::replay) fn count(number: u64, one: &str) -> String {
    format!("{} {one}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `12.3 %`, or a dash for what is unknown.
pub(in crate::replay) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

/// The share of people flagged, and how many they are.
pub(in crate::replay) fn false_positives(confusion: &Confusion) -> String {
    format!("{} ({})", percent(confusion.false_positive_rate()), grouped(confusion.false_positives))
}

/// The ROC-AUC with three digits.
pub(in crate::replay) fn auc(accuracy: &Accuracy) -> String {
    accuracy.roc_auc.map_or_else(|| "–".to_owned(), |auc| format!("{auc:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!((count(1, "line"), count(2000, "line")), ("1 line".to_owned(), "2,000 lines".to_owned()));
        assert_eq!(percent(Some(0.1234)), "12.3 %");
        assert_eq!(percent(None), "–");
    }
}
