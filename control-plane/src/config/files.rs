//! Notices that the configuration changed on disk, without a file-watching library: modification time and
//! size of every file that was read are compared.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The files a configuration was read from, and how they looked just before: a change while reading counts as
/// one after it.
#[derive(Clone, Debug, Default)]
pub struct Files(Vec<Stamp>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    /// Modification time and size; `None` where there is no such file.
    state: Option<(SystemTime, u64)>,
}

impl Files {
    /// Remembers a file that is about to be read.
    pub(super) fn note(&mut self, path: &Path) {
        self.0.push(Stamp::of(path));
    }

    /// Whether any file changed since it was noted, or since the last call: each change is told once.
    pub fn changed(&mut self) -> bool {
        let now: Vec<Stamp> = self.0.iter().map(|stamp| Stamp::of(&stamp.path)).collect();
        let changed = now != self.0;
        self.0 = now;
        changed
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        let state = metadata.and_then(|m| Some((m.modified().ok()?, m.len())));
        Self { path: path.to_owned(), state }
    }
}
