//! `ranges:` — files of address ranges that snapshots carry to the filters.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use sallyport_core::{Provider, RangeKind};
use serde::Deserialize;

use super::Files;

/// The largest file of ranges that is read, in bytes: about half a million ranges.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// Named lists of address ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RangesConfig {
    /// The files, each with the label its ranges carry. Default: none.
    pub files: Vec<RangeFile>,
}

/// One file: a CIDR range or address per line; blank lines and what follows `#` are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeFile {
    /// The file; relative to the folder of the configuration file.
    pub path: PathBuf,
    /// What the ranges are; `datacenter` feeds the check `datacenter_ip`.
    pub label: String,
}

/// The ranges of all files, with labels as indexes into `labels`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Every range with its label's index.
    pub nets: Vec<(IpNet, u16)>,
    /// The labels, each once.
    pub labels: Vec<String>,
}

impl Ranges {
    /// In the form that the judge runs.
    pub fn compile(&self) -> sallyport_core::Ranges {
        let provider = |name: &String| Provider { name: name.clone(), kind: RangeKind::Other };
        sallyport_core::Ranges::new(self.nets.iter().copied(), self.labels.iter().map(provider).collect())
    }
}

impl RangesConfig {
    /// Reads the files; a mistake is (key, message).
    pub(super) fn read(&self, folder: &Path, files: &mut Files) -> Result<Ranges, Vec<(String, String)>> {
        let mut ranges = Ranges::default();
        let mut problems = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            if file.label.is_empty() || file.label.len() > 64 {
                let key = format!("ranges.files[{index}].label");
                problems.push((key, "write 1 to 64 characters, such as `datacenter`".to_owned()));
                continue;
            }
            let label = ranges.labels.iter().position(|label| *label == file.label).unwrap_or_else(|| {
                ranges.labels.push(file.label.clone());
                ranges.labels.len() - 1
            });
            let label = u16::try_from(label).unwrap_or(u16::MAX);
            let path = folder.join(&file.path);
            files.note(&path);
            if let Err(message) = read_file(&path, label, &mut ranges.nets) {
                problems.push((format!("ranges.files[{index}].path"), message));
            }
        }
        if problems.is_empty() { Ok(ranges) } else { Err(problems) }
    }
}

fn read_file(path: &Path, label: u16, nets: &mut Vec<(IpNet, u16)>) -> Result<(), String> {
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?.len();
    if size > FILE_LIMIT {
        return Err(format!("{shown} has {size} bytes; at most {FILE_LIMIT} are read"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    for (number, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let net =
            entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                let short: String = entry.chars().take(60).collect();
                format!(
                    "{shown}:{}: `{short}` is no address range; write one such as 203.0.113.0/24",
                    number + 1
                )
            })?;
        nets.push((net.trunc(), label));
    }
    Ok(())
}
