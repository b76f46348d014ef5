//! Endpoints from tables of variables.

use expect_test::expect;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Endpoints, SettingsError> {
    Endpoints::from_lookup(|name| {
        let pair = variables.iter().find(|(variable, _)| *variable == name);
        pair.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn an_endpoint_for_one_service_overrides_the_common_endpoint() {
    let endpoints = read(&[(COMMON, "http://127.0.0.1:1"), (EKS, "http://127.0.0.1:2")]).unwrap();
    let (one, two) = (Some("http://127.0.0.1:1"), Some("http://127.0.0.1:2"));
    assert_eq!(endpoints.eks("eu-west-1").as_deref(), two);
    assert_eq!(endpoints.dynamodb.as_deref(), one);
    assert_eq!(endpoints.step_functions.as_deref(), one);
    assert_eq!(endpoints.event_bridge.as_deref(), one);
    let endpoints = read(&[(STEP_FUNCTIONS, "http://127.0.0.1:1")]).unwrap();
    assert_eq!(endpoints.step_functions.as_deref(), one);
    assert_eq!(endpoints.eks("eu-west-1"), None);
    assert_eq!(read(&[]).unwrap(), Endpoints::default());
}

/// Each region has its own VPC endpoint.
#[test]
fn the_endpoint_of_eks_can_name_the_region() {
    let url = "https://vpce-1.eks.{region}.vpce.amazonaws.com";
    let endpoints = read(&[(EKS, url)]).unwrap();
    assert_eq!(
        endpoints.eks("eu-west-1").as_deref(),
        Some("https://vpce-1.eks.eu-west-1.vpce.amazonaws.com")
    );
    for variable in [COMMON, DYNAMODB, STEP_FUNCTIONS, EVENT_BRIDGE] {
        assert_eq!(read(&[(variable, url)]).unwrap_err().variable, variable);
    }
}

#[test]
fn the_endpoint_of_the_configuration_is_checked_like_a_variable() {
    let configured = |variables: &[(&str, &str)], url| read(variables).unwrap().or(url);
    let own = [(EKS, "https://eks.test")];
    let endpoints = configured(&own, Some("http://127.0.0.1:1")).unwrap();
    assert_eq!(
        endpoints.eks("eu-west-1").as_deref(),
        Some("https://eks.test")
    );
    assert_eq!(endpoints.dynamodb.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(configured(&[], None), Ok(Endpoints::default()));
    configured(&[], Some("http://example.com")).unwrap_err();
    configured(&[(USE_FIPS, "true")], Some("https://aws.test")).unwrap_err();
}

#[test]
fn plain_http_stays_on_the_machine_or_in_a_private_network() {
    for (host, expected) in [
        ("127.0.0.1:4566", true),
        ("127.9.9.9", true),
        ("[::1]:4566", true),
        ("localhost", true),
        ("LOCALHOST:1", true),
        ("ministack:4566", true),
        ("host.docker.internal", true),
        ("aws.localhost", true),
        ("eks.test", true),
        ("10.0.0.5", true),
        ("172.16.0.1", true),
        ("192.168.1.1", true),
        ("[fd00::1]", true),
        // The network of the machine's own credentials.
        ("169.254.169.254", false),
        ("0.0.0.0", false),
        ("8.8.8.8", false),
        ("[2001:db8::1]", false),
        ("172.32.0.1", false),
        ("2130706433", false),
        ("134744072", false),
        ("0x08080808", false),
        ("eks.us-east-1.amazonaws.com", false),
        ("localhost.example.com", false),
        ("127.0.0.1.example.com", false),
        ("internal.example", false),
    ] {
        let found = read(&[(COMMON, &format!("http://{host}/path"))]);
        assert_eq!(found.is_ok(), expected, "{host}: {found:?}");
        assert!(read(&[(COMMON, &format!("https://{host}"))]).is_ok());
    }
}

#[test]
fn an_error_names_the_variable_and_what_is_allowed() {
    let errors = [
        &[(EKS, "127.0.0.1")][..],
        &[(COMMON, "ftp://x")],
        &[(STEP_FUNCTIONS, "localhost:1")],
        &[(DYNAMODB, "https://")],
        &[(EKS, "https://eks.{zone}.test")],
        &[(COMMON, "https://user:secret@host")],
        &[(COMMON, "https://user:se cret@host")],
        &[(EKS, "http://example.com")],
        &[(USE_FIPS, "yes")],
        &[(USE_DUAL_STACK, "1")],
        &[(USE_FIPS, "true"), (EKS, "https://eks.test")],
        &[(USE_DUAL_STACK, "TRUE"), (COMMON, "https://aws.test")],
    ]
    .map(|variables| format!("{}\n", read(variables).unwrap_err()));
    expect![[r#"
        setting AWS_ENDPOINT_URL_EKS: "127.0.0.1" is not allowed; allowed: a URL that starts with http:// or https://, and may contain {region}
        setting AWS_ENDPOINT_URL: "ftp://x" is not allowed; allowed: a URL that starts with http:// or https://
        setting AWS_ENDPOINT_URL_SFN: "localhost:1" is not allowed; allowed: a URL that starts with http:// or https://
        setting AWS_ENDPOINT_URL_DYNAMODB: "https://" is not allowed; allowed: a URL that starts with http:// or https://
        setting AWS_ENDPOINT_URL_EKS: "https://eks.{zone}.test" is not allowed; allowed: a URL that starts with http:// or https://, and may contain {region}
        setting AWS_ENDPOINT_URL: "…@host" is not allowed; allowed: a URL without a user name
        setting AWS_ENDPOINT_URL: "…@host" is not allowed; allowed: a URL that starts with http:// or https://
        setting AWS_ENDPOINT_URL_EKS: "http://example.com" is not allowed; allowed: https://, or http:// with a loopback or private address, or with a name that only a private network resolves: one without a dot, or under .internal, .local, .localhost or .test
        setting AWS_USE_FIPS_ENDPOINT: "yes" is not allowed; allowed: true or false
        setting AWS_USE_DUALSTACK_ENDPOINT: "1" is not allowed; allowed: true or false
        setting AWS_USE_FIPS_ENDPOINT: true is not allowed together with AWS_ENDPOINT_URL_EKS
        setting AWS_USE_DUALSTACK_ENDPOINT: true is not allowed together with AWS_ENDPOINT_URL
    "#]].assert_eq(&errors.concat());
}

#[test]
fn a_region_without_a_fips_endpoint_of_eks_is_named() {
    let regions = |names: &[&str]| -> Vec<String> { names.iter().map(|&n| n.into()).collect() };
    let fips = read(&[(USE_FIPS, "true"), (USE_DUAL_STACK, "false")]).unwrap();
    assert!(fips.use_fips && !fips.use_dual_stack);
    assert_eq!(
        fips.check_regions(&regions(&["us-east-1", "us-gov-west-1"])),
        Ok(())
    );
    let error = fips.check_regions(&regions(&["us-east-1", "ca-central-1", "eu-west-1"]));
    expect!["setting AWS_USE_FIPS_ENDPOINT: true is not allowed, because EKS has no FIPS endpoint in ca-central-1; it has them in us-east-1, us-east-2, us-gov-east-1, us-gov-west-1, us-west-1, us-west-2"].assert_eq(&error.unwrap_err().to_string());
    let public = read(&[(USE_FIPS, "false")]).unwrap();
    assert_eq!(public.check_regions(&regions(&["eu-west-1"])), Ok(()));
}
