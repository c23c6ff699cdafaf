//! Spark's own configuration, for the commands that understand it.

use std::path::PathBuf;

use super::Context;
use crate::config::Layers;
use crate::exit::Failure;

/// Where Spark's own configuration is.
#[derive(Debug, clap::Args)]
pub(super) struct Properties {
    /// Spark's own configuration, such as spark-defaults.conf; SPARK_… variables are understood, too. All of ours wins over
    /// it [default: spark-defaults.conf in SPARK_CONF_DIR, if that is set]
    #[arg(long, value_name = "FILE")]
    properties_file: Option<PathBuf>,
}

impl Properties {
    /// File and environment over Spark's.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn layers(&self, context: &Context) -> Result<Layers, Failure> {
        Ok(context.layers.over_spark(self.properties_file.as_deref())?)
    }

    /// As [`Properties::layers`], for a process that goes on: what counts for nothing is told of in the log.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn layers_of_process(&self, context: &Context) -> Result<Layers, Failure> {
        let layers = self.layers(context)?;
        context.warn_of_unknown_variables();
        for (said, reason) in layers.spark.dropped() {
            tracing::warn!(%said, reason, "this setting of Spark counts for nothing here");
        }
        Ok(layers)
    }
}
