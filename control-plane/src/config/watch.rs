//! Notices that the configuration changed on disk, without a file-watching library: modification time and
//! size of the configuration file and of the range files it names are compared.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Loaded, Sources};

/// What the files looked like when they were last read.
#[derive(Debug)]
pub struct Watcher {
    seen: Vec<Stamp>,
}

#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    state: Option<(SystemTime, u64)>,
}

impl Watcher {
    /// Remembers how the files look now.
    pub fn new(sources: &Sources, loaded: &Loaded) -> Self {
        let folder = sources.folder();
        let files = loaded.config.ranges.files.iter().map(|file| folder.join(&file.path));
        let seen = std::iter::once(sources.path()).chain(files).map(|path| Stamp::of(&path)).collect();
        Self { seen }
    }

    /// Whether any of the files changed since the last call that said so; each change is told once.
    pub fn changed(&mut self) -> bool {
        let now: Vec<Stamp> = self.seen.iter().map(|stamp| Stamp::of(&stamp.path)).collect();
        let changed = now != self.seen;
        self.seen = now;
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
