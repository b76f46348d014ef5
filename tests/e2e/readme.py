"""README.md shows the commands that are tested, as they are tested."""

import re

from commands import FILE, LOCAL, sections
from expect import holds
from stack import ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A shell that takes no comments at its prompt would wait for the other one.
QUOTES = set("'\"`")


def check():
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    for file in (FILE, LOCAL):
        bodies = [f"{body}\n" for body in sections(file).values()]
        missing = [body for body in bodies if not any(body in block for block in blocks)]
        holds(f"README.md shows all {len(bodies)} sections of {file.name} as they are", not missing, missing)
        more = [line for block in blocks if any(body in block for body in bodies) for line in beside(block, bodies)]
        holds("and nothing but what they do beside them", all(is_comment(line) for line in more), more)


def beside(block, bodies):
    """The lines of a block that are none of a section."""
    for body in bodies:
        block = block.replace(body, "")
    return [line for line in block.splitlines() if line]


def is_comment(line):
    return line.startswith("# ") and not QUOTES & set(line)
