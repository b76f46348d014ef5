//! `rerole index show`: what the index knows of one association. Who is on a role is the answer of
//! `rerole who`.

use rerole::aws::Aws;
use rerole::aws::index_table::KNOWN_CLUSTER_PAGES;
use rerole::aws::page::paginate;
use rerole_core::call::CallError;
use rerole_core::indexing::{IndexEntry, ItemRules};
use rerole_core::resource::AssociationArn;
use serde::Serialize;

use crate::answer::{Answer, Next};
use crate::coverage::Coverage;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::stack::Stack;
use crate::users::{User, owner};
use crate::verbs::index::flags::ShowFlags;
use crate::words;

/// An association, as the index has it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Show {
    pub association: User,
    pub index: Coverage,
}

/// Shows an association by its ARN or ID.
///
/// # Errors
/// If the index does not have it, or cannot be read.
pub async fn run(flags: &ShowFlags) -> Result<Exit, Failure> {
    let stack = Stack::find(&flags.stack).await?;
    let id = &flags.association;
    let rules = stack.item_rules();
    let regions = stack.index_regions();
    let (found, index) = tokio::try_join!(
        find(&stack.aws, id, &regions, &rules),
        Coverage::read(&stack)
    )?;
    let association = match found {
        Some(IndexEntry::Live(item)) => User::from(&*item),
        Some(IndexEntry::Invalid(item)) => {
            return Err(Failure::Refused(format!(
                "the index has an invalid item of {id}, which a full run removes: {}; \
                 `rerole index build` starts one",
                item.problem
            )));
        }
        Some(IndexEntry::Tombstone) => {
            return Err(Failure::Refused(format!(
                "association {id} was deleted, according to the index"
            )));
        }
        None => {
            return Err(Failure::Refused(format!(
                "the index has no association {id} in {}; `rerole index status` shows how old it is",
                words::list(&regions, 12)
            )));
        }
    };
    let answer = Answer::start(&stack, &flags.output)?;
    let show = Show { association, index };
    let text = format!("\n{}", show.text(&stack));
    let who = format!("rerole who {}", show.association.role_arn);
    let next = [Next::new(who).to("who else uses its role")];
    answer.end(&show, &text, &next)?;
    Ok(Exit::Done)
}

impl Show {
    fn text(&self, stack: &Stack) -> String {
        let it = &self.association;
        let role = |arn: &str| words::role(arn).in_account(&stack.origin.account);
        let target = it
            .target_role_arn
            .as_deref()
            .map_or_else(|| "-".to_owned(), role);
        let lines = [
            format!("Association {}", it.association_arn),
            format!("  workload  {}/{}", it.namespace, it.service_account),
            format!("  cluster   {}/{}", it.region, it.cluster),
            format!("  role      {}", role(&it.role_arn)),
            format!("  target    {target}"),
            format!("  owner     {}", owner(it.owner_arn.as_deref())),
            format!("  since     {}", it.modified_at),
            String::new(),
            self.index.text(stack.aws.now()),
        ];
        crate::terminal::printable(&lines.join("\n"))
    }
}

/// The association with this ARN, or with this ID in any known cluster of these regions.
///
/// # Errors
/// If the index cannot be read.
pub async fn find(
    aws: &Aws,
    id: &str,
    regions: &[String],
    rules: &ItemRules<'_>,
) -> Result<Option<IndexEntry>, CallError> {
    if let Ok(arn) = id.parse::<AssociationArn>() {
        return aws.index.entry(&arn, rules).await;
    }
    for region in regions {
        let known_clusters = aws.index.known_clusters();
        let mut pages = paginate(KNOWN_CLUSTER_PAGES, async |start| {
            known_clusters.page(region, start).await
        });
        while let Some(page) = pages.next().await? {
            for cluster in page {
                // A text that is no ID is in no cluster.
                let Ok(arn) = cluster.association(id) else {
                    return Ok(None);
                };
                let entry = aws.index.entry(&arn, rules).await?;
                if entry.is_some() {
                    return Ok(entry);
                }
            }
        }
    }
    Ok(None)
}
