//! `rerole who`.

use serde_json::json;

use crate::harness::{ROLE, World};

#[tokio::test]
async fn a_role_that_associations_use_is_in_use() {
    let world = World::with_index().await;
    let (code, who) = world.json("who platform/app-2025").await;
    assert_eq!((code, &who["verdict"]), (4, &json!("inUse")), "{who}");
    assert_eq!(who["users"].as_array().unwrap().len(), 16);
    assert_eq!(
        (&who["until"], &who["roleArn"]),
        (&json!(null), &json!(ROLE))
    );
    let run = world.run("who platform/app-2025").await;
    let users = "because   16 associations use it, according to the index";
    assert!(run.stdout.contains(users), "{run:?}");
}

#[tokio::test]
async fn without_a_complete_index_nothing_can_be_told() {
    let world = World::with_empty_index().await;
    let (code, who) = world.json("who platform/app-2025").await;
    assert_eq!(
        (code, &who["verdict"]),
        (4, &json!("cannotBeTold")),
        "{who}"
    );
}

#[tokio::test]
async fn verify_finds_what_the_index_does_not_know() {
    let world = World::with_index().await;
    let unused = "arn:aws:iam::111122223333:role/platform/unused";
    let (code, who) = world.json("who platform/unused --verify").await;
    assert_eq!((code, &who["verdict"]), (4, &json!("unknown")), "{who}");
    world
        .sim
        .eks(|eks| eks.associate("eu-west-1", "prod-1", "tools", "new", unused));
    let (code, who) = world.json("who platform/unused").await;
    assert_eq!((code, &who["verdict"]), (4, &json!("unknown")), "{who}");
    let (code, who) = world.json("who platform/unused --verify").await;
    assert_eq!((code, &who["verdict"]), (4, &json!("inUse")), "{who}");
    assert_eq!(who["verified"]["unknown"][0]["serviceAccount"], "new");
}
