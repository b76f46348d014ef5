//! The settings of the functions from tables of variables: defaults, errors and CA bundles.

use expect_test::expect;

use super::*;

const REQUIRED: &[(&str, &str)] = &[
    ("ASSOCIATION_INDEX_TABLE", "index"),
    ("ROTATION_LEDGER_TABLE", "ledger"),
    ("ROLE_PATH", "/platform/"),
    ("ROTATION_EVENT_SOURCE", "platform.iam"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "key"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];

fn read(changes: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    RotateSettings::from_lookup(lookup(changes)).map(|settings| settings.common)
}

fn lookup<'a>(changes: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| {
        let set = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        set(changes).or_else(|| set(REQUIRED))
    }
}

#[test]
fn optional_settings_have_defaults() {
    let settings = read(&[]).unwrap();
    assert_eq!(settings.max_concurrency, MaxConcurrency::default());
    assert_eq!(settings.rate_share, RateShare::default());
    assert_eq!(settings.clients.endpoints, Endpoints::default());
    assert_eq!(settings.state_machine_arn, None);
    assert_eq!(settings.clients.ca_bundle, None);
}

#[test]
fn the_publisher_needs_only_its_bus_and_its_clients() {
    let read = |bus: Option<&str>| {
        PublisherSettings::from_lookup(|name| match name {
            "EVENT_BUS_NAME" => bus.map(str::to_owned),
            name if name.starts_with("AWS_") => lookup(&[])(name),
            name => panic!("it reads {name}"),
        })
    };
    let settings = read(Some("platform/events.v1-x_y")).unwrap();
    assert_eq!(settings.event_bus_name, "platform/events.v1-x_y");
    assert_eq!(settings.clients.region, "us-east-1");
    for bus in [None, Some(""), Some("a bus"), Some("arn:aws:events")] {
        let error = read(bus).unwrap_err();
        assert_eq!(error.variable, "EVENT_BUS_NAME", "{bus:?}");
    }
}

#[test]
fn old_roles_lie_under_the_path_of_new_ones_unless_they_have_their_own() {
    for (changes, expected) in [
        (&[][..], "/platform/"),
        (&[("OLD_ROLE_PATH", "")], "/platform/"),
        (&[("OLD_ROLE_PATH", "/legacy/")], "/legacy/"),
    ] {
        let rules = RotateSettings::from_lookup(lookup(changes)).unwrap().rules;
        assert_eq!(
            (rules.role_path.as_str(), rules.old_role_path.as_str()),
            ("/platform/", expected)
        );
        assert_eq!(rules.source, "platform.iam");
    }
}

#[test]
fn every_indexed_region_needs_a_fips_endpoint_if_these_are_used() {
    let read = |regions: &str| {
        let changes = [
            ("AWS_USE_FIPS_ENDPOINT", "true"),
            ("INDEX_REGIONS", regions),
        ];
        let rotate = RotateSettings::from_lookup(lookup(&changes)).map(|_| ());
        let indexer = IndexerSettings::from_lookup(lookup(&changes)).map(|_| ());
        assert_eq!(rotate, indexer);
        rotate
    };
    assert_eq!(read("us-east-1,us-west-2"), Ok(()));
    let error = read("us-east-1,eu-west-1").unwrap_err();
    assert!(error.problem.contains("eu-west-1"), "{error}");
}

