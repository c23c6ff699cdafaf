//! The arguments with which a worker starts an executor (ERN-08), and the resources file it may add (RS-03).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use tanist_core::ids::{AppId, ExecutorId, ProfileId};
use tanist_core::model::Addresses;
use tanist_core::units::Cores;

use crate::error::ClientError;
use crate::masters::check_address;

/// Who an executor is and whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorArgs {
    /// `host:port` of its driver, also given as `spark://name@host:port` (`--driver-url`).
    pub driver: String,
    /// Its number (`--executor-id`).
    pub id: ExecutorId,
    /// Host it runs on, as others know it (`--hostname`).
    pub host: String,
    /// Tasks it runs at a time (`--cores`).
    pub cores: Cores,
    /// Its application (`--app-id`).
    pub app: AppId,
    /// Its worker; only told on (`--worker-url`).
    pub worker_url: Option<String>,
    /// The profile it was made from (`--resourceProfileId`).
    pub profile: ProfileId,
    /// Custom resources it was given (content of `--resourcesFile`).
    pub resources: Addresses,
}

/// One entry of a resources file.
#[derive(Debug, Deserialize)]
struct Allocation {
    id: ResourceId,
    addresses: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceId {
    resource_name: String,
}

/// Flags that must be there, with what they hold.
const REQUIRED: [&str; 5] = ["--driver-url", "--executor-id", "--hostname", "--cores", "--app-id"];

/// Flags that may be there.
const OPTIONAL: [&str; 3] = ["--worker-url", "--resourceProfileId", "--resourcesFile"];

impl ExecutorArgs {
    /// Reads arguments, the program's name not among them: each flag with its value behind it or after `=`.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, ClientError> {
        let given = collect(arguments)?;
        let required = |flag: &'static str| {
            given.get(flag).map(String::as_str).ok_or_else(|| refused(flag, "", "is missing, but required"))
        };
        for flag in REQUIRED {
            required(flag)?;
        }
        let url = required("--driver-url")?;
        let address = url.rsplit_once('@').map_or_else(|| url.trim_start_matches("spark://"), |(_, address)| address);
        check_address(address).map_err(|why| refused("--driver-url", url, &format!("{why}; host:port is needed")))?;
        let whole =
            |flag, text: &str| text.parse().map_err(|_| refused(flag, text, "is no whole number from 0 to 4294967295"));
        let host = required("--hostname")?;
        if host.trim().is_empty() {
            return Err(refused("--hostname", host, "must not be blank"));
        }
        Ok(Self {
            driver: address.to_owned(),
            id: ExecutorId(whole("--executor-id", required("--executor-id")?)?),
            host: host.to_owned(),
            cores: Cores::parse(required("--cores")?)
                .map_err(|error| refused("--cores", &error.value, &format!("is not {}", error.wanted)))?,
            app: AppId::new(required("--app-id")?).map_err(|error| refused("--app-id", &error.value, error.why))?,
            worker_url: given.get("--worker-url").cloned(),
            profile: match given.get("--resourceProfileId") {
                Some(text) => ProfileId(whole("--resourceProfileId", text)?),
                None => ProfileId::default(),
            },
            resources: given.get("--resourcesFile").map(|path| read_resources(path)).transpose()?.unwrap_or_default(),
        })
    }
}

fn refused(flag: &str, value: &str, why: &str) -> ClientError {
    ClientError::InvalidArgument { flag: flag.to_owned(), value: value.to_owned(), why: why.to_owned() }
}

fn collect(arguments: impl IntoIterator<Item = String>) -> Result<BTreeMap<String, String>, ClientError> {
    let mut given = BTreeMap::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        if !REQUIRED.iter().chain(&OPTIONAL).any(|known| *known == flag) {
            let known = [&REQUIRED[..], &OPTIONAL[..]].concat().join(", ");
            return Err(refused(&flag, "", &format!("is unknown; allowed are {known}")));
        }
        let value = value.or_else(|| arguments.next()).ok_or_else(|| refused(&flag, "", "has no value"))?;
        if given.insert(flag.clone(), value.clone()).is_some() {
            return Err(refused(&flag, &value, "is given twice"));
        }
    }
    Ok(given)
}

fn read_resources(path: &str) -> Result<Addresses, ClientError> {
    let refused = |why: String| refused("--resourcesFile", path, &why);
    let text = std::fs::read(Path::new(path)).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let entries: Vec<Allocation> = serde_json::from_slice(&text).map_err(|error| {
        refused(format!("is no list of {{\"id\":{{\"resourceName\":…}},\"addresses\":[…]}}: {error}"))
    })?;
    Ok(Addresses::new(entries.into_iter().map(|entry| (entry.id.resource_name, entry.addresses))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "--driver-url 127.0.0.1:4000 --executor-id 3 --hostname h --cores 2 --app-id app-1 \
                        --worker-url spark://Worker@h:1 --resourceProfileId 1";

    fn parse(line: &str) -> Result<ExecutorArgs, ClientError> {
        ExecutorArgs::parse(line.split_whitespace().map(ToOwned::to_owned))
    }

    #[test]
    fn the_workers_arguments_are_understood() {
        let args = parse(GOOD).unwrap();
        assert_eq!((args.id, args.cores, args.profile), (ExecutorId(3), Cores(2), ProfileId(1)), "ERN-08");
        assert_eq!((args.driver.as_str(), args.app.as_str()), ("127.0.0.1:4000", "app-1"));
        for url in ["spark://CoarseGrainedScheduler@d:7", "spark://d:7", "d:7"] {
            let line = GOOD.replace("127.0.0.1:4000", url).replace(" --cores 2", " --cores=2");
            assert_eq!(parse(&line).unwrap().driver, "d:7");
        }
    }

    #[test]
    fn a_resources_file_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("resources.json");
        std::fs::write(
            &file,
            r#"[{"id":{"componentName":"spark.executor","resourceName":"gpu"},"addresses":["0","1"]}]"#,
        )
        .unwrap();
        let line = format!("{GOOD} --resourcesFile {}", file.display());
        assert_eq!(parse(&line).unwrap().resources.of("gpu"), ["0", "1"]);
        std::fs::write(&file, "{}").unwrap();
        assert!(parse(&line).unwrap_err().to_string().contains("is no list of"));
        let line = format!("{GOOD} --resourcesFile {}", "/nowhere/at/all");
        assert!(parse(&line).unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, words) in [
            (String::new(), "--driver-url is missing, but required"),
            (GOOD.replace("--cores 2", "--cores 0"), "--cores \"0\" is not a whole number of cores, at least 1"),
            (GOOD.replace("-id 3", "-id x"), "--executor-id \"x\" is no whole number"),
            (GOOD.replace("127.0.0.1:4000", "d:0"), "--driver-url \"d:0\" has port \"0\""),
            (GOOD.replace("app-1", "a/b"), "--app-id \"a/b\" '/' is not allowed"),
            (format!("{GOOD} --cores 2"), "--cores \"2\" is given twice"),
            (format!("{GOOD} --resourcesFile"), "--resourcesFile has no value"),
            (format!("{GOOD} --frobnicate 1"), "--frobnicate is unknown; allowed are --driver-url"),
        ] {
            let error = parse(&line).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
