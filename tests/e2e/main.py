#!/usr/bin/env python3
"""Deploys the built template to MiniStack, a local AWS, and walks through what README.md promises of it.

    python tests/e2e/main.py TEMPLATE FOLDER-OF-SAM

TEMPLATE is what `sam build` has left, FOLDER-OF-SAM has the `sam` to deploy it with. Needs Linux and the packages of
requirements-ministack.txt beside it; .ci/e2e brings all of this. Everything that is written goes below target/e2e.
Prints a line for each expectation and `N passed, N failed` last; exit code 1 where one is not met.
"""

import contextlib
import platform
import shutil
import signal
import sys
import traceback
from pathlib import Path

# The checkout stays as it was.
sys.dont_write_bytecode = True

import deployed  # noqa: E402
import expect  # noqa: E402
import failing  # noqa: E402
import following  # noqa: E402
import indexing  # noqa: E402
import permissions  # noqa: E402
import readme  # noqa: E402
import refusing  # noqa: E402
import returning  # noqa: E402
import rotating  # noqa: E402
import slices  # noqa: E402
import target_role  # noqa: E402
import watching  # noqa: E402
from expect import Unmet, equal, step  # noqa: E402
from fleet import CLUSTERS  # noqa: E402
from ministack import LIFE_SECONDS, MiniStack  # noqa: E402
from stack import ROOT, Cloud, deploy  # noqa: E402
from world import World  # noqa: E402

HOME = ROOT / "target" / "e2e"
# The function runs on this machine.
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
# In this order: each finds what those before it have left.
SCENARIOS = (
    deployed.stack,
    permissions.grant_on_clusters,
    permissions.roles,
    permissions.simulated,
    indexing.built,
    indexing.built_by_hand,
    indexing.left_behind,
    rotating.rehearsal,
    rotating.rotation,
    rotating.looking,
    rotating.redelivery,
    permissions.identity,
    refusing.rejected,
    refusing.foreign,
    failing.denied,
    failing.given_up,
    watching.rotation_metrics,
    watching.schedule,
    watching.stalled,
    target_role.rotated,
    following.selected,
    following.followed,
    following.given_up,
    returning.moved_back,
    indexing.healed,
    indexing.stale,
    refusing.absence,
    slices.rotated,
)
LOG_TAIL_LINES = 30
# While MiniStack still lives, so that its logs can be shown.
GIVE_UP_SECONDS = LIFE_SECONDS - 60


def walk(ministack, template, sam_folder, logs):
    """Everything between MiniStack's start and its end. `logs` gets what tells more where something fails."""
    cloud = Cloud(ministack.url, HOME, [Path(sys.executable).parent, sam_folder])
    parameters = {"RolePath": "/platform/", "Architecture": ARCHITECTURES[platform.machine()]}
    step("The template is deployed, with the defaults of samconfig.toml.")
    more = {
        "AwsEndpointUrl": ministack.url,
        "TableDeletionProtection": "false",
        "IndexRegions": ",".join(sorted(CLUSTERS)),
    }
    stack = deploy(cloud, template, **parameters, **more)
    equal("the stack's status", stack.status, "CREATE_COMPLETE")
    world = World(cloud, stack)
    logs["the rotate function's log"], logs["the index function's log"] = world.log.messages, world.index_log.messages
    for scenario in SCENARIOS:
        step(first_line(scenario))
        scenario(world)
    step(first_line(deployed.without_endpoint))
    deployed.without_endpoint(world, template, parameters)
    step("Nothing was left out, and nothing is open to others.")
    world.commands.check_all_ran()
    ministack.check_loopback()


def first_line(scenario):
    return scenario.__doc__.splitlines()[0]


def check(template, sam_folder):
    step("README.md shows the commands that are tested.")
    readme.check()
    step("MiniStack is started.")
    logs = {}
    with MiniStack(HOME) as ministack:
        logs["MiniStack's log"] = ministack.log_lines
        try:
            walk(ministack, template, sam_folder, logs)
        except BaseException:
            # Now, since the function's log is in MiniStack; which may be what has failed.
            with contextlib.suppress(Exception):
                for name, lines in logs.items():
                    print(f"\n{name}:", *lines()[-LOG_TAIL_LINES:], sep="\n  ")
            raise


def give_up(number, _frame):
    raise Unmet(f"the check comes to its end\n  found: {signal.Signals(number).name}")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    template, sam_folder = (Path(argument).resolve() for argument in sys.argv[1:])
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, give_up)
    signal.alarm(GIVE_UP_SECONDS)
    failed = 0
    try:
        check(template, sam_folder)
    except Unmet as unmet:
        print(f"\nFAIL {unmet}")
        failed = 1
    except Exception:
        # What no expectation was made of.
        traceback.print_exc(file=sys.stdout)
        failed = 1
    print(f"\n{expect.passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