#[test]
fn an_error_names_the_environment_variable() {
    let errors = [
        ("ASSOCIATION_INDEX_TABLE", ""),
        ("ROTATION_LEDGER_TABLE", ""),
        ("ROLE_PATH", ""),
        ("ROLE_PATH", "platform"),
        ("OLD_ROLE_PATH", "/legacy"),
        ("OLD_ROLE_PATH", "/a/../b/"),
        ("ROTATION_EVENT_SOURCE", ""),
        ("ROTATION_EVENT_SOURCE", "rerole"),
        ("ROTATION_EVENT_SOURCE", "aws.iam"),
        ("ROTATION_EVENT_SOURCE", "platform iam"),
        ("AWS_REGION", ""),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_ENDPOINT_URL_EKS", "127.0.0.1"),
        (
            "STATE_MACHINE_ARN",
            "arn:aws:states:us-east-1:111122223333:stateMachine:rerole:7",
        ),
        ("MAX_CONCURRENCY", "0"),
        ("MAX_CONCURRENCY", "many"),
        ("RATE_SHARE", "9"),
        ("RATE_SHARE", "80%"),
        ("AWS_CA_BUNDLE", "/nowhere.pem"),
    ]
    .map(|change| {
        read(&[change])
            .expect_err(&format!("{change:?}"))
            .to_string()
            + "\n"
    });
    expect![[r#"
        setting ASSOCIATION_INDEX_TABLE: is missing or empty
        setting ROTATION_LEDGER_TABLE: is missing or empty
        setting ROLE_PATH: is missing or empty
        setting ROLE_PATH: "platform" is not allowed; allowed: an IAM path with a slash at both ends, without "*", "?", "$", and without the segments "." and "..", such as /platform/
        setting OLD_ROLE_PATH: "/legacy" is not allowed; allowed: an IAM path with a slash at both ends, without "*", "?", "$", and without the segments "." and "..", such as /platform/
        setting OLD_ROLE_PATH: "/a/../b/" is not allowed; allowed: an IAM path with a slash at both ends, without "*", "?", "$", and without the segments "." and "..", such as /platform/
        setting ROTATION_EVENT_SOURCE: is missing or empty
        setting ROTATION_EVENT_SOURCE: "rerole" is not allowed; allowed: 1 to 256 letters, digits, "/", ".", "-" or "_", but neither "rerole" nor a text that starts with "aws."
        setting ROTATION_EVENT_SOURCE: "aws.iam" is not allowed; allowed: 1 to 256 letters, digits, "/", ".", "-" or "_", but neither "rerole" nor a text that starts with "aws."
        setting ROTATION_EVENT_SOURCE: "platform iam" is not allowed; allowed: 1 to 256 letters, digits, "/", ".", "-" or "_", but neither "rerole" nor a text that starts with "aws."
        setting AWS_REGION: is missing or empty
        setting AWS_ACCESS_KEY_ID: is missing or empty
        setting AWS_SECRET_ACCESS_KEY: is missing or empty
        setting AWS_ENDPOINT_URL_EKS: "127.0.0.1" is not allowed; allowed: a URL that starts with http:// or https://, and may contain {region}
        setting STATE_MACHINE_ARN: "arn:aws:states:us-east-1:111122223333:stateMachine:rerole:7" is not allowed; allowed: the ARN of a state machine
        setting MAX_CONCURRENCY: "0" is not allowed; allowed: a whole number from 1 to 128
        setting MAX_CONCURRENCY: "many" is not allowed; allowed: a whole number from 1 to 128
        setting RATE_SHARE: "9" is not allowed; allowed: a whole number from 10 to 100
        setting RATE_SHARE: "80%" is not allowed; allowed: a whole number from 10 to 100
        setting AWS_CA_BUNDLE: /nowhere.pem: cannot be read: No such file or directory (os error 2)
    "#]]
    .assert_eq(&errors.concat());
}

#[test]
fn every_certificate_of_a_bundle_is_checked() {
    let roots = include_str!("../aws/http/amazon-trust-services/all.pem");
    let first_line = roots.lines().nth(1).unwrap();
    let folder = std::env::temp_dir().join(format!("rerole-settings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, pem, problem) in [
        ("good", roots.to_owned(), None),
        ("empty", String::new(), Some("contains no certificate")),
        (
            "prose",
            "these are not the certificates".to_owned(),
            Some("contains no certificate"),
        ),
        ("cut", roots[..200].to_owned(), Some("is not a PEM bundle")),
        (
            "garbled",
            roots.replacen(first_line, "!!!!", 1),
            Some("is not a PEM bundle"),
        ),
        (
            "no-certificate",
            "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n".to_owned(),
            Some("certificate 1"),
        ),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, pem).unwrap();
        let result = read(&[("AWS_CA_BUNDLE", path.to_str().unwrap())]);
        match problem {
            None => assert!(result.is_ok(), "{name}: {result:?}"),
            Some(problem) => {
                let error = result.expect_err(name);
                assert_eq!(error.variable, "AWS_CA_BUNDLE");
                assert!(error.problem.contains(problem), "{name}: {error}");
            }
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_index_covers_the_listed_regions_or_the_functions_own() {
    let regions = |text: &str| {
        let settings =
            IndexerSettings::from_lookup(lookup(&[("INDEX_REGIONS", text), ("ROLE_PATH", "")]));
        settings
            .map(|settings| settings.coverage.regions.join(" "))
            .map_err(|error| error.to_string())
    };
    assert_eq!(regions("").unwrap(), "us-east-1");
    assert_eq!(
        regions("us-west-2, eu-west-1,us-west-2").unwrap(),
        "eu-west-1 us-west-2"
    );
    let allowed = "region names, separated by commas";
    for (text, wrong) in [
        ("eu-west-1,", ""),
        ("everywhere!", "everywhere!"),
        ("eu west", "eu west"),
    ] {
        assert_eq!(
            regions(text).unwrap_err(),
            format!("setting INDEX_REGIONS: \"{wrong}\" is not allowed; allowed: {allowed}")
        );
    }
}

#[test]
fn debug_output_omits_the_secret_key() {
    let printed = format!(
        "{:?}",
        read(&[("AWS_SECRET_ACCESS_KEY", "do-not-print")]).unwrap()
    );
    assert!(!printed.contains("do-not-print"), "{printed}");
}
