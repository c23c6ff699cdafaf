//! Compiles as much of etcd's contract as is served here.

use std::error::Error;

use tonic_prost_build::Config;

const FILE: &str = "proto/etcd.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={FILE}");
    let descriptors = protox::compile([FILE], ["proto"])?;
    let mut config = Config::new();
    config.bytes(["."]);
    tonic_prost_build::configure()
        .build_client(false)
        .emit_rerun_if_changed(false)
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}
