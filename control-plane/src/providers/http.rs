//! Asking a provider over HTTP: JSON in, and errors that hold nothing of the URL (a key may stand in it) and nothing
//! of what the provider wrote (it may repeat key and address).

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::LookupError;
use crate::fetch::{Client, FetchError, FetchRequest, Fetched};

/// The largest answer that is read, bytes; real ones have 1 to 2 KiB.
const LARGEST: usize = 64 * 1024;

/// A status that is no success, with the first bytes of what came with it, for the adapter to look into.
#[derive(Debug)]
pub(super) struct NoSuccess {
    pub(super) status: u16,
    pub(super) retry_after_s: Option<u64>,
    pub(super) body: Vec<u8>,
}

/// What came instead of an answer.
#[derive(Debug)]
pub(super) enum Failure {
    Status(NoSuccess),
    Other(LookupError),
}

/// `GET`s a URL; the body of a success.
pub(super) async fn get(client: &Client, url: &str, headers: HeaderMap) -> Result<Vec<u8>, Failure> {
    let request = FetchRequest { headers, ..FetchRequest::new(url, LARGEST) };
    match client.get(request).await {
        Ok(Fetched::Body { bytes, .. }) => Ok(bytes),
        Ok(Fetched::NotModified) => Err(Failure::Other(LookupError::Status(304))),
        Err(FetchError::Status { status, retry_after_s, body, .. }) => {
            Err(Failure::Status(NoSuccess { status, retry_after_s, body }))
        }
        Err(FetchError::Timeout { .. }) => Err(Failure::Other(LookupError::Timeout)),
        Err(error @ FetchError::TooLarge { .. }) => {
            Err(Failure::Other(LookupError::Malformed(error.to_string())))
        }
        // Their texts name the host only.
        Err(error) => Err(Failure::Other(LookupError::Unreachable(error.to_string()))),
    }
}

/// Reads documented JSON. What is wrong is told by the field's name, never by its value.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LookupError> {
    let malformed = |text: String| LookupError::Malformed(text);
    if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
        return Err(malformed("it is no JSON".to_owned()));
    }
    let read = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(bytes));
    read.map_err(|error| match error.path().to_string().as_str() {
        "." => malformed("it has another shape, or a field is missing".to_owned()),
        path => malformed(format!("the field `{path}` is missing something or has another type")),
    })
}

/// What a status means where its body tells no more.
pub(super) fn of_status(refusal: &NoSuccess) -> LookupError {
    match refusal.status {
        401 | 403 => LookupError::Unauthorized,
        402 => LookupError::OutOfCredit,
        429 => LookupError::TooManyRequests { retry_after_s: refusal.retry_after_s },
        status => LookupError::Status(status),
    }
}

/// A score, if it lies in 0 to 100.
pub(super) fn score(field: &'static str, value: Option<f32>) -> Result<f32, LookupError> {
    let value = value.ok_or_else(|| LookupError::Malformed(format!("the field `{field}` is missing")))?;
    let outside = || LookupError::Malformed(format!("the field `{field}` does not lie between 0 and 100"));
    (0.0..=100.0).contains(&value).then_some(value).ok_or_else(outside)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Told {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        flag: bool,
    }

    proptest! {
        #[test]
        fn no_answer_is_repeated_in_an_error(text in "[a-z0-9 :.]{1,20}", is_json: bool) {
            let secret = format!("k3y{text}");
            let body = match is_json {
                true => serde_json::json!({ "flag": secret, "other": [secret] }).to_string(),
                false => format!("<p>{secret}</p>"),
            };
            let error = read::<Told>(body.as_bytes()).expect_err("no such answer");
            let told = [error.to_string(), format!("{error:?}")].concat();
            prop_assert!(!told.contains("k3y"), "{}", told);
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(read::<Told>(&bytes).is_err());
        }

        #[test]
        fn a_score_lies_in_its_range(value: f32) {
            let read = score("x", Some(value));
            prop_assert_eq!(read.is_ok(), (0.0..=100.0).contains(&value));
        }
    }
}
