//! Compiles the contracts in `proto/` with a compiler written in Rust, so that a fresh clone needs no `protoc`.

use std::error::Error;
use std::path::Path;

use tonic_prost_build::Config;

/// One service per file.
const FILES: [&str; 7] = ["common", "worker", "app", "submission", "operator", "executor", "ha"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = FILES.map(|name| root.join("tanist/v1").join(name).with_extension("proto"));
    let descriptors = protox::compile(&files, [&root])?;

    let mut config = Config::new();
    config.btree_map(["."]).bytes(["."]);
    tonic_prost_build::configure().emit_rerun_if_changed(false).compile_fds_with_config(descriptors, config)?;
    Ok(())
}
