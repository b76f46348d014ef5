# Commands of the AWS CLI, version 1 or 2, in bash, for a deployed stack. Each section starts with its name in
# brackets. docs/aws-cli.md shows the sections exactly as they are here, except that each name is a heading.
# .ci/e2e runs each section against a deployed stack. The example is the rotation of app-2025 to app-2026.

# [stack] Finds the bus and the tables of the stack. The function output finds any other output by its name.
output() {
    aws cloudformation describe-stacks --stack-name rerole --output text \
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}
bus=$(output RotationEventBusName)
ledger=$(output RotationLedgerTableName)
index=$(output AssociationIndexTableName)

# [dry-run] Requests a dry run. rerole reads and records everything, and writes nothing to EKS.
detail='{
  "rotationId": "app-2026",
  "oldRoleArn": "arn:aws:iam::111122223333:role/platform/app-2025",
  "newRoleArn": "arn:aws:iam::111122223333:role/platform/app-2026",
  "dryRun": true
}'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Requested,Detail='$detail'"

# [request] Requests the rotation. It is safe to repeat the request: the rotation continues where it stopped.
detail='{
  "rotationId": "app-2026",
  "oldRoleArn": "arn:aws:iam::111122223333:role/platform/app-2025",
  "newRoleArn": "arn:aws:iam::111122223333:role/platform/app-2026"
}'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Requested,Detail='$detail'"

# [pause] Pauses the rotation. No update is sent later than 10 s after the command was recorded.
detail='{ "rotationId": "app-2026", "command": "Pause", "reason": "CHG-1042" }'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Command,Detail='$detail'"

# [verdicts] Lists the commands that the rotation got, with their verdicts. Those about the stack are under stack/state.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :id AND begins_with(entry, :command)' \
    --expression-attribute-values '{":id": {"S": "app-2026"}, ":command": {"S": "command#"}}' \
    --query 'Items[].[at.S, command.S, verdict.S, explanation.S, requestedBy.S, reason.S]'

# [timeline] Lists the changes of the status, in order, and who requested them.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :id AND begins_with(entry, :change)' \
    --expression-attribute-values '{":id": {"S": "app-2026"}, ":change": {"S": "timeline#"}}' \
    --query 'Items[].[at.S, from.S, to.S, by.M.requestedBy.S, reason.S]'

# [resume] Resumes the rotation where it stopped.
detail='{ "rotationId": "app-2026", "command": "Resume" }'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Command,Detail='$detail'"

# [cancel] Cancels the rotation: what is not moved yet becomes NotAttempted, and the roles are released.
detail='{ "rotationId": "app-2026", "command": "Cancel" }'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Command,Detail='$detail'"

# [retry] Tries again what failed, was not attempted, or was owned by an add-on.
detail='{ "rotationId": "app-2026", "command": "Retry" }'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Command,Detail='$detail'"

# [rollback-plan] Finds out what a rollback would do, and what has changed since. It writes nothing to EKS.
detail='{ "rotationId": "app-2026", "command": "Rollback", "dryRun": true }'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Command,Detail='$detail'"

# [rollback] Gives the associations that the rotation has moved their old role again, and no others.
detail='{ "rotationId": "app-2026", "command": "Rollback", "reason": "INC-8" }'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Command,Detail='$detail'"

# [rolled-back] Shows how the rollback has ended, and what it has left. That of the dry run is under dry-run/rollback/app-2026.
aws dynamodb get-item --table-name "$ledger" --output table \
    --key '{"rotationId": {"S": "rollback/app-2026"}, "entry": {"S": "rotation"}}' \
    --query 'Item.{status: status.S, reason: reason.S, takenBack: counts.M.updated.N, changedSince: counts.M.changedSince.N}'

# [freeze] Pauses all rotations of the stack, and lets new ones wait. In an emergency, this comes first.
detail='{ "command": "Freeze", "reason": "INC-7" }'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Command,Detail='$detail'"

# [frozen] Shows since when the stack is frozen, by whom and why.
aws dynamodb get-item --table-name "$ledger" --output table \
    --key '{"rotationId": {"S": "stack/state"}, "entry": {"S": "stack"}}' \
    --query 'Item.{frozenAt: frozenAt.S, by: frozenBy.M.requestedBy.S, reason: reason.S}'

# [unfreeze] Lets all rotations continue that the freeze has paused or queued.
detail='{ "command": "Unfreeze" }'
aws events put-events \
    --entries "EventBusName=$bus,Source=platform.iam,DetailType=Role Rotation Command,Detail='$detail'"

# [rotation] Shows the status of the rotation. The ID of its dry run is dry-run/app-2026.
aws dynamodb get-item --table-name "$ledger" --output table \
    --key '{"rotationId": {"S": "app-2026"}, "entry": {"S": "rotation"}}' \
    --query 'Item.{status: status.S, reason: reason.S, startedAt: startedAt.S, finishedAt: finishedAt.S,
        total: counts.M.total.N, updated: counts.M.updated.N, pending: counts.M.pending.N,
        drifted: counts.M.drifted.N, failed: counts.M.failed.N}'

# [progress] Shows the progress of a rotation that is running: counts, rate, and estimated end.
aws dynamodb get-item --table-name "$ledger" --output table \
    --key '{"rotationId": {"S": "app-2026"}, "entry": {"S": "rotation"}}' \
    --query 'Item.{status: status.S, at: progress.M.at.S, settledPerSec: progress.M.settledPerSec.N,
        estimatedEndAt: progress.M.estimatedEndAt.S, total: progress.M.counts.M.total.N,
        pending: progress.M.counts.M.pending.N, updated: progress.M.counts.M.updated.N,
        failed: progress.M.counts.M.failed.N}'

