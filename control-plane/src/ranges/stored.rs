//! The lists that were fetched, in a folder beside the database: a file per source, written whole or not at all, and an
//! index of when each source was asked last and what came of it. The index is written last, so that who watches it
//! finds everything in place.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::parse::{Format, List, parse};

/// The largest file that is read, in bytes.
const FILE_LIMIT: u64 = 32 * 1024 * 1024;

/// The folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder(PathBuf);

/// A list as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Where it came from and when.
    pub head: Head,
    /// The ranges, sorted.
    pub nets: Vec<IpNet>,
}

/// The first line of a list's file, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Where it came from.
    pub url: String,
    /// The `ETag` it had there.
    pub etag: Option<String>,
    /// When it came, Unix ms.
    pub fetched_ms: u64,
    /// How many ranges follow.
    pub ranges: usize,
}

/// The last time that a source was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When, Unix ms.
    pub at_ms: u64,
    /// Why nothing came of it.
    pub error: Option<String>,
}

/// The last attempts, by source.
pub type Index = BTreeMap<String, Attempt>;

impl Folder {
    /// The folder of a database: its path with `.ranges` at the end.
    pub fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".ranges");
        Self(path.into())
    }

    /// The file that changes with every update.
    pub fn index_path(&self) -> PathBuf {
        self.0.join("index.json")
    }

    /// The list of a source; `None` where none was fetched.
    ///
    /// # Errors
    /// Why its file cannot be used.
    pub fn read(&self, source: &str) -> Result<Option<Stored>, String> {
        let path = self.file(source);
        let Some(bytes) = read_limited(&path).map_err(|error| format!("{}: {error}", path.display()))? else {
            return Ok(None);
        };
        decode(&bytes).map(Some).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Keeps the list of a source; it is on disk when this returns.
    ///
    /// # Errors
    /// What the file system says; the list before it stays.
    pub fn write(&self, source: &str, stored: &Stored) -> io::Result<()> {
        self.put(&self.file(source), &encode(stored)?)
    }

    /// The last attempts; none where the index is missing or damaged, which costs no more than their record.
    pub fn index(&self) -> Index {
        let bytes = read_limited(&self.index_path()).ok().flatten().unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Adds attempts to the index.
    ///
    /// # Errors
    /// What the file system says.
    pub fn note(&self, attempts: Index) -> io::Result<()> {
        let mut index = self.index();
        index.extend(attempts);
        self.put(&self.index_path(), &serde_json::to_vec_pretty(&index)?)
    }

    /// Makes the folder, and holds it against other processes that update until the value is dropped; `None` where one
    /// does.
    ///
    /// # Errors
    /// What the file system says.
    pub fn hold(&self) -> io::Result<Option<File>> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let lock =
            File::options().create(true).truncate(false).write(true).mode(0o600).open(self.0.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn file(&self, source: &str) -> PathBuf {
        self.0.join(format!("{source}.txt"))
    }

    /// Writes a file whole or not at all, and lasting.
    fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let partial = path.with_extension("partial");
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        File::open(&self.0)?.sync_all()
    }
}

/// `None` where there is no such file.
fn read_limited(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(io::Error::other(format!("it has more than {FILE_LIMIT} bytes")));
    }
    Ok(Some(bytes))
}

fn encode(stored: &Stored) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_string(&stored.head)?;
    text.push('\n');
    for net in &stored.nets {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{net}");
    }
    Ok(text.into_bytes())
}

fn decode(bytes: &[u8]) -> Result<Stored, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("has no first line")?;
    let head: Head = serde_json::from_slice(&bytes[..end]).map_err(|error| format!("first line: {error}"))?;
    let List { nets, .. } = parse(Format::Text, &bytes[end..]).map_err(|error| error.to_string())?;
    if nets.len() != head.ranges {
        return Err(format!("holds {} ranges, not {} as it says", nets.len(), head.ranges));
    }
    Ok(Stored { head, nets })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stored(nets: &[&str]) -> Stored {
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().expect("a range")).collect();
        let (url, etag) = ("https://example.com/list".to_owned(), Some("\"1\"".to_owned()));
        Stored { head: Head { url, etag, fetched_ms: 1_795_000_000_000, ranges: nets.len() }, nets }
    }

    #[test]
    fn lists_and_attempts_are_kept() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::beside(&temporary.path().join("test.db"));
        assert_eq!(folder.read("aws"), Ok(None));
        assert!(folder.index().is_empty());
        let held = folder.hold().expect("a folder").expect("nobody holds it");
        assert!(folder.hold().expect("a folder").is_none());
        drop(held);
        assert!(folder.hold().expect("a folder").is_some());
        let list = stored(&["3.5.140.0/22", "2600:1f00::/24"]);
        folder.write("aws", &list).expect("written");
        assert_eq!(folder.read("aws"), Ok(Some(list)));
        let attempt = |at_ms, error: Option<&str>| Attempt { at_ms, error: error.map(str::to_owned) };
        folder.note(Index::from([("aws".to_owned(), attempt(1, None))])).expect("written");
        folder.note(Index::from([("linode".to_owned(), attempt(2, Some("no")))])).expect("written");
        assert_eq!(
            folder.index().into_values().collect::<Vec<_>>(),
            [attempt(1, None), attempt(2, Some("no"))]
        );
        let partial = fs::read_dir(&folder.0).expect("the folder").filter(|entry| {
            entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "partial"))
        });
        assert_eq!(partial.count(), 0);
    }

    #[test]
    fn a_damaged_file_is_told_and_harms_nothing_else() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::beside(&temporary.path().join("test.db"));
        drop(folder.hold().expect("a folder"));
        let whole = encode(&stored(&["3.5.140.0/22", "2600:1f00::/24"])).expect("encoded");
        for cut in [0, 10, whole.len() - 10, whole.len() - 15] {
            fs::write(folder.file("aws"), &whole[..cut]).expect("written");
            assert!(folder.read("aws").is_err(), "{cut}");
        }
        fs::write(folder.index_path(), "{").expect("written");
        assert!(folder.index().is_empty());
        folder.note(Index::from([("aws".to_owned(), Attempt::default())])).expect("written");
        assert_eq!(folder.index().len(), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_list_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(stored) = decode(&bytes) {
                prop_assert_eq!(stored.nets.len(), stored.head.ranges);
            }
        }
    }
}
