use super::*;

fn from(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weir.toml");
    std::fs::write(&path, file).unwrap();
    let mut sources = Sources { file: Some(path), ..Sources::default() };
    sources.environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    for (key, value) in flags {
        sources.flag(key, *value, "--set");
    }
    load(&sources)
}

fn error_of(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    let text = from(file, environment, flags).unwrap_err().to_string();
    // The folder's name is random.
    match (text.find("/tmp/"), text.find("weir.toml")) {
        (Some(from), Some(to)) => format!("{}{}", &text[..from], &text[to..]),
        _ => text,
    }
}

#[test]
fn flags_are_stronger_than_the_environment_than_the_file_than_defaults() {
    let file = "data = \"/file\"\n[gateway]\nregion = \"file\"\nlisten = \"127.0.0.1:1\"\nheader_max_count = 50\n";
    let environment = [("WEIR_GATEWAY_REGION", "environment"), ("WEIR_GATEWAY_LISTEN", "127.0.0.1:2"), ("HOME", "/")];
    let config = from(file, &environment, &[("gateway.listen", "127.0.0.1:3")]).unwrap();
    assert_eq!(config.gateway.header_max_count, 50);
    assert_eq!(config.gateway.region, "environment");
    assert_eq!(config.gateway.listen, "127.0.0.1:3");
    assert_eq!(config.gateway.base_path, "/api/v1/s3");
    assert_eq!(config.service.data, PathBuf::from("/file"));
    assert!(matches!(config.origin("gateway.header_max_count"), Origin::File { line: 5, .. }));
    assert_eq!(config.origin("gateway.region"), &Origin::Environment("WEIR_GATEWAY_REGION".into()));
    assert_eq!(config.origin("gateway.listen"), &Origin::Flag("--set".into()));
    assert_eq!(config.origin("gateway.base_path"), &Origin::Default);
}

#[test]
fn sizes_and_spans_may_have_units_everywhere() {
    let file =
        "[gateway]\nblock_max_bytes = \"8 MiB\"\nxml_max_bytes = 2_097_152\n[metaserver]\nupload_expiry_ms = \"2d\"\n";
    let config = from(file, &[("WEIR_WORKER_SEGMENT_BYTES", "16MiB")], &[("shutdown_timeout_ms", "5 s")]).unwrap();
    assert_eq!(config.gateway.block_max_bytes, 8 << 20);
    assert_eq!(config.gateway.xml_max_bytes, 2 << 20);
    assert_eq!(config.metaserver.upload_expiry_ms, 172_800_000);
    assert_eq!(config.worker.segment_bytes, 16 << 20);
    assert_eq!(config.service.shutdown_timeout_ms, 5_000);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    assert_eq!(
        error_of("[gateway]\n\nblock_max_byte = 1\n", &[], &[]),
        "unknown key gateway.block_max_byte from file weir.toml:3: did you mean gateway.block_max_bytes?"
    );
    assert_eq!(
        error_of("", &[("WEIR_GATEWAY_LISTN", "x")], &[]),
        "unknown key WEIR_GATEWAY_LISTN from environment WEIR_GATEWAY_LISTN: did you mean WEIR_GATEWAY_LISTEN?"
    );
    assert_eq!(error_of("", &[], &[("dta", "x")]), "unknown key dta from flag --set: did you mean data?");
    assert!(error_of("replication = 2\n", &[], &[]).ends_with("did you mean metaserver.replication?"));
    assert!(error_of("[gatway]\nlisten = \"x\"\n", &[], &[]).contains("unknown key gatway"));
    assert!(error_of("[gateway.tls]\ncert = \"x\"\n", &[], &[]).contains("unknown key gateway.tls "));
}

#[test]
fn a_wrong_type_names_key_value_expectation_and_place() {
    assert_eq!(
        error_of("[gateway]\nheader_max_count = true\n", &[], &[]),
        "gateway.header_max_count = true from file weir.toml:2: expected a whole number from 1 to 10000"
    );
    let text = error_of("", &[("WEIR_GATEWAY_BLOCK_MAX_BYTES", "64 MB")], &[]);
    assert!(text.starts_with("gateway.block_max_bytes = \"64 MB\" from environment WEIR_GATEWAY_BLOCK_MAX_BYTES: "));
    assert!(text.contains("\"64 KiB\"") && text.ends_with("from 64 KiB to 1 GiB"), "{text}");
    assert!(error_of("data = 1\n", &[], &[]).contains("data = 1 from file weir.toml:1: expected a text"));
    assert!(error_of("gateway = 1\n", &[], &[]).contains("unknown key gateway "));
    assert!(error_of("[gateway]\nlisten = { port = 1 }\n", &[], &[]).contains("gateway.listen = a table"));
}

#[test]
fn values_outside_their_range_are_refused() {
    for (key, fine, wrong) in [
        ("gateway.inline_max_bytes", "15000", "15001"),
        ("gateway.block_max_bytes", "1 GiB", "1025 MiB"),
        ("gateway.block_max_bytes", "64 KiB", "63 KiB"),
        ("worker.compaction_live_percent", "100", "101"),
        ("metaserver.replication", "1", "0"),
    ] {
        from("", &[], &[(key, fine)]).unwrap();
        let text = error_of("", &[], &[(key, wrong)]);
        assert!(text.starts_with(&format!("{key} = \"{wrong}\" from flag --set: expected")), "{text}");
    }
}

