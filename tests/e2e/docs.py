"""Checks that the manual shows the tested commands exactly as they are tested."""

import re

from commands import FILE, LOCAL, sections
from expect import holds
from stack import ROOT

# The page that shows all sections of each file.
PAGES = {FILE: ROOT / "docs" / "aws-cli.md", LOCAL: ROOT / "docs" / "local.md"}
# A section of such a file: its name, and what a page shows of it.
SECTION = re.compile(r"^# \[([a-z-]+)\] (.*?)\n*(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
# A heading, and what stands below it. Other pages link to a section by its heading.
HEADED = re.compile(r"^#{2,} ([^\n]+)\n(.*?)(?=^#{2,} |\Z)", re.MULTILINE | re.DOTALL)
# A fenced block of any language, also an indented one.
BLOCK = re.compile(r"^ *(```+|~~~+)[^\n]*\n(.*?)^ *\1 *$", re.MULTILINE | re.DOTALL)
# A line that calls the AWS CLI: by itself, after another command, or in a substitution.
AWS_CALL = re.compile(r"(^|[\s(;&|`])aws\s+[a-z\\]")
# Some shells do not treat `#` as a comment at the prompt, and would wait for a second quote.
QUOTES = set("'\"`")


def check():
    """Every tested section is shown, and every AWS CLI command that is shown is tested."""
    for file, page in PAGES.items():
        check_shows_all(page, texts(file))
    check_has_headings(PAGES[FILE], texts(FILE))
    tested = [body for file in PAGES for body in sections(file).values()]
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]:
        check_shows_only(page, tested)


def texts(file):
    """Each section by its name, as a page shows it: unchanged, but without the name in brackets."""
    found = {name: f"# {text}" for name, text in SECTION.findall(file.read_text())}
    assert found.keys() == sections(file).keys(), file
    return found


def check_shows_all(page, shown):
    blocks = blocks_of(page.read_text())
    missing = [name for name, text in shown.items() if text not in blocks]
    name = page.relative_to(ROOT)
    holds(f"{name} shows all {len(shown)} tested sections unchanged", not missing, missing)


def check_has_headings(page, shown):
    """Each section is the only block below a heading with its name."""
    below = dict(HEADED.findall(page.read_text()))
    missing = [name for name, text in shown.items() if blocks_of(below.get(name, "")) != [text]]
    name = page.relative_to(ROOT)
    holds(f"{name} has each tested section below a heading with its name", not missing, missing)


def check_shows_only(page, bodies):
    """A block that shows a tested section or calls the AWS CLI contains only comments besides."""
    untested = []
    for block in blocks_of(page.read_text()):
        rest = without(block, bodies)
        if rest != block or calls_aws(block):
            untested += [line for line in rest.splitlines() if line and not is_comment(line)]
    name = page.relative_to(ROOT)
    holds(f"{name} shows no AWS CLI command that is not tested", not untested, untested)


def blocks_of(markdown):
    """The fenced blocks, without the line feed at their end."""
    return [block.removesuffix("\n") for _, block in BLOCK.findall(markdown)]


def whole_lines(body):
    """Matches the section only as whole lines."""
    return re.compile(f"^{re.escape(body)}$", re.MULTILINE)


def without(block, bodies):
    """The block without its sections. The longest go first: they may contain a shorter one."""
    for body in sorted(bodies, key=len, reverse=True):
        block = whole_lines(body).sub("", block)
    return block


def calls_aws(block):
    lines = block.splitlines()
    return any(AWS_CALL.search(line) for line in lines if not line.lstrip().startswith("#"))


def is_comment(line):
    return line.startswith("# ") and not QUOTES & set(line)
