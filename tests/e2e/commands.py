"""The commands of docs/, and those of commands.sh run as somebody would who copies them from README.md."""

import re
import subprocess

from expect import Unmet, holds
from stack import ROOT

FILE = ROOT / "docs" / "commands.sh"
# Those that local.py runs.
LOCAL = ROOT / "docs" / "local.sh"
HEADING = re.compile(r"^# \[([a-z-]+)\] .*\.$")
SECONDS = 60
# Version 1 of the AWS CLI looks past AWS_ENDPOINT_URL where it calls SQS.
PRELUDE = 'set -euo pipefail\naws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'


def sections(file=FILE):
    """The commands of each section by its name, in the file's order."""
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
    """Runs sections by name, and knows which have been run."""

    def __init__(self, cloud):
        self.cloud, self.sections, self.ran = cloud, sections(), set()

    def run(self, name, **words):
        """What the section prints, with some of its words replaced. Its lines follow those of `stack`, in one shell."""
        script = "\n".join([PRELUDE, self.sections["stack"], self.sections[name]])
        for placeholder, word in words.items():
            script = script.replace(placeholder, word)
        self.ran |= {"stack", name}
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.cloud.home,
            env=self.cloud.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode != 0 or done.stderr:
            raise Unmet(f"[{name}] of {FILE.name} succeeds\n  found: exit code {done.returncode}\n{done.stderr}")
        return done.stdout

    def check_all_ran(self):
        left = self.sections.keys() - self.ran
        holds(f"all {len(self.sections)} sections of {FILE.name} have been run", not left, sorted(left))
