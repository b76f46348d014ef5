#!/usr/bin/env python3
"""Deploys the built template to MiniStack, a local AWS emulator, and checks what the manual says.

    python tests/e2e/main.py TEMPLATE SAM-FOLDER

TEMPLATE is the output of `sam build`, and SAM-FOLDER contains `sam`. It needs Linux and the
packages of requirements-ministack.txt; .ci/e2e installs them. All files are written to target/e2e.
Each expectation prints a line, and the last line is `N passed, N failed`. The exit code is 1 if an
expectation failed.
"""

import contextlib
import platform
import shutil
import signal
import sys
import traceback
from pathlib import Path

# Write no __pycache__ into the checkout.
sys.dont_write_bytecode = True

import alarms  # noqa: E402
import cli  # noqa: E402
import cloudtrail  # noqa: E402
import deployment  # noqa: E402
import docs  # noqa: E402
import expect  # noqa: E402
import failures  # noqa: E402
import indexing  # noqa: E402
import lifecycle  # noqa: E402
import long_rotations  # noqa: E402
import permissions  # noqa: E402
import publishing  # noqa: E402
import rejections  # noqa: E402
import reversions  # noqa: E402
import rotations  # noqa: E402
import target_role  # noqa: E402
from expect import ExpectationFailed, equal, step  # noqa: E402
from fleet import CLUSTERS  # noqa: E402
from harness import Harness  # noqa: E402
from ministack import LIFE_SECONDS, MiniStack  # noqa: E402
from permissions import REQUESTER_ARN  # noqa: E402
from stack import ROOT, Cloud, deploy  # noqa: E402

HOME = ROOT / "target" / "e2e"
# The functions run on this machine, so they are built for it.
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
# The order matters: each scenario builds on the state that the ones before it leave.
SCENARIOS = (
    deployment.the_stack_is_complete,
    permissions.ministack_needs_a_grant_on_clusters,
    permissions.roles_allow_only_what_the_functions_do,
    permissions.iam_simulation_agrees,
    permissions.updates_are_denied_outside_the_indexed_regions,
    permissions.queues_admit_operators_only,
    publishing.ministack_needs_a_grant_without_conditions,
    publishing.a_consumer_subscribes,
    indexing.a_full_reconcile_builds_the_index,
    indexing.the_command_line_tool_builds_the_index,
    indexing.the_index_lags_behind_eks,
    rotations.a_dry_run_writes_nothing_to_eks,
    rotations.every_association_on_the_old_role_moves,
    rotations.the_commands_of_the_manual_show_the_result,
    rotations.redelivery_changes_nothing,
    permissions.functions_use_the_credentials_of_their_roles,
    rejections.an_invalid_event_is_recorded,
    rejections.events_of_another_source_or_type_are_ignored,
    failures.a_denied_update_fails_its_association,
    failures.an_event_that_fails_three_times_is_kept,
    alarms.each_rotation_writes_metrics,
    alarms.the_schedule_finds_nothing_stalled,
    alarms.a_stalled_rotation_fires_the_alarm,
    target_role.a_target_role_is_rotated,
    cloudtrail.the_rule_selects_changes,
    cloudtrail.changes_reach_the_index,
    cloudtrail.an_invalid_message_is_kept,
    reversions.a_reversion_is_recorded,
    indexing.reconciles_repair_the_index,
    indexing.a_stale_region_fires_the_alarm,
    rejections.no_ignored_event_arrived_late,
    lifecycle.a_rotation_is_paused_and_resumed,
    lifecycle.a_rotation_is_cancelled_and_tried_again,
    lifecycle.a_frozen_stack_starts_nothing,
    lifecycle.a_rotation_is_taken_back,
    cli.the_deployment_is_looked_at,
    cli.a_new_role_is_checked_before_anything_moves,
    cli.a_rotation_is_planned_run_and_taken_back,
    cli.a_rotation_is_steered,
    cli.the_queues_are_looked_at,
    cli.what_failed_is_sent_again,
    publishing.the_consumer_hears_of_every_status,
    long_rotations.a_killed_slice_is_resumed,
)
LOG_TAIL_LINES = 30
# Shorter than the life of MiniStack, so its logs can still be shown.
TIMEOUT_SECONDS = LIFE_SECONDS - 60


def run_scenarios(ministack, template, sam_folder, logs):
    """Deploys the stack and runs all scenarios. Adds the logs of the functions to `logs`."""
    cloud = Cloud(ministack.url, HOME, [Path(sys.executable).parent, sam_folder])
    parameters = {
        "RolePath": "/platform/",
        "RequesterArns": REQUESTER_ARN,
        "Architecture": ARCHITECTURES[platform.machine()],
        # MiniStack does not have the type AWS::Logs::QueryDefinition.
        "CreateSavedQueries": "false",
    }
    step("The template is deployed with the defaults of samconfig.toml.")
    more = {
        "AwsEndpointUrl": ministack.url,
        "TableDeletionProtection": "false",
        "IndexRegions": ",".join(sorted(CLUSTERS)),
    }
    stack = deploy(cloud, template, **parameters, **more)
    equal("the status of the stack", stack.status, "CREATE_COMPLETE")
    harness = Harness(cloud, stack)
    logs["log of the rotate function"] = harness.rotate_log.messages
    logs["log of the indexer"] = harness.indexer_log.messages
    logs["log of the publisher"] = harness.publisher_log.messages
    for scenario in SCENARIOS:
        step(first_line(scenario))
        scenario(harness)
    step(first_line(deployment.a_stack_without_endpoint_is_as_on_aws))
    deployment.a_stack_without_endpoint_is_as_on_aws(harness, template, parameters)
    step("Every command has run, and only this machine can connect.")
    harness.commands.check_all_executed()
    ministack.check_loopback()


def first_line(scenario):
    return scenario.__doc__.splitlines()[0]


def check(template, sam_folder):
    step("The manual shows the commands that are tested.")
    docs.check()
    step("MiniStack starts.")
    logs = {}
    with MiniStack(HOME) as ministack:
        logs["log of MiniStack"] = ministack.log_lines
        try:
            run_scenarios(ministack, template, sam_folder, logs)
        except BaseException:
            # Before MiniStack stops, because it has the logs. It may be what failed.
            with contextlib.suppress(Exception):
                for name, lines in logs.items():
                    print(f"\n{name}:", *lines()[-LOG_TAIL_LINES:], sep="\n  ")
            raise


def stop(number, _frame):
    raise ExpectationFailed(f"the check finishes\n  found: {signal.Signals(number).name}")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    template, sam_folder = (Path(argument).resolve() for argument in sys.argv[1:])
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, stop)
    signal.alarm(TIMEOUT_SECONDS)
    failed = 0
    try:
        check(template, sam_folder)
    except ExpectationFailed as failure:
        print(f"\nFAIL {failure}")
        failed = 1
    except Exception:
        # An error that no expectation covers.
        traceback.print_exc(file=sys.stdout)
        failed = 1
    print(f"\n{expect.passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
