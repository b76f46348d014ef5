//! `rerole index`.

use serde_json::json;

use crate::harness::World;

#[tokio::test]
async fn without_region_all_regions_of_the_stack_are_built_and_checked() {
    let world = World::with_empty_index().await;
    let check = world.run("index check").await;
    assert_eq!(check.code, 3, "{check:?}");
    let covers = "Covers 2 clusters (eu-west-1/prod-1, us-east-1/prod-2) in eu-west-1, us-east-1\n";
    let differ = "40 associations in 2 clusters: 40 differ.";
    assert!(
        check.stdout.contains(covers) && check.stdout.contains(differ),
        "{check:?}"
    );
    let dry_run = world.run("index build --dry-run").await;
    assert_eq!((dry_run.code, dry_run.stdout), (check.code, check.stdout));
    assert_eq!(world.sim.items(&world.index).len(), 0);
    assert_eq!(world.sim.items(&world.ledger).len(), 0);

    let build = world.run("index build").await;
    assert_eq!(build.code, 0, "{build:?}");
    assert!(
        build.stdout.contains("40 added, 0 changed, 0 removed"),
        "{build:?}"
    );
    let (code, check) = world.json("index check").await;
    assert_eq!(
        (code, &check["matches"], &check["differences"]),
        (0, &json!(true), &json!([]))
    );
    assert_eq!(
        check["clusters"][0],
        json!({ "region": "eu-west-1", "cluster": "prod-1" })
    );

    let (code, status) = world.json("index status").await;
    assert_eq!(code, 0);
    for region in status["regions"].as_array().unwrap() {
        assert_eq!(region["isStale"], false, "{status}");
    }
    assert_eq!(status["lastRun"]["counts"]["added"], 40);
    assert_eq!(status["indexExclude"], json!(["legacy*"]));
    let status = world.run("index status").await;
    assert!(
        status
            .stdout
            .contains("Last run: full run of eu-west-1, us-east-1"),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_choice_of_nothing_is_an_error_that_names_what_exists() {
    let world = World::with_empty_index().await;
    world
        .sim
        .eks(|eks| eks.create_cluster("us-east-1", "legacy-1"));
    for (command, error) in [
        (
            "index check --cluster nope*",
            "error: --cluster chooses no cluster in eu-west-1, us-east-1; there are \
             eu-west-1/prod-1, us-east-1/legacy-1, us-east-1/prod-2\n",
        ),
        (
            "index build --region ap-*",
            "error: --region chooses no region; the stack indexes eu-west-1, us-east-1 \
             (IndexRegions)\n",
        ),
    ] {
        let run = world.run(command).await;
        assert_eq!((run.code, run.stderr.as_str()), (1, error));
    }
    let run = world.run("index check --cluster *-1").await;
    let left_out = "Left out by the stack (IndexExclude): us-east-1/legacy-1\n";
    assert!(run.stdout.contains(left_out), "{run:?}");
}

#[tokio::test]
async fn show_finds_an_association_by_its_id() {
    let world = World::with_index().await;
    let arn = world.sim.eks(|eks| {
        let first = eks.associations().next();
        first.unwrap().association_arn.clone()
    });
    let id = arn.rsplit('/').next().unwrap();
    // The index has what the clusters are once a run has seen them.
    assert_eq!(world.run("index build").await.code, 0);
    let (code, show) = world.json(&format!("index show {id}")).await;
    assert_eq!(
        (code, &show["association"]["associationArn"]),
        (0, &json!(arn))
    );
    let none = world.run("index show a-nowhere").await;
    assert_eq!(none.code, 1);
    assert!(
        none.stderr
            .contains("the index has no association a-nowhere"),
        "{none:?}"
    );
}
