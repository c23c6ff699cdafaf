//! The REST submission server of a master: its port, and who may use it.

use std::path::Path;

use anyhow::Context as _;
use tanist_core::address::host_port;
use tanist_master::{RestOptions, Variables};
use tanist_web::{JwsKey, Limits};
use tokio::net::TcpListener;

use crate::cmd::secret;
use crate::config::{MasterSettings, Resolved, RestSettings};
use crate::daemon;
use crate::exit::Failure;

/// What our own settings are called in the environment: their values are nobody's business.
const OUR_VARIABLES: &str = "TANIST_";

/// What a master's REST server is started with.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) listener: TcpListener,
    pub(super) options: RestOptions,
    /// `host:port` by which clients reach it.
    pub(super) address: String,
}

/// Binds its port, if it is wanted.
///
/// # Errors
/// If it would let strangers run programs, or a setting cannot be used.
pub(super) async fn open(
    rest: &Resolved<RestSettings>,
    master: &Resolved<MasterSettings>,
) -> Result<Option<Opened>, Failure> {
    let settings = &rest.settings;
    if !settings.enabled {
        return Ok(None);
    }
    let key = settings.jws_key_file.as_deref().map(|path| key(rest, path)).transpose()?;
    let host = settings.host.as_ref().unwrap_or(&master.settings.host);
    let bind = settings.host.as_ref().or(master.settings.bind.as_ref());
    let listener = daemon::listen(rest, (bind.unwrap_or(host), None), settings.port).await?;
    let bound = listener.local_addr().context("asking for the REST port in use")?;
    if key.is_none() && !bound.ip().is_loopback() {
        if !settings.allow_unauthenticated {
            let allowed = format!(
                "true, or else a rest.jws_key_file, or a rest.host of this host alone such as 127.0.0.1: everybody who \
                 reaches {bound} could run programs on the workers"
            );
            return Err(rest.problem("allow_unauthenticated", allowed).into());
        }
        tracing::warn!(%bound, "everybody who reaches this port can run programs on the workers (rest.allow_unauthenticated)");
    }
    tracing::info!(%bound, tokens = key.is_some(), "REST submissions are served");
    let options = RestOptions {
        limits: Limits {
            max_connections: settings.max_connections,
            max_body: usize::try_from(settings.max_body.as_mib()).map_or(usize::MAX, |mib| mib.saturating_mul(1 << 20)),
            request_timeout: settings.request_timeout,
            ..Limits::default()
        },
        key,
        spark_version: settings.server_spark_version.clone(),
        port: bound.port(),
        variables: variables(),
    };
    Ok(Some(Opened { listener, options, address: host_port(host, bound.port()) }))
}

/// What submissions may refer to: whatever this process was started with, but for our own settings.
fn variables() -> Variables {
    let texts =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Variables(texts.filter(|(name, _)| !name.starts_with(OUR_VARIABLES)).collect())
}

fn key(rest: &Resolved<RestSettings>, path: &Path) -> Result<JwsKey, Failure> {
    let text = secret::read_line(rest, "jws_key_file", path)?;
    JwsKey::from_base64url(&text)
        .map_err(|error| rest.problem("jws_key_file", format!("a file with a key in base64url ({error})")).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Layers};

    async fn opened(flags: &[(&'static str, &str)]) -> Result<Option<Opened>, Failure> {
        let flags = flags.iter().fold(Flags::default().with("port", "0"), |flags, (key, text)| flags.with(key, text));
        let rest = Layers::default().resolve(&flags)?;
        let master = Layers::default().resolve(&Flags::default().with("host", "127.0.0.1"))?;
        open(&rest, &master).await
    }

    #[tokio::test]
    async fn it_is_off_unless_wanted_re_01() {
        assert!(opened(&[]).await.unwrap().is_none());
        assert!(opened(&[("enabled", "true")]).await.unwrap().unwrap().options.key.is_none(), "this host is served");
    }

    #[tokio::test]
    async fn strangers_cannot_run_programs_by_default_se_06() {
        let open = [("enabled", "true"), ("host", "0.0.0.0")];
        let refused = opened(&open).await.unwrap_err().to_string();
        assert!(refused.contains("rest.allow_unauthenticated = \"false\" (from default)"), "{refused}");
        assert!(refused.contains("could run programs on the workers"), "{refused}");
        assert!(opened(&[open[0], open[1], ("allow_unauthenticated", "true")]).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_key_comes_from_a_file_and_is_checked_t_rs_26_t_rs_27() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let file = path.to_str().unwrap();
        let open = [("enabled", "true"), ("host", "0.0.0.0"), ("jws_key_file", file)];
        let missing = opened(&open).await.unwrap_err().to_string();
        assert!(missing.contains("rest.jws_key_file") && missing.contains("can read"), "{missing}");
        std::fs::write(&path, "c2hvcnQ\n").unwrap();
        let short = opened(&open).await.unwrap_err().to_string();
        assert!(short.contains("40 bits") && !short.contains("c2hvcnQ"), "{short}");
        std::fs::write(&path, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\n").unwrap();
        assert!(opened(&open).await.unwrap().unwrap().options.key.is_some());
        let both = opened(&[open[0], open[2], ("allow_unauthenticated", "true")]).await.unwrap_err().to_string();
        assert!(both.contains("true without rest.jws_key_file"), "{both}");
    }

    #[tokio::test]
    async fn a_request_takes_some_time_but_not_forever() {
        assert!(opened(&[("request_timeout", "1h")]).await.is_ok());
        for wrong in ["0s", "61min", "1000000000d"] {
            let refused = opened(&[("request_timeout", wrong)]).await.unwrap_err().to_string();
            assert!(refused.contains("rest.request_timeout") && refused.contains("at most 1h"), "{refused}");
        }
    }

    #[tokio::test]
    async fn our_own_variables_are_not_handed_out_re_13() {
        let opened = opened(&[("enabled", "true")]).await.unwrap().unwrap();
        let Variables(variables) = &opened.options.variables;
        assert!(variables.contains_key("PATH"));
        assert!(variables.keys().all(|name| !name.starts_with("TANIST_")));
        let told = format!("{opened:?}");
        assert!(told.contains(" variables") && !told.contains(&variables["PATH"]), "{told}");
    }
}