#[test]
fn texts_are_checked_where_they_have_a_form() {
    for (key, fine, wrong) in [
        ("gateway.listen", "[::1]:39999", "39999"),
        ("gateway.listen", "weir.internal:0", "127.0.0.1:65536"),
        ("admin_listen", "", "localhost"),
        ("gateway.base_path", "/s3", "s3"),
        ("gateway.base_path", "", "/api//s3"),
        ("gateway.base_path", "/a/b.c", "/a/"),
        ("gateway.domains", "s3.test,objects.test", "S3.test"),
        ("log", "warn,weir_gateway=debug", "weir=loud"),
        ("log_format", "json", "xml"),
        ("cluster_secret", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcde"),
        ("gateway.trusted_proxies", "10.0.0.1,fd00::/8", "10.0.0.1,proxy.test"),
        ("otlp_endpoint", "http://127.0.0.1:4317", "127.0.0.1:4317"),
        ("metaserver.session_lease_ms", "2000", "1999"),
        ("worker.segment_bytes", "1 MiB", "0"),
    ] {
        from("", &[], &[(key, fine)]).unwrap();
        assert!(error_of("", &[], &[(key, wrong)]).contains(key), "{key}");
    }
}

#[test]
fn files_of_tls_come_in_sets() {
    for keys in [
        &["gateway.tls_certificate", "gateway.tls_key"][..],
        &["admin_tls_certificate", "admin_tls_key"],
        &["cluster_certificate", "cluster_key", "cluster_ca"],
    ] {
        let set: Vec<(&str, &str)> = keys.iter().map(|key| (*key, "/a.pem")).collect();
        from("", &[], &set).unwrap();
        for (at, missing) in keys.iter().enumerate() {
            let mut others = set.clone();
            others.remove(at);
            let text = error_of("", &[], &others);
            assert_eq!(text, format!("{missing} = \"\" by default: expected a file, since {} is set", others[0].0));
        }
    }
}

#[test]
fn one_root_key_without_the_other_is_refused_and_secrets_are_not_shown() {
    let text = error_of("", &[("WEIR_ROOT_ACCESS_KEY", "AKIA-SHOWN")], &[]);
    assert!(text.contains("gateway.secret_key") && !text.contains("AKIA-SHOWN"), "{text}");
    let both = [("WEIR_ROOT_ACCESS_KEY", "key"), ("WEIR_ROOT_SECRET_KEY", "a secret")];
    let config = from("", &both, &[]).unwrap();
    assert_eq!((config.gateway.access_key.as_str(), config.gateway.secret_key.as_str()), ("key", "a secret"));
    let text = error_of("", &[("WEIR_CLUSTER_SECRET", "short-secret")], &[]);
    assert!(!text.contains("short-secret"), "{text}");
    let text = error_of("", &[("WEIR_ROOT_ACCESS_KEY", "a"), ("WEIR_GATEWAY_ACCESS_KEY", "b")], &[]);
    assert_eq!(text, "WEIR_GATEWAY_ACCESS_KEY and WEIR_ROOT_ACCESS_KEY are both set, to different values");
}

#[test]
fn root_keys_are_what_a_users_would_have_to_be() {
    let load = |access_key: &str, secret_key: &str| {
        let keys = [("gateway.access_key", access_key), ("gateway.secret_key", secret_key)];
        from("", &[], &keys).map(drop).map_err(|error| error.to_string())
    };
    let long = "k".repeat(128);
    for (access_key, secret_key) in [("AKIAIOSFODNN7EXAMPLE", "8 letter"), ("a_.@-", &long), (&long, "éééééééé")]
    {
        assert_eq!(load(access_key, secret_key), Ok(()));
    }
    for access_key in ["ab", "a b", "a/b", "a:b", "é-key", "key\n", "ASIAIOSFODNN7EXAMPLE", "ASIA", &format!("{long}k")]
    {
        let error = load(access_key, "hush-hush").unwrap_err();
        assert!(error.starts_with("gateway.access_key = (hidden) from flag --set: expected "), "{error}");
    }
    for secret_key in ["7 lette", "hush-hush\n", "hush\0hush", &format!("{long}k")] {
        let error = load("operator", secret_key).unwrap_err();
        assert!(error.starts_with("gateway.secret_key = (hidden) from flag --set: expected 8 to 128"), "{error}");
    }
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let environment = [
        ("WEIR_CONFIG", ""),
        ("WEIR_BIN", "/usr/bin/weir"),
        ("WEIR_PLANTED_FAULT", "no-fsync"),
        ("WEIR_TEST_ROUNDS", "3"),
        ("WEIR_CLIENTS_BIG", "0"),
        ("WEIR_PORT", "tcp://10.0.0.1:39999"),
        ("WEIR_SERVICE_HOST", "10.0.0.1"),
        ("WEIR_SERVICE_PORT_S3", "39999"),
        ("WEIR_PORT_39999_TCP_ADDR", "10.0.0.1"),
    ];
    from("", &environment, &[]).unwrap();
}

#[test]
fn a_broken_or_missing_file_is_named_with_the_line() {
    assert!(error_of("data = \"a\"\nlog = \n", &[], &[]).starts_with("weir.toml:2: "));
    let sources = Sources { file: Some("/no/such/file".into()), ..Sources::default() };
    assert!(matches!(load(&sources), Err(ConfigError::Read { .. })));
    let sources = Sources { environment: vec![("WEIR_CONFIG".into(), "/no/such/file".into())], ..Sources::default() };
    assert!(matches!(load(&sources), Err(ConfigError::Read { .. })));
    assert!(error_of("log = \"info\"\nlog = \"warn\"\n", &[], &[]).starts_with("weir.toml:2: duplicate key"));
    assert!(matches!(Sources::default().set("novalue"), Err(ConfigError::Flag { .. })));
}
