//! Command lines, the values that they set, and the errors of the wrong ones.

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use expect_test::{Expect, expect};
use rerole_sim::fleet::Fleet;
use rerole_sim::{Buckets, Throttle};

use super::Args;

#[test]
fn without_flags_the_defaults_apply() {
    let args = parse("").expect("no flag is required");
    let options = args.options();
    assert_eq!(
        (args.port, options.seed, args.lifetime()),
        (0, 1, Duration::from_mins(10))
    );
    assert_eq!(options.latency, Duration::ZERO..=Duration::ZERO);
    assert_eq!(
        (options.throttle, options.buckets),
        (None, Buckets::PerRegion)
    );
    assert!(!options.cloudtrail && !options.keep_log);
    assert!(args.fleet().is_none() && !args.faults_by_region && args.cloudtrail.is_none());
    assert!(args.missing_roles.is_empty() && args.bad_trust_roles.is_empty());
    assert!(args.state_machines.is_empty() && !args.samples);
    assert_eq!(options.region, "us-east-1");
}

#[test]
fn every_flag_sets_its_value() {
    let args = parse(
        "--port 4567 --seed 7 --fleet 99 --seconds 60 --latency-ms 20 --throttle 0.5,2 \
         --throttle-each-operation --role-missing m1 --role-missing m2 --role-bad-trust b --state-machine s \
         --samples --region eu-west-1 --faults-by-region --cloudtrail events.jsonl",
    )
    .expect("valid flags");
    let options = args.options();
    assert_eq!(
        (args.port, options.seed, args.lifetime()),
        (4567, 7, Duration::from_mins(1))
    );
    assert_eq!(
        options.latency,
        Duration::from_millis(20)..=Duration::from_millis(20)
    );
    assert_eq!(
        options.throttle,
        Some(Throttle {
            rate_per_sec: 0.5,
            burst: 2.0
        })
    );
    assert_eq!(options.buckets, Buckets::PerOperation);
    assert_eq!(args.missing_roles, ["m1", "m2"]);
    assert_eq!(
        (
            args.bad_trust_roles.as_slice(),
            args.state_machines.as_slice()
        ),
        (&["b".to_owned()][..], &["s".to_owned()][..])
    );
    assert!(args.faults_by_region && options.cloudtrail && args.samples);
    assert_eq!(options.region, "eu-west-1");
    assert_eq!(args.cloudtrail.as_deref(), Some(Path::new("events.jsonl")));
    let fleet = args.fleet().expect("a fleet was asked for");
    assert_eq!(
        (fleet.associations, fleet.rotating, fleet.seed),
        (99, 39, 7)
    );
}

/// Each row is a wrong command line, and what its message contains.
#[test]
fn wrong_usage_exits_2_and_says_what_is_wrong() {
    let rows = [
        ("--nope", "unexpected argument '--nope'"),
        ("prod", "unexpected argument 'prod'"),
        ("--port", "a value is required for '--port <N>'"),
        ("--port 65536", "65536 is not in 0..=65535"),
        ("--seed -1", "unexpected argument '-1'"),
        ("--fleet many", "invalid digit found in string"),
        ("--seconds 1.5", "invalid digit found in string"),
        ("--throttle 10", "expected two numbers, as in 10,20"),
        ("--throttle 10,x", "expected two numbers, as in 10,20"),
        ("--throttle 0,10", "the rate must be a positive number"),
        ("--throttle inf,10", "the rate must be a positive number"),
        ("--throttle NaN,10", "the rate must be a positive number"),
        ("--throttle 10,0.5", "the burst must be at least 1"),
        ("--throttle 10,NaN", "the burst must be at least 1"),
        ("--throttle-each-operation", "--throttle <RATE,BURST>"),
        ("--faults-by-region yes", "unexpected argument 'yes'"),
        ("--port 1 --port 2", "cannot be used multiple times"),
    ];
    for (words, message) in rows {
        let error = parse(words).expect_err(words);
        assert_eq!(error.exit_code(), 2, "{words}");
        assert!(error.to_string().contains(message), "{words}: {error}");
    }
}

#[test]
fn help_exits_0_and_names_the_roles_of_the_fleet() {
    let help = parse("--help").expect_err("help is not a result");
    assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
    let text = help.to_string();
    let Fleet {
        old_role, new_role, ..
    } = Fleet::default();
    for name in [
        &old_role,
        &new_role,
        "role/workloads/app-1 to app-20",
        "prod-1",
    ] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    let too_long = text.lines().find(|line| line.chars().count() > 100);
    assert_eq!(too_long, None, "lines have at most 100 columns");
    HELP.assert_eq(&text);
}

const HELP: Expect = expect![[r"
    A simulated AWS on 127.0.0.1: EKS Pod Identity associations, DynamoDB, and what surrounds them

    Usage: rerole-sim [OPTIONS]

    Options:
          --port <N>                 Port to listen on; 0 takes a free one [default: 0]
          --seed <N>                 Seed of all random values; one seed gives one fleet [default: 1]
          --fleet <N>                Start with a fleet of N associations, described below [default: 0]
          --seconds <N>              Seconds after which the process ends [default: 600]
          --latency-ms <N>           Latency of each call in milliseconds [default: 0]
          --throttle <RATE,BURST>    Throttle EKS per account and region: calls per second, and burst
          --throttle-each-operation  Throttle each EKS operation by itself, instead of all together
          --describe-lag-ms <N>      Describes show the state of up to N milliseconds ago [default: 0]
          --list-lag-ms <N>          Lists show the state of up to N milliseconds ago [default: 0]
          --role-missing <ARN>       A role that EKS does not find; may be repeated
          --role-bad-trust <ARN>     A role whose trust policy EKS does not accept; may be repeated
          --state-machine <ARN>      A state machine that can be started; may be repeated
          --samples                  Create a queue, a stack, a function and more, all named sample
          --region <REGION>          The region of the samples [default: us-east-1]
          --faults-by-region         Fail each call in a region named fault-STATUS-CODE with that error
          --cloudtrail <FILE>        Append each CloudTrail event about EKS to FILE, as a line of JSON
      -h, --help                     Print help
      -V, --version                  Print version

    The first line of output is `listening on http://127.0.0.1:PORT`. The process ends on Ctrl-C, on
    SIGTERM, or after --seconds. A CloudTrail event is in FILE before the caller has its response.

    The fleet of --fleet N, in account 111122223333:
      clusters      prod-1 to prod-3, in eu-west-1 and us-east-1 by turns
      old role      arn:aws:iam::111122223333:role/workloads/payments-2025
                    two fifths of the associations (N * 2 / 5, rounded down)
      new role      arn:aws:iam::111122223333:role/workloads/payments-2026
                    no associations: it is the role to rotate to
      other roles   arn:aws:iam::111122223333:role/workloads/app-1 to app-20
                    the other associations, most of them on the first roles
      not included  drifted associations, associations owned by an add-on, target roles

    The table AssociationIndex has an item for each association, and a global secondary index
    ByRole on roleArn. The table RotationLedger is empty.
"]];

fn parse(words: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(["rerole-sim"].into_iter().chain(words.split_whitespace()))
}
