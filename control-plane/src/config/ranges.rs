//! `ranges:` — whose addresses are whose: what ships, lists that providers publish, and files of the operator. Snapshots
//! carry them to the filters.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use ipnet::IpNet;
use sallyport_core::{Provider, RangeKind, read_range};
use serde::Deserialize;

use super::Files;
use crate::ranges::Inputs;
use crate::ranges::parse::Format;
use crate::ranges::sources::sources;
use crate::ranges::stored::Folder;

/// The largest file of ranges that is read, in bytes: about half a million ranges.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// Named lists of address ranges.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RangesConfig {
    /// Whether the ranges that ship count: of clouds, hosters, proxies, anonymizers and crawlers. Default: true.
    pub bundled: bool,
    /// Files of your own, each with the label its ranges carry. Default: none.
    pub files: Vec<RangeFile>,
    /// How often the control plane fetches lists by itself, in hours; 0 for never. Default: 0.
    pub update_every_h: u32,
    /// Published lists besides those that are known, and what is different about those. Default: none.
    pub sources: Vec<SourceConfig>,
}

impl Default for RangesConfig {
    fn default() -> Self {
        Self { bundled: true, files: Vec::new(), update_every_h: 0, sources: Vec::new() }
    }
}

/// One file: a CIDR range or address per line; blank lines and what follows `#` are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeFile {
    /// The file; relative to the folder of the configuration file.
    pub path: PathBuf,
    /// Whose the ranges are.
    pub label: String,
    /// What they are used for. Default: `hosting` for the label `datacenter`, else `other`.
    pub kind: Option<RangeKind>,
}

/// A published list. What is left out is as it is known of the source of that name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Its name: a known one, which `sallyport ranges show` tells, or another.
    pub name: String,
    /// Whose the ranges are; they take the place of those that ship of that name. Default: the source's name.
    pub provider: Option<String>,
    /// Where the list is.
    pub url: Option<String>,
    /// How it is written. Default: `text`.
    pub format: Option<Format>,
    /// What the ranges are used for.
    pub kind: Option<RangeKind>,
    /// Whether it is fetched. Default: true.
    pub enabled: Option<bool>,
}

impl RangesConfig {
    /// Reads the files; a mistake is (key, message). Relative paths start from `folder`; what is fetched lies beside the
    /// `database`.
    pub(super) fn read(
        &self,
        folder: &Path,
        database: &Path,
        files: &mut Files,
    ) -> Result<Inputs, Vec<(String, String)>> {
        let mut problems = Vec::new();
        if self.update_every_h > 8760 {
            let message = format!("{}: write at most 8760 (a year), 0 for never", self.update_every_h);
            problems.push(("ranges.update_every_h".to_owned(), message));
        }
        let sources = sources(&self.sources).unwrap_or_else(|found| {
            let key = |place, key| format!("ranges.sources[{place}].{key}");
            problems.extend(found.into_iter().map(|(place, of, message)| (key(place, of), message)));
            Vec::new()
        });
        let mut read = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            if file.label.is_empty() || file.label.len() > 64 {
                let key = format!("ranges.files[{index}].label");
                problems.push((key, "write 1 to 64 characters, such as `datacenter`".to_owned()));
                continue;
            }
            let path = folder.join(&file.path);
            files.note(&path);
            match read_file(&path) {
                Ok((nets, changed_ms)) => read.push((file.provider(), nets, changed_ms)),
                Err(message) => problems.push((format!("ranges.files[{index}].path"), message)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let fetched = Folder::beside(database);
        files.note(&fetched.index_path());
        let Self { bundled, update_every_h, .. } = *self;
        Ok(Inputs { bundled, sources, folder: fetched, files: read, update_every_h })
    }
}

impl RangeFile {
    fn provider(&self) -> Provider {
        let usual = if self.label == "datacenter" { RangeKind::Hosting } else { RangeKind::Other };
        Provider { name: self.label.clone(), kind: self.kind.unwrap_or(usual) }
    }
}

/// The ranges, and when the file was changed last, Unix ms (0 where the system does not tell).
fn read_file(path: &Path) -> Result<(Vec<IpNet>, u64), String> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
    let size = metadata.len();
    if size > FILE_LIMIT {
        return Err(format!("{shown} has {size} bytes; at most {FILE_LIMIT} are read"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut nets = Vec::new();
    for (number, line) in text.strip_prefix('\u{feff}').unwrap_or(&text).lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        nets.push(read_range(entry).map_err(|error| {
            let short: String = entry.chars().take(60).collect();
            format!("{shown}:{}: `{short}` {error}", number + 1)
        })?);
    }
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let changed_ms = changed.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0);
    Ok((nets, changed_ms))
}
