"""Where the text of an SVG is."""

import re
from dataclasses import dataclass
from itertools import combinations
from xml.etree import ElementTree

from ifcb_abundance.figures import words

NARROW = 0.42  # the width of a character as a share of its size, in a narrow font


@dataclass(frozen=True)
class Text:
    """A text and its box. wide: its width in a wide font; narrow: in a narrow one; x, y: of its anchor."""

    text: str
    x: float
    y: float
    size: float
    anchor: str
    angle: float

    def box(self, width: float) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, of a text that runs straight or upright. width: of the text."""
        begin = -width * {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        up, down = -0.7 * self.size, 0.2 * self.size
        if self.angle == -90:
            return self.x + up, self.y - begin - width, self.x + down, self.y - begin
        return self.x + begin, self.y + up, self.x + begin + width, self.y + down

    @property
    def wide(self) -> tuple[float, float, float, float]:
        """Its box in a wide font."""
        return self.box(words.wide_width(self.text) * self.size / 10)

    @property
    def narrow(self) -> tuple[float, float, float, float]:
        """Its box in a narrow font."""
        return self.box(len(self.text) * NARROW * self.size)


def texts_of(svg: str) -> list[Text]:
    """All texts of an SVG of Vega's that are to be seen; a line of several ones is a text of its own."""
    found: list[Text] = []

    def walk(element: ElementTree.Element, x: float, y: float, angle: float) -> None:
        for name, numbers in re.findall(r"(translate|rotate)\(([^)]*)\)", element.get("transform", "")):
            values = [float(number) for number in re.split("[, ]+", numbers)]
            if name == "translate":
                x, y = x + values[0], y + values[1]
            else:
                angle += values[0]
        if element.tag.endswith("}text"):
            lines = [child for child in element if child.tag.endswith("}tspan")] or [element]
            down = 0.0
            for line in lines:
                down += float(line.get("dy", 0))
                size = float(element.get("font-size", "10px").removesuffix("px"))
                if line.text and element.get("opacity") != "0":
                    found.append(Text(line.text, x, y + down, size, element.get("text-anchor", "start"), angle))
        for child in element:
            walk(child, x, y, angle)

    walk(ElementTree.fromstring(svg), 0, 0, 0)
    return found


def outside(svg: str) -> list[str]:
    """The texts that begin before the left or end above or below the picture, in a wide font."""
    head = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert head
    high = float(head[2])
    return [
        text.text
        for text in texts_of(svg)
        if text.angle in (0, -90) and (text.wide[0] < -1 or text.wide[1] < -1 or text.wide[3] > high + 1)
    ]


def overlapping(svg: str) -> list[tuple[str, str]]:
    """The pairs of texts that lie on each other even in a narrow font."""
    boxes = [(text.text, text.narrow) for text in texts_of(svg) if text.angle in (0, -90)]
    return [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if a[0] < b[2] - 0.5 and b[0] < a[2] - 0.5 and a[1] < b[3] - 0.5 and b[1] < a[3] - 0.5
    ]
