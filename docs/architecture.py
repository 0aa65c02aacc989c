"""Draw docs/images/architecture.svg from the imports of the package: python docs/architecture.py."""

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
SVG = ROOT / "docs" / "images" / "architecture.svg"
PACKAGE = "ifcb_abundance"
WIDTH, BOX, ROW = 760, (130, 34), 78  # pixels
STAGGER = (0, -150, 150, 40)


def house() -> dict[str, list[str]]:
    """What `make lint` checks of the rooms."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contract: dict[str, list[str]] = tools["importlinter"]["contracts"][0]
    return contract


def layers() -> list[list[str]]:
    """List the rooms of each layer from the top down, and last those beside the layers."""
    rooms = house()
    return [*(layer.split(" | ") for layer in rooms["layers"]), rooms["exhaustive_ignores"]]


def room_imports() -> set[tuple[str, str]]:
    """Pairs of rooms: a module of the first imports one of the second, at a run and not for type checkers alone."""
    sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
    graph = grimp.build_graph(PACKAGE, cache_dir=None, exclude_type_checking_imports=True)
    found = set()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            rooms = [name.split(".")[1] for name in (module, other) if "." in name]
            if len(rooms) == 2 and rooms[0] != rooms[1]:
                found.add((rooms[0], rooms[1]))
    return found


def without_detours(imports: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out each import for which there is also a way through other rooms (the transitive reduction)."""
    below: dict[str, set[str]] = {}
    for room, other in imports:
        below.setdefault(room, set()).add(other)

    def reached(room: str) -> set[str]:
        return {room}.union(*(reached(other) for other in below.get(room, ())))

    return sorted(
        (room, other)
        for room, other in imports
        if not any(other in reached(between) for between in below[room] - {other})
    )


def places(rows: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    """The centre of each room's box; rows are staggered, so that few arrows pass behind a box."""
    return {
        room: (WIDTH * (column + 1) / (len(row) + 1) + STAGGER[number % 4], ROW * (number + 0.5))
        for number, row in enumerate(rows)
        for column, room in enumerate(row)
    }


def draw() -> str:
    """Draw the rooms as boxes in layers, and an arrow for each import."""
    rows = layers()
    centre = places(rows)
    width, height = BOX
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {ROW * len(rows)}" font-family="sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#777"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{ROW * len(rows)}" fill="white"/>',
    ]
    for room, other in without_detours(room_imports()):
        (x, y), (x_other, y_other) = centre[room], centre[other]
        down = 1 if y_other > y else -1
        ends = (
            f'x1="{x:.0f}" y1="{y + down * height / 2:.0f}" x2="{x_other:.0f}" y2="{y_other - down * height / 2:.0f}"'
        )
        lines.append(f'<line {ends} stroke="#777" marker-end="url(#tip)"/>')
    for number, row in enumerate(rows):
        dashes = ' stroke-dasharray="5 3"' if number == len(rows) - 1 else ""
        for room in row:
            x, y = centre[room]
            lines += [
                f'<rect x="{x - width / 2:.0f}" y="{y - height / 2:.0f}" width="{width}" height="{height}" rx="6"'
                f' fill="#e0f2f1" stroke="#00796b"{dashes}/>',
                f'<text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle">{room}</text>',
            ]
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    SVG.write_text(draw(), encoding="utf-8")