# [associations] Lists the associations of the rotation with their outcomes.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :id AND begins_with(entry, :row)' \
    --expression-attribute-values '{":id": {"S": "app-2026"}, ":row": {"S": "association#"}}' \
    --query 'Items[].[outcome.S, associationArn.S]'

# [not-updated] Lists only the associations that were not moved, with the error of those that failed.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :id AND begins_with(entry, :row)' \
    --filter-expression 'outcome <> :updated' \
    --expression-attribute-values '{":id": {"S": "app-2026"}, ":row": {"S": "association#"},
        ":updated": {"S": "Updated"}}' \
    --query 'Items[].[outcome.S, associationArn.S, errorCode.S, errorMessage.S]'

# [role-users] Lists the associations that use a role according to the index, with their last change.
aws dynamodb query --table-name "$index" --index-name ByRole --output table \
    --key-condition-expression 'roleArn = :role' \
    --expression-attribute-values '{":role": {"S": "arn:aws:iam::111122223333:role/platform/app-2025"}}' \
    --query 'Items[].[region.S, clusterName.S, namespace.S, serviceAccount.S, associationId.S, modifiedAt.S]'

# [role] Shows whether a role is in use, and if not, until when pods may have its credentials.
aws dynamodb get-item --table-name "$ledger" --consistent-read --output table \
    --key '{"rotationId": {"S": "role/arn:aws:iam::111122223333:role/platform/app-2025"}, "entry": {"S": "role"}}' \
    --query 'Item.{heldBy: heldBy.S, inUseUntil: inUse && `"in use"` || leftUntil.S, since: inUse.M.since.S,
        by: inUse.M.by.S, why: inUse.M.why.S}'

# [role-history] Lists the rotations that replaced a role, latest first.
aws dynamodb query --table-name "$ledger" --index-name ByOldRole --no-scan-index-forward --output table \
    --key-condition-expression 'oldRoleArn = :role' \
    --expression-attribute-values '{":role": {"S": "arn:aws:iam::111122223333:role/platform/app-2025"}}' \
    --query 'Items[].[startedAt.S, rotationId.S, status.S, newRoleArn.S]'

# [open] Lists the rotations that are in progress. The other open statuses are Queued, Planning, Paused and Cancelling.
aws dynamodb query --table-name "$ledger" --index-name ByStatus --output table \
    --key-condition-expression '#status = :status' --expression-attribute-names '{"#status": "status"}' \
    --expression-attribute-values '{":status": {"S": "InProgress"}}' \
    --query 'Items[].[startedAt.S, rotationId.S, oldRoleArn.S, newRoleArn.S]'

# [rejected] Lists the rejected events with the reason, latest first.
aws dynamodb query --table-name "$ledger" --index-name ByStatus --no-scan-index-forward --output table \
    --key-condition-expression '#status = :status' --expression-attribute-names '{"#status": "status"}' \
    --expression-attribute-values '{":status": {"S": "Rejected"}}' \
    --query 'Items[].[startedAt.S, rotationId.S, field.S, reason.S]'

# [failed-events] Shows the events that failed three times, with the error. The messages stay in the queue.
aws sqs receive-message --queue-url "$(output OnFailureQueueUrl)" --output text \
    --max-number-of-messages 10 --wait-time-seconds 5 --visibility-timeout 0 --query 'Messages[].Body'

# [stalled] Starts open rotations that stand idle, and lists those that have been idle for ten minutes.
aws lambda invoke --function-name "$(output RotateFunctionArn)" \
    --payload fileb://<(printf '{"check": "stalledRotations"}') /dev/stdout

# [republish] Publishes the events about the rotation again, for example from the third one on.
aws lambda invoke --function-name "$(output RotateFunctionArn)" \
    --payload fileb://<(printf '{"republish": {"rotationId": "app-2026", "fromSeq": 3}}') /dev/stdout

# [executions] Lists the executions of the state machine with their status, latest first.
aws stepfunctions list-executions --state-machine-arn "$(output StateMachineArn)" --output table \
    --max-items 20 --query 'executions[].[startDate, status, executionArn]'

# [build-index] Builds the index by reading each association from EKS.
aws lambda invoke --function-name "$(output IndexerFunctionArn)" --invocation-type Event \
    --payload fileb://<(printf '{"reconcile": {"mode": "full"}}') /dev/stdout

# [index-run] Shows the latest index run.
aws dynamodb get-item --table-name "$ledger" --output table \
    --key '{"rotationId": {"S": "index"}, "entry": {"S": "run"}}' \
    --query 'Item.{mode: request.M.mode.S, startedAt: startedAt.S, finishedAt: finishedAt.S,
        clusters: counts.M.clusters.N, seen: counts.M.seen.N, added: counts.M.added.N,
        changed: counts.M.changed.N, removed: counts.M.removed.N, errorCount: errorCount.N}'

# [index-age] Shows the time as of which the index of each region is complete.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :index AND begins_with(entry, :region)' \
    --expression-attribute-values '{":index": {"S": "index"}, ":region": {"S": "region#"}}' \
    --query 'Items[].[entry.S, describedAt.S, listedAt.S]'

# [reversions] Lists the associations that use the replaced role again, and the caller that changed them.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :id AND begins_with(entry, :row)' \
    --expression-attribute-values '{":id": {"S": "app-2026"}, ":row": {"S": "reversion#"}}' \
    --query 'Items[].[modifiedAt.S, revertedArn.S, callerArn.S, userAgent.S]'

# [remove-table] Deletes a table that remains after its stack was deleted.
aws dynamodb update-table --table-name NAME --no-deletion-protection-enabled
aws dynamodb delete-table --table-name NAME
