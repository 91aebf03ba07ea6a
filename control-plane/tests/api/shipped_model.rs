//! The model that ships is what its command makes, byte for byte, on every machine.

use std::process::Command;

use tempfile::TempDir;

const SHIPPED: &[u8] = include_bytes!("../../../core/model/builtin.bin");

#[test]
fn one_command_makes_the_shipped_model_again() {
    let folder = TempDir::new().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
    command.current_dir(folder.path()).args(["train", "--simulate", "--out", "model.bin"]);
    let output = command.env_remove("SALLYPORT_CONFIG").output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    let made = std::fs::read(folder.path().join("model.bin")).expect("a model");
    assert!(
        made == SHIPPED,
        "features, simulation or recipe have changed: make the model again with \
         `sallyport train --simulate --out core/model/builtin.bin`, and measure it for core/model/README.md"
    );
}
