"""Runs the sections of docs/commands.sh, as an operator does who copies them from the manual."""

import re
import subprocess

from expect import ExpectationFailed, holds
from stack import ROOT

FILE = ROOT / "docs" / "commands.sh"
# local.py runs the sections of this file.
LOCAL = ROOT / "docs" / "local.sh"
HEADING = re.compile(r"^# \[([a-z-]+)\] .*\.$")
TIMEOUT_SECONDS = 60
# Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL for SQS.
PRELUDE = 'set -euo pipefail\naws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'


def sections(file=FILE):
    """The commands of each section by its name, in the order of the file."""
    found, name = {}, None
    for line in file.read_text().splitlines():
        heading = HEADING.match(line)
        if heading:
            name = heading[1]
            found[name] = []
        elif not line.strip():
            name = None
        elif name:
            found[name].append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


class Commands:
    """Runs sections by name, and records which ones have run."""

    def __init__(self, cloud):
        self.cloud, self.sections, self.executed = cloud, sections(), set()

    def run(self, name, **replacements):
        """Runs the section after `stack`, in one shell, and returns its output.

        `replacements` replaces words of the section, such as a rotation ID.
        """
        script = "\n".join([PRELUDE, self.sections["stack"], self.sections[name]])
        for word, replacement in replacements.items():
            script = script.replace(word, replacement)
        self.executed |= {"stack", name}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.cloud.home,
            env=self.cloud.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0 or done.stderr:
            found = f"exit code {done.returncode}\n{done.stderr}"
            raise ExpectationFailed(f"[{name}] of {FILE.name} succeeds\n  found: {found}")
        return done.stdout

    def check_all_executed(self):
        missing = sorted(self.sections.keys() - self.executed)
        holds(f"all {len(self.sections)} sections of {FILE.name} have run", not missing, missing)
