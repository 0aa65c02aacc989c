"""Patterns of the keys of a store: `**` crosses folders, `*` and `?` do not, `[a-z]` and `[!a-z]` are one character."""

import re
from collections.abc import Sequence


def any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """A regular expression for keys that match one of the patterns; for none if there are none.

    Raises ValueError, naming the pattern, for a set of characters that is empty or runs backwards.
    """
    for pattern in patterns:
        try:
            re.compile(_regex(pattern))
        except re.error as error:
            raise ValueError(f"{pattern!r}: {error.msg}") from None
    return re.compile("|".join(map(_regex, patterns)) or r"(?!)", re.DOTALL)


def _regex(pattern: str) -> str:
    """A pattern of keys as a regular expression: `**/` is any folders or none, `**` anything, `*` and `?` no `/`."""
    parts = re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", pattern.lstrip("/"), re.DOTALL)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        known.get(part) or (_set(part) if part[0] == "[" and len(part) > 1 else re.escape(part)) for part in parts
    )


def _set(part: str) -> str:
    """A set of characters, `[a-z]` or `[!a-z]`, as a regular expression has it."""
    inner = part[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
    return f"(?!/)[^{inner[1:]}]" if inner.startswith("!") else f"(?!/)[{inner}]"
