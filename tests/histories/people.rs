//! What people, other tools and add-ons do in EKS. Most of it goes through EKS's API, so CloudTrail
//! has events about it. A throttled call is repeated, and one that EKS refuses is dropped.

use std::rc::Rc;
use std::time::Duration;

use aws_sdk_eks::types::VpcConfigRequest;
use rerole_sim::RoleState;
use tokio::time::sleep;

use crate::history::{Action, NewAssociation};
use crate::world::{CLUSTERS, World, adopt, role};

/// The pause between tries of a person's call.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const TRIES_MAX: u32 = 20;

/// Does what the action says. Requests, commands and index runs are not done here.
pub async fn act(world: &Rc<World>, action: &Action) {
    match action {
        Action::SetRole(number, to) => {
            update(world, *number, Some(&role(*to)), None).await;
        }
        Action::SetTargetRole(number, to) => {
            // An empty text removes the target role.
            let target = to.map(role).unwrap_or_default();
            update(world, *number, None, Some(&target)).await;
        }
        Action::Delete(number) => delete(world, *number).await,
        Action::Create(new) => {
            let number = world.add(new.cluster);
            create(world, number, new).await;
        }
        Action::Recreate(number, to) => {
            delete(world, *number).await;
            let new = NewAssociation {
                cluster: world.known(*number).cluster,
                role: *to,
                target_role: None,
                owned_by_addon: false,
            };
            create(world, *number, &new).await;
        }
        Action::DeleteCluster(number) => {
            let (region, name) = CLUSTERS[*number];
            let client = world.client(region);
            repeat(|| client.delete_cluster().name(name).send()).await;
        }
        Action::CreateCluster(number) => {
            let (region, name) = CLUSTERS[*number];
            let client = world.client(region);
            let create = || {
                let vpc = VpcConfigRequest::builder().build();
                let create = client.create_cluster().name(name).role_arn(role(9));
                create.resources_vpc_config(vpc).send()
            };
            repeat(create).await;
        }
        Action::Adopt(number) => {
            if let Some(arn) = world.known(*number).arn {
                adopt(&world.aws, &arn);
            }
        }
        Action::MoveByAddon(number, to) => move_by_addon(world, *number, *to),
        Action::BreakRole {
            role: number,
            millis,
        } => {
            let until = world.aws.now() + Duration::from_millis(*millis);
            let state = if millis % 2 == 0 {
                RoleState::MissingUntil(until)
            } else {
                RoleState::BadTrustUntil(until)
            };
            world
                .aws
                .eks(|eks| eks.set_role_state(&role(*number), state));
        }
        Action::Deny { cluster, millis } => {
            let (_, name) = CLUSTERS[*cluster];
            world.aws.eks(|eks| eks.deny(name));
            sleep(Duration::from_millis(*millis)).await;
            world.aws.eks(|eks| eks.allow(name));
        }
        Action::Request(_) | Action::Command(_) | Action::Reconcile(_) => {}
    }
}

async fn update(
    world: &World,
    number: usize,
    role_arn: Option<&str>,
    target_role_arn: Option<&str>,
) {
    let Some((client, cluster, id)) = found(world, number) else {
        return;
    };
    let update = || {
        let update = client.update_pod_identity_association();
        let update = update.cluster_name(cluster).association_id(&id);
        let update = update.set_role_arn(role_arn.map(str::to_owned));
        update
            .set_target_role_arn(target_role_arn.map(str::to_owned))
            .send()
    };
    repeat(update).await;
}

async fn delete(world: &World, number: usize) {
    let Some((client, cluster, id)) = found(world, number) else {
        return;
    };
    let delete = || {
        let delete = client.delete_pod_identity_association();
        delete.cluster_name(cluster).association_id(&id).send()
    };
    if repeat(delete).await.is_some() {
        world.set_arn(number, None);
    }
}

async fn create(world: &World, number: usize, new: &NewAssociation) {
    let known = world.known(number);
    let (region, cluster) = CLUSTERS[known.cluster];
    let client = world.client(region);
    let create = || {
        let create = client.create_pod_identity_association();
        let create = create.cluster_name(cluster).namespace(known.namespace);
        let create = create
            .service_account(&known.service_account)
            .role_arn(role(new.role));
        create.set_target_role_arn(new.target_role.map(role)).send()
    };
    let created = repeat(create).await;
    let association = created.and_then(|created| created.association);
    let arn = association.and_then(|association| association.association_arn);
    if let Some(arn) = arn {
        if new.owned_by_addon {
            adopt(&world.aws, &arn);
        }
        world.set_arn(number, Some(arn));
    }
}

fn move_by_addon(world: &World, number: usize, to: usize) {
    let (known, now) = (world.known(number), world.aws.now());
    let Some(arn) = known.arn else {
        return;
    };
    world.aws.eks(|eks| {
        let owner = eks.association(&arn).and_then(|it| it.owner_arn.clone());
        if owner.is_some() {
            eks.set_role(&arn, &role(to), now);
        }
    });
}

/// The client, cluster and ID of an association that exists.
fn found(world: &World, number: usize) -> Option<(aws_sdk_eks::Client, &'static str, String)> {
    let known = world.known(number);
    let (region, cluster) = CLUSTERS[known.cluster];
    let arn = known.arn?;
    let (_, id) = arn.rsplit_once('/')?;
    Some((world.client(region), cluster, id.to_owned()))
}

/// Repeats a call until EKS accepts or refuses it.
async fn repeat<T, E, F>(mut call: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, aws_sdk_eks::error::SdkError<E>>>,
{
    for _ in 0..TRIES_MAX {
        match call().await {
            Ok(response) => return Some(response),
            Err(error) => {
                let status = error.raw_response().map(|raw| raw.status().as_u16());
                if status.is_some_and(|status| (400..429).contains(&status)) {
                    return None;
                }
                sleep(RETRY_PAUSE).await;
            }
        }
    }
    None
}
