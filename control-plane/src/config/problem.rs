//! What is wrong with a configuration, said so that the operator can put it right in one go.

use std::fmt;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line (1-based) of a file.
    Line {
        /// The file as the operator named it.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A command-line flag.
    Flag(String),
}

impl Origin {
    pub(super) fn line(file: &str, line: usize) -> Self {
        Self::Line { file: file.to_owned(), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub origin: Origin,
    /// The full key, such as `server.port`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Problem {
    pub(super) fn new(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, key: key.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.origin, self.message),
            key => write!(f, "{}: {key}: {}", self.origin, self.message),
        }
    }
}

/// What serde says of a value, in the words of somebody who writes YAML.
pub(super) fn plain(message: &str) -> String {
    const WORDS: [(&str, &str); 10] = [
        ("expected u16", "write a whole number from 0 to 65535"),
        ("expected u32", "write a whole number, 0 or more"),
        ("expected u64", "write a whole number, 0 or more"),
        ("expected f32", "write a number"),
        ("expected a boolean", "write true or false"),
        ("expected a string", "write text, in quotes if need be"),
        ("expected path string", "write the name of a file, in quotes if need be"),
        ("expected a sequence", "write a list: [a, b]"),
        ("expected a map", "write keys with their values below it"),
        ("invalid IP address syntax", "is no IP address; write one such as 127.0.0.1, or `::` for all"),
    ];
    for (said, meant) in WORDS {
        if let Some(start) = message.strip_suffix(said) {
            return format!("{start}{meant}");
        }
    }
    match message.split_once("expected struct ") {
        Some((start, _)) => format!("{start}write its keys below it"),
        None => message.to_owned(),
    }
}

/// Every mistake found in one run, in the order of the file.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the configuration:", if count == 1 { "mistake" } else { "mistakes" })?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}
