"""Turn answers into names of columns."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from ifcb_abundance.common.errors import StateError

INSTALL = "`make stages` installs it"


@lru_cache(maxsize=1 << 16)
def slug(text: str) -> str:
    """The text in lower-case ASCII letters, digits and hyphens: "Pseudo-nitzschia sp." is pseudo-nitzschia-sp."""
    try:
        from slugify import slugify
    except ImportError:
        raise StateError(f"python-slugify is not installed: {INSTALL}") from None
    return slugify(text, separator="-")


def answer_name(answer: Any, labels: Mapping[str, str]) -> str:
    """The name of an answer: its label or slug; for a number, true, false and None, what Python writes.

    Raises ValueError if it is none of these.
    """
    if isinstance(answer, str):
        return labels.get(answer) or slug(answer)
    if answer is None or isinstance(answer, int):
        return str(answer)
    raise ValueError(f"answer {str(answer)[:60]!r} is neither text nor a number")


def collisions(texts: Iterable[str]) -> dict[str, list[str]]:
    """The slugs that several different texts share, with these texts in their order."""
    found: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        found.setdefault(slug(text), []).append(text)
    return {name: same for name, same in found.items() if len(same) > 1}


def labels(texts: Iterable[str]) -> dict[str, str]:
    """A column for each text that shares its slug: the first keeps the slug, the next gets -2."""
    texts = list(dict.fromkeys(texts))
    taken = {slug(text) for text in texts}
    made: dict[str, str] = {}
    for name, same in collisions(texts).items():
        made[same[0]] = name
        counter = 2
        for text in same[1:]:
            while f"{name}-{counter}" in taken:
                counter += 1
            made[text] = f"{name}-{counter}"
            taken.add(made[text])
    return made
