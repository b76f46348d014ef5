"""Scenarios about the command line tool: every verb, against the deployed stack."""

import json
import subprocess

from expect import contains, equal, holds
from stack import ACCOUNT, ROOT

ROLES = [f"arn:aws:iam::{ACCOUNT}:role/platform/cli-{year}" for year in (2025, 2026, 2027)]
NAMES = [role.partition(":role/")[2] for role in ROLES]
# Its trust policy lets pods of other clusters alone assume it.
ELSEWHERE = f"arn:aws:iam::{ACCOUNT}:role/platform/cli-elsewhere"
COUNT = 20
ROTATION = "by-cli"
TIMEOUT_SECONDS = 90
REROLE = ROOT / "target" / "debug" / "rerole"


def run(harness, *words, exit_code=0):
    """Runs `rerole`, and returns what it writes to standard output."""
    done = subprocess.run(
        [REROLE, *words],
        env=harness.cloud.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    holds(
        f"the exit code of `rerole {' '.join(words)}` is {exit_code}",
        done.returncode == exit_code,
        f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}",
    )
    return done.stdout


def answer(harness, *words, exit_code=0):
    """Runs `rerole` with JSON as its output, and returns the answer."""
    return json.loads(run(harness, *words, "--output", "json", exit_code=exit_code))


def the_deployment_is_looked_at(harness):
    """`version`, `doctor` and `index status` describe the stack."""
    found = answer(harness, "version")
    equal("the account", found["stack"]["account"], ACCOUNT)
    equal("the versions of stack and tool", found["stack"]["version"], found["cli"])
    # MiniStack has no trail, and its root user is no operator, so there are findings.
    shown = run(harness, "doctor", exit_code=3)
    contains("`doctor` looks at all parts", shown, "index", "alarms", "trails", "queues")
    shown = run(harness, "index", "status")
    contains("`index status` shows both regions", shown, "us-east-1", "eu-west-1")
    run(harness, "index", "check")
    contains("`completions` writes a script", run(harness, "completions", "bash"), "_rerole")


