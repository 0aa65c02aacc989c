"""Words in messages that depend on a number."""


def counted(n: int, what: str) -> str:
    """The number and what it counts, in the plural unless it is one: `1 bin`, `2,000 bins`, `3 patches`."""
    return f"{n:,} {what}" + ("" if n == 1 else "es" if what.endswith(("s", "ch")) else "s")
