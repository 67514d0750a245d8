"""Tables between the prose of a page, each between `<!-- NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from unlearnbench.errors import UsageError, unknown

BLOCK = re.compile(r"(<!-- (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def updated(text: str, tables: Mapping[str, str]) -> str:
    """The text of a page with these tables, by name, in place of what stands in its blocks.

    Raises:
        UsageError: the text names a table that there is not.
    """

    def block(match: re.Match[str]) -> str:
        if match["name"] not in tables:
            raise UsageError(unknown("table", match["name"], list(tables)))
        return f"{match[1]}\n{tables[match['name']]}\n\n{match[3]}"

    return BLOCK.sub(block, text)