def create_role(harness, role, only_cluster=None):
    """Creates a role that pods can assume, and that may read a bucket."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    if only_cluster:
        statement["Condition"] = {"ArnEquals": {"aws:SourceArn": only_cluster}}
    policy = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::app-data/*"}
    trust, policy = (
        json.dumps({"Version": "2012-10-17", "Statement": [it]}) for it in (statement, policy)
    )
    iam = harness.cloud.client("iam")
    _, path, name = role.partition(":role")[2].split("/")
    iam.create_role(Path=f"/{path}/", RoleName=name, AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName=name, PolicyName="app", PolicyDocument=policy)


def a_new_role_is_checked_before_anything_moves(harness):
    """`preflight` reads the roles, and `rotate` sends nothing if pods could not use the new one."""
    harness.fleet.create_many("cli", ROLES[0], COUNT, harness.index)
    for role in ROLES:
        create_role(harness, role)
    create_role(harness, ELSEWHERE, f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/another")
    found = answer(harness, "preflight", "--from", NAMES[0], "--to", NAMES[1])
    equal("nothing is denied", [it for it in found["findings"] if it["level"] == "denied"], [])
    contains("the role of the function was read", " ".join(found["fine"]), "iam:PassRole", str(COUNT))
    roles = ["--from", NAMES[0], "--to", ELSEWHERE]
    found = answer(harness, "preflight", *roles, exit_code=3)
    denied = [it for it in found["findings"] if it["level"] == "denied"]
    holds("the pods of each cluster are denied", denied, found["findings"])
    for finding in denied:
        contains("with the reason", finding["text"], "aws:SourceArn", "another in us-east-1")
    run(harness, "rotate", *roles, "--id", "elsewhere", "--yes", exit_code=3)
    equal("nothing was sent", harness.ledger.item("elsewhere"), None)
    # MiniStack has no record of pods.
    found = answer(harness, "drain", NAMES[0], exit_code=4)
    equal("the old role is in use", found["verdict"], "inUse")


def a_rotation_is_planned_run_and_taken_back(harness):
    """`plan`, `rotate`, `list`, `status`, `who` and `rollback`, one after the other."""
    roles = ["--from", NAMES[0], "--to", NAMES[1]]
    plan = answer(harness, "plan", *roles, "--verify")
    equal("the plan's status", plan["status"], "Planned")
    equal("what it would move", plan["counts"]["wouldUpdate"], COUNT)
    request = [*roles, "--id", ROTATION, "--reason", "CHG-7"]
    run(harness, "rotate", *request, exit_code=2)
    equal("without a terminal and --yes, it sends nothing", harness.ledger.item(ROTATION), None)
    done = answer(harness, "rotate", *request, "--yes", "--wait=60s")
    equal("the rotation's status", done["status"], "Succeeded")
    equal("what it has moved", done["counts"]["updated"], COUNT)
    equal("its reason", harness.ledger.item(ROTATION)["envelope"]["reason"], "CHG-7")
    contains("`list` shows it", run(harness, "list", "--all"), ROTATION, "Succeeded")
    shown = run(harness, "status", ROTATION, "--rows", "updated")
    contains("`status` shows its associations", shown, "CHG-7", "cli/app-1", "Planning")
    report = json.loads(run(harness, "report", ROTATION, "--format", "json"))["report"]
    equal("the rows of its report", len(report["rows"]), COUNT)
    ids = [row["requestId"] for row in report["rows"]]
    holds("each names the request of its update", all(ids), ids)
    found = answer(harness, "who", NAMES[1], exit_code=4)
    equal("`who` finds all users", len(found["users"]), COUNT)
    run(harness, "who", NAMES[0], exit_code=4)
    done = answer(harness, "rollback", ROTATION, "--yes", "--wait=60s")
    equal("the rollback's status", done["rotation"]["status"], "RolledBack")
    equal("all use the old role again", len(harness.index.users(ROLES[0])), COUNT)


def a_rotation_is_steered(harness):
    """`freeze`, `pause`, `change`, `resume`, `cancel`, `retry` and `unfreeze`, on a queued rotation."""
    verdict(harness, "freeze", "--reason", "INC-7")
    steered = "steered-by-cli"
    roles = ["--from", NAMES[0], "--to", NAMES[2], "--id", steered]
    equal("it waits", answer(harness, "rotate", *roles, "--yes")["status"], "Queued")
    contains("`list` shows it", run(harness, "list", "--queued"), steered, "INC-7")
    verdict(harness, "pause", steered)
    verdict(harness, "change", steered, "--max-errors", "5", "--max-concurrency", "2")
    equal("its new limit", harness.ledger.item(steered)["request"]["maxErrors"], "5")
    found = answer(harness, "status", steered, exit_code=5)
    equal("it is paused", found["status"], "Paused")
    # A paused rotation cannot be resumed while the stack is frozen, so this is refused.
    run(harness, "resume", steered, "--yes", exit_code=1)
    verdict(harness, "unfreeze")
    verdict(harness, "resume", steered)
    done = answer(harness, "status", steered, "--wait=60s")
    equal("it is finished", done["status"], "Succeeded")
    verdict(harness, "freeze")
    cancelled = "cancelled-by-cli"
    roles = ["--from", NAMES[2], "--to", NAMES[0], "--id", cancelled]
    answer(harness, "rotate", *roles, "--yes")
    verdict(harness, "cancel", cancelled)
    equal("it is cancelled", answer(harness, "status", cancelled, exit_code=3)["status"], "Cancelled")
    verdict(harness, "retry", cancelled)
    verdict(harness, "unfreeze")
    done = answer(harness, "status", cancelled, "--wait=60s")
    equal("the retry moves all", done["counts"]["updated"], COUNT)


def the_queues_are_looked_at(harness):
    """`queues` lists what failed."""
    shown = run(harness, "queues", "list")
    contains("`queues list` shows all queues", shown, "on-failure", "undelivered", "indexer")
    shown = run(harness, "queues", "show", "on-failure")
    contains("`queues show` shows the event and the error", shown, "error", "redrive")
    (association, *_) = harness.index.users(ROLES[0])
    shown = run(harness, "index", "show", association)
    contains("`index show` shows an association", shown, "cli/app-", NAMES[0])


def what_failed_is_sent_again(harness):
    """`queues redrive` puts a failed event on the bus again and deletes it from its queue."""
    before = harness.ledger.item("app-2027")
    run(harness, "queues", "redrive", "on-failure", exit_code=2)
    done = answer(harness, "queues", "redrive", "on-failure", "--yes")
    (message,) = done["messages"]
    holds("the event is sent again", message["isSent"], message["result"])
    contains("the event is named", message["event"], "app-2027")
    (queue,) = answer(harness, "queues", "show", "on-failure")["queues"]
    equal("and deleted", queue["messages"], [])
    again = answer(harness, "queues", "redrive", "on-failure", "--yes")
    equal("a second time sends nothing", again["messages"], [])
    harness.rotate_log.wait_for("app-2027", "rotation already finished", count=1)
    equal("the rotation stays as it was", harness.ledger.item("app-2027"), before)


def verdict(harness, *words):
    """Sends a command, which must be accepted."""
    found = answer(harness, *words, "--yes")
    verdict = found["verdict"]["verdict"]
    equal(f"the verdict of `rerole {' '.join(words)}`", verdict, "Accepted")
