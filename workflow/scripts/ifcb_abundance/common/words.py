"""Words in messages and tables: those that depend on a number, and what a file says."""


def counted(n: int, what: str) -> str:
    """The number and what it counts, in the plural unless it is one: `1 bin`, `2,000 bins`, `3 patches`, `4 boxes`."""
    return f"{n:,} {what}" + ("" if n == 1 else "es" if what.endswith(("s", "ch", "x")) else "s")


def sized(n: float) -> str:
    """A number of bytes in the unit that suits it: `0 bytes`, `812 bytes`, `1.2 GB`. A kB has 1,000 bytes."""
    if n < 1000:
        return counted(round(n), "byte")
    power = 0
    while n >= 999.5 and power < 6:
        n, power = n / 1000, power + 1
    return f"{n:.3g} {' kMGTPE'[power]}B"


def sized_exactly(n: int) -> str:
    """A number of bytes, and the same in the unit that suits it: `1,234 bytes (1.23 kB)`."""
    return counted(n, "byte") + (f" ({sized(n)})" if n >= 1000 else "")


def printable(text: str) -> str:
    """Text of a file, which may hold any characters, as a cell of a table."""
    return "".join(c if c.isprintable() else " " for c in text)
