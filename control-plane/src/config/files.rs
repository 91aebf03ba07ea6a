//! Notices that the configuration changed on disk, without a file-watching library: modification time and
//! size of every file that was read are compared.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The files a configuration was read from, and how they looked just before: a change while reading counts as
/// one after it.
#[derive(Clone, Debug, Default)]
pub struct Files(Vec<Watched>);

#[derive(Clone, Debug)]
struct Watched {
    path: PathBuf,
    /// Whether there was such a file when it was read.
    existed: bool,
    last: Option<Stamp>,
}

/// Modification time and size.
type Stamp = (SystemTime, u64);

impl Files {
    /// Remembers a file that is about to be read.
    pub(super) fn note(&mut self, path: &Path) {
        let last = stamp(path);
        self.0.push(Watched { path: path.to_owned(), existed: last.is_some(), last });
    }

    /// Whether the configuration was read from this file.
    pub fn existed(&self, path: &Path) -> bool {
        self.0.iter().any(|file| file.path == path && file.existed)
    }

    /// Whether any file changed since it was noted, or since the last call: each change is told once.
    pub fn changed(&mut self) -> bool {
        let mut changed = false;
        for file in &mut self.0 {
            let now = stamp(&file.path);
            changed |= now != file.last;
            file.last = now;
        }
        changed
    }
}

/// `None` where there is no such file.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
