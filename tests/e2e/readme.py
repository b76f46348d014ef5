"""README.md shows the commands that are tested, as they are tested."""

import re

from commands import FILE, LOCAL, sections
from expect import holds
from stack import ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def check():
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    for file in (FILE, LOCAL):
        commands = sections(file)
        missing = [name for name, body in commands.items() if not any(f"{body}\n" in block for block in blocks)]
        holds(f"README.md shows all {len(commands)} sections of {file.name} as they are", not missing, missing)
