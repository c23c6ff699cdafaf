use super::*;

fn options() -> EtcdOptions {
    EtcdOptions::new(vec!["http://a:2379".to_owned(), "http://10.0.0.2:2379".to_owned()], "prod-1.eu_west")
}

fn secure() -> EtcdOptions {
    let ca = format!("{CERTIFICATE}\n").into_bytes();
    let tls = Some(EtcdTls { ca, identity: None, server_name: None });
    EtcdOptions { endpoints: vec!["https://[::1]:2379".to_owned()], tls, ..options() }
}

/// The field that is named, and the whole text.
fn refused(change: impl FnOnce(&mut EtcdOptions)) -> (&'static str, String) {
    let mut options = options();
    change(&mut options);
    let error = options.check().unwrap_err();
    (error.field, error.to_string())
}

#[test]
fn what_is_allowed_is_allowed() {
    assert_eq!(options().check(), Ok(()));
    assert_eq!(secure().check(), Ok(()));
    for prefix in ["/tanist/x/v1/", "tanist/", "/a/"] {
        assert_eq!(EtcdOptions { prefix: prefix.to_owned(), ..options() }.check(), Ok(()), "{prefix}");
    }
    for seconds in [3, 5, 60] {
        assert_eq!(EtcdOptions { ttl: Duration::from_secs(seconds), ..options() }.check(), Ok(()));
    }
}

#[test]
fn endpoints_are_looked_at() {
    for bad in [
        "a:2379",
        "ftp://a:2379",
        "http://a",
        "http://:2379",
        "http://a:0",
        "http://a:70000",
        "http://a:2379/",
        "http://a:2379/v3",
        "http://a:2379?x",
        "http://user@a:2379",
        "http://a b:2379",
        "",
    ] {
        let (field, text) = refused(|options| options.endpoints = vec![bad.to_owned()]);
        assert_eq!(field, "endpoints", "{bad}");
        assert!(text.contains("http://host:port or https://host:port is allowed"), "{text}");
    }
    assert_eq!(refused(|options| options.endpoints.clear()).1, "endpoints: at least one is needed");
    assert!(
        refused(|options| options.endpoints.push("https://b:2379".to_owned())).1.contains("all must be of one scheme")
    );
    assert!(refused(|options| options.endpoints.push("http://a:2379".to_owned())).1.contains("named twice"));
}

#[test]
fn names_prefixes_and_times_are_looked_at() {
    for bad in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
        assert_eq!(refused(|options| options.cluster = bad.to_owned()).0, "cluster", "{bad}");
    }
    for bad in ["", "/", "//", "/a", "a", "/a//b/", "//a/", "/a b/", "/a\n/"] {
        assert_eq!(refused(|options| options.prefix = bad.to_owned()).0, "prefix", "{bad}");
    }
    for bad in [0, 2_000, 2_999, 3_500, 60_001, 61_000] {
        let (field, text) = refused(|options| options.ttl = Duration::from_millis(bad));
        assert_eq!(field, "ttl", "{bad}");
        assert!(text.ends_with("whole seconds from 3 to 60 are allowed"), "{text}");
    }
}

#[test]
fn logins_and_certificates_are_looked_at_and_never_shown() {
    let login = |user: &str, password: &str| Some(Credentials { user: user.to_owned(), password: password.to_owned() });
    assert_eq!(refused(|options| options.credentials = login("", "hidden")).0, "credentials.user");
    assert_eq!(refused(|options| options.credentials = login("user", "")).0, "credentials.password");
    assert!(!format!("{:?}", login("user", "hidden")).contains("hidden"));
    assert_eq!(refused(|options| options.tls = secure().tls).0, "tls");
    assert_eq!(refused(|options| *options = EtcdOptions { tls: None, ..secure() }).0, "tls.ca");
    let with = |ca: &str, identity: Option<(&str, &str)>| {
        let identity = identity.map(|(certificate, key)| (certificate.into(), key.into()));
        EtcdOptions { tls: Some(EtcdTls { ca: ca.into(), identity, server_name: None }), ..secure() }
    };
    assert_eq!(refused(|options| *options = with("hidden", None)).1, "tls.ca: there is no certificate in this PEM");
    let key = "-----BEGIN PRIVATE KEY-----";
    for (identity, field) in
        [(("hidden", key), "tls.identity certificate"), ((CERTIFICATE, "hidden"), "tls.identity key")]
    {
        let (found, text) = refused(|options| *options = with(CERTIFICATE, Some(identity)));
        assert_eq!(found, field);
        assert!(!text.contains("hidden"), "{text}");
    }
}
