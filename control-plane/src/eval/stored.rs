//! Stored models by what they are called on the command line.

use anyhow::{Context as _, ensure};
use sallyport_core::Model;

use super::contestants::Contestant;
use crate::config::StoreConfig;
use crate::models::{file, ready};
use crate::store::SqliteStore;

/// The models of these names: `builtin`, the number of a checkpoint, or a file with a model or an exported checkpoint.
///
/// # Errors
/// If one cannot be read or is no model of this build.
pub(super) fn models(names: &[String], store: &StoreConfig) -> anyhow::Result<Vec<Contestant>> {
    names.iter().map(|name| Ok(Contestant::stored(name, model(name, store)?))).collect()
}

fn model(name: &str, store: &StoreConfig) -> anyhow::Result<Model> {
    if name == "builtin" {
        return Ok(Model::built_in()?);
    }
    match name.parse() {
        Ok(id) => checkpoint(id, store),
        Err(_) => {
            let bytes = std::fs::read(name).with_context(|| format!("cannot read {name}"))?;
            let content = file::read(&bytes, "eval").with_context(|| name.to_owned())?;
            Model::from_bytes(&content.model).with_context(|| name.to_owned())
        }
    }
}

fn checkpoint(id: i64, store: &StoreConfig) -> anyhow::Result<Model> {
    let path = store.path.display();
    ensure!(store.path.exists(), "checkpoint {id}: there is no database {path}; set store.path");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Ok(ready(&SqliteStore::open(store)?, id).await?.model) })
}
