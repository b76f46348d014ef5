# Looking after a deployed stack with the AWS CLI, version 1 or 2, in bash. README.md shows these sections as
# they are, and .ci/e2e runs each one against a deployed stack. Their example is the rotation of app-2025 to app-2026.

# [stack] Looks up the tables of the stack, and anything else by the name of its output.
output() {
    aws cloudformation describe-stacks --stack-name rerole --output text \
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}
ledger=$(output RotationLedgerTableName)
index=$(output AssociationIndexTableName)

# [rehearse] A dry run: everything is read and recorded, and nothing is written to EKS.
detail='{
  "rotationId": "app-2026",
  "oldRoleArn": "arn:aws:iam::111122223333:role/platform/app-2025",
  "newRoleArn": "arn:aws:iam::111122223333:role/platform/app-2026",
  "dryRun": true
}'
aws events put-events --entries "Source=platform.iam,DetailType=Role Rotation Requested,Detail='$detail'"

# [request] Asks for the rotation. Asking again is safe: it carries on where the rotation stands.
detail='{
  "rotationId": "app-2026",
  "oldRoleArn": "arn:aws:iam::111122223333:role/platform/app-2025",
  "newRoleArn": "arn:aws:iam::111122223333:role/platform/app-2026"
}'
aws events put-events --entries "Source=platform.iam,DetailType=Role Rotation Requested,Detail='$detail'"

# [rotation] How the rotation stands. The rehearsal is dry-run/app-2026.
aws dynamodb get-item --table-name "$ledger" --output table \
    --key '{"rotationId": {"S": "app-2026"}, "entry": {"S": "rotation"}}' \
    --query 'Item.{status: status.S, reason: reason.S, startedAt: startedAt.S, finishedAt: finishedAt.S,
        oldRoleInUseUntil: oldRoleInUseUntil.S, total: counts.M.total.N, updated: counts.M.updated.N,
        pending: counts.M.pending.N, drifted: counts.M.drifted.N, failed: counts.M.failed.N}'

# [progress] How far a rotation under way is, how fast it goes, and when it will be at its end at that pace.
aws dynamodb get-item --table-name "$ledger" --output table \
    --key '{"rotationId": {"S": "app-2026"}, "entry": {"S": "rotation"}}' \
    --query 'Item.{status: status.S, at: progress.M.at.S, settledPerSec: progress.M.settledPerSec.N,
        estimatedEndAt: progress.M.estimatedEndAt.S, total: progress.M.counts.M.total.N,
        pending: progress.M.counts.M.pending.N, updated: progress.M.counts.M.updated.N,
        failed: progress.M.counts.M.failed.N}'

# [associations] What became of each association.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :id AND begins_with(entry, :row)' \
    --expression-attribute-values '{":id": {"S": "app-2026"}, ":row": {"S": "association#"}}' \
    --query 'Items[].[outcome.S, associationArn.S]'

# [not-updated] Only those that were not moved, and why.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :id AND begins_with(entry, :row)' \
    --filter-expression 'outcome <> :updated' \
    --expression-attribute-values '{":id": {"S": "app-2026"}, ":row": {"S": "association#"},
        ":updated": {"S": "Updated"}}' \
    --query 'Items[].[outcome.S, associationArn.S, errorCode.S, errorMessage.S]'

# [role-users] Which associations use a role, and since when, as far as the index knows.
aws dynamodb query --table-name "$index" --index-name ByRole --output table \
    --key-condition-expression 'roleArn = :role' \
    --expression-attribute-values '{":role": {"S": "arn:aws:iam::111122223333:role/platform/app-2025"}}' \
    --query 'Items[].[region.S, clusterName.S, namespace.S, serviceAccount.S, associationId.S, modifiedAt.S]'

# [role-history] Which rotations replaced a role, the latest first.
aws dynamodb query --table-name "$ledger" --index-name ByOldRole --no-scan-index-forward --output table \
    --key-condition-expression 'oldRoleArn = :role' \
    --expression-attribute-values '{":role": {"S": "arn:aws:iam::111122223333:role/platform/app-2025"}}' \
    --query 'Items[].[startedAt.S, rotationId.S, status.S, newRoleArn.S]'

# [open] Which rotations are in progress.
aws dynamodb query --table-name "$ledger" --index-name ByStatus --output table \
    --key-condition-expression '#status = :status' --expression-attribute-names '{"#status": "status"}' \
    --expression-attribute-values '{":status": {"S": "InProgress"}}' \
    --query 'Items[].[startedAt.S, rotationId.S, oldRoleArn.S, newRoleArn.S]'

# [rejected] Which events could not run, and why, the latest first.
aws dynamodb query --table-name "$ledger" --index-name ByStatus --no-scan-index-forward --output table \
    --key-condition-expression '#status = :status' --expression-attribute-names '{"#status": "status"}' \
    --expression-attribute-values '{":status": {"S": "Rejected"}}' \
    --query 'Items[].[startedAt.S, rotationId.S, field.S, reason.S]'

# [failed-events] Events that failed three times, with the error. They stay in the queue.
aws sqs receive-message --queue-url "$(output OnFailureQueueUrl)" --output text \
    --max-number-of-messages 10 --wait-time-seconds 5 --visibility-timeout 0 --query 'Messages[].Body'

# [stalled] Which rotations are open without anybody at work on them. Asking for such a rotation again carries it on.
aws lambda invoke --function-name "$(output RotateFunctionArn)" \
    --payload fileb://<(printf '{"watch": "stalledRotations"}') /dev/stdout

# [executions] What the state machine is at work on, and what it could not bring to its end, the latest first.
aws stepfunctions list-executions --state-machine-arn "$(output SlicesStateMachineArn)" --output table \
    --max-items 20 --query 'executions[].[startDate, status, executionArn]'

# [build-index] Builds the index anew, from each association.
aws lambda invoke --function-name "$(output IndexFunctionArn)" --invocation-type Event \
    --payload fileb://<(printf '{"reconcile": {"mode": "deep"}}') /dev/stdout

# [index-run] How the last run of the reconciler stands.
aws dynamodb get-item --table-name "$ledger" --output table \
    --key '{"rotationId": {"S": "index"}, "entry": {"S": "run"}}' \
    --query 'Item.{mode: request.M.mode.S, beganAt: beganAt.S, finishedAt: finishedAt.S,
        clusters: counts.M.clusters.N, seen: counts.M.seen.N, added: counts.M.added.N,
        changed: counts.M.changed.N, removed: counts.M.removed.N, troubleCount: troubleCount.N}'

# [index-age] Since when the index of each region is complete.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :index AND begins_with(entry, :region)' \
    --expression-attribute-values '{":index": {"S": "index"}, ":region": {"S": "region#"}}' \
    --query 'Items[].[entry.S, describedAt.S, listedAt.S]'

# [returned] Which associations have come back to the role that a rotation replaced, and who brought them back.
aws dynamodb query --table-name "$ledger" --output table \
    --key-condition-expression 'rotationId = :id AND begins_with(entry, :row)' \
    --expression-attribute-values '{":id": {"S": "app-2026"}, ":row": {"S": "returned#"}}' \
    --query 'Items[].[modifiedAt.S, returnedArn.S, callerArn.S, userAgent.S]'

# [remove-table] Removes a table that a deleted stack has left.
aws dynamodb update-table --table-name NAME --no-deletion-protection-enabled
aws dynamodb delete-table --table-name NAME
