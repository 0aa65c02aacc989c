"""Text in figures: names of classes, units, numbers, and lines that fit the width."""

import json
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifcb_abundance.figures.options import FigureOptions

PER_ML, CARBON, PER_ML_PER_UM = "objects mL⁻¹", "µg C L⁻¹", "objects mL⁻¹ µm⁻¹"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_POWERS = json.dumps([str(power).translate(SUPERSCRIPTS) for power in range(-20, 21)], ensure_ascii=False)
_EXPONENT = "floor(log(abs(datum.value)) / LN10 + 1e-9)"
_DIGITS = f"round(100 * datum.value / pow(10, {_EXPONENT})) / 100"

# Expressions for the labels of axes and legends. Of a power of ten, and of any number.
POWER = f"'10' + {_POWERS}[round(log(datum.value) / LN10) + 20]"
NUMBER = (
    "datum.value == 0 ? '0' : abs(datum.value) >= 0.001 && abs(datum.value) < 1e6 ? format(datum.value, '.6~g') : "
    f"({_DIGITS} == 1 ? '' : {_DIGITS} + '\N{MULTIPLICATION SIGN}') + '10' + {_POWERS}[{_EXPONENT} + 20]"
)
CHARACTER = 0.52  # the mean width of a character as a share of its size, of a font without serifs
WIDTHS = {"ijl|": 0.3, " frt-.,()": 0.42, "_": 0.5, "MWmw<>%": 1.0}  # of characters that are far from the mean
LEAST_GAP = 0.22  # between ticks of a square-root scale, as a share of it
# What each object of JavaScript has. Vega looks texts up in objects and finds these there, though nobody put them. It
# ends with an error, or leaves marks out, if a class is called so. With a character of no width behind it, it does not.
HARMLESS = {
    name: f"{name}\u200b"
    for name in (
        *("constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable"),
        *("toLocaleString", "toString", "valueOf", "__proto__"),
        *("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
    )
}
SHARES_OF_BEGINNING = (0.6, 0.35, 0.8, 0.15, 1)  # of a label whose middle is cut out


@dataclass(frozen=True)
class Names:
    """How labels are shown: `shown` text by label, and the texts that are scientific names and so in italics."""

    shown: Mapping[str, str]
    scientific: Sequence[str]

    def style(self, value: str = "datum.value") -> dict[str, Any]:
        """The style of an axis's labels."""
        test = f"indexof({json.dumps(list(self.scientific), ensure_ascii=False)}, {value}) >= 0"
        return {"condition": {"test": test, "value": "italic"}, "value": "normal"}

    def style_of(self, label: str) -> str:
        """The style of one label."""
        return "italic" if self.shown.get(label) in self.scientific else "normal"


def names_of(labels: Iterable[str], options: FigureOptions) -> Names:
    """Find how labels are shown: by their scientific name where the class table has one.

    Labels that share a name, as tagged ones do, could not be told apart: the one that reads like the name has it, and
    the others stay as they are.
    """
    labels = list(labels)
    names = {label: options.name_of(label) for label in labels if options.name_of(label)}
    shared = list(names.values())
    shown = {}
    for label in labels:
        name = names.get(label, label)
        alone = shared.count(name) < 2 and (name == label or name not in labels)
        shown[label] = name if alone or label.replace("_", " ") == name else label
    return Names(shown, [shown[label] for label in names if shown[label] == names[label]])


def harmless(text: str) -> str:
    """The text, with a character of no width behind it if Vega would take it for something else."""
    return HARMLESS.get(text, text)


def text_width(text: str, size: float = 10) -> float:
    """Estimate the width of a text in pixels. size: of the font, in pixels."""
    return len(text) * CHARACTER * size


def wide_width(text: str) -> float:
    """Estimate the pixels that a label takes at most, whatever font the viewer has.

    An SVG leaves the choice among fonts without serifs to the viewer. Some are wider than the one that labels are
    measured with, so the widths of characters are those of DejaVu Sans, rounded up.
    """
    return 10 * sum(map(_wide, text))


def shortened(labels: Iterable[str], limit: float) -> dict[str, str]:
    """Cut the middle out of labels that are wider than a limit, so that they still differ from each other.

    limit: in pixels, in a wide font. What two long labels share may be their beginning (`Guinardia_delicatula_TAG_`) or
    their end (`_parasite`), so the part of the beginning that is kept is chosen for all labels together.
    """
    labels = list(dict.fromkeys(labels))
    for share in SHARES_OF_BEGINNING:
        short = {label: _without_middle(label, limit, share) for label in labels}
        if len(set(short.values())) == len(labels):
            return short
    return {label: _without_middle(label, limit, SHARES_OF_BEGINNING[0]) for label in labels}


def _without_middle(label: str, limit: float, share: float) -> str:
    kept = len(label)
    short = label
    while kept > 2 and wide_width(short) > limit:
        kept -= 1
        begin = round(kept * share)
        short = f"{label[:begin]}\N{HORIZONTAL ELLIPSIS}{label[len(label) - kept + begin :]}"
    return short


def _wide(character: str) -> float:
    """The width of a character in a wide font, as a share of the font's size."""
    for characters, share in WIDTHS.items():
        if character in characters:
            return share
    return 0.78 if character.isupper() else 0.64


def wrapped(text: str, width: float, size: float = 10) -> list[str]:
    """Break a text into lines that fit a width. width, size: in pixels."""
    return _Wrapper(max(12, int(width / (CHARACTER * size)))).wrap(text) or [""]


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at spaces, after hyphens between letters, and after the underscores of labels."""

    wordsep_re = re.compile(r"([\t\n\x0b\x0c\r ]+)|(?<=[^\W\d_]-)(?=[^\W\d_])|(?<=_)(?=[^\W_])")


def nice_ticks(high: float) -> list[float]:
    """Choose ticks of a square-root scale from 0 to `high`: zero and one to four of 1, 2 or 5 times a power of ten."""
    if not high > 0:
        return [0, 1]
    power = math.floor(math.log10(high))
    round_ones = [float(f"{digit}e{power - down}") for down in range(3) for digit in (5, 2, 1)]
    ticks: list[float] = []
    place = math.inf  # as a share of the scale
    for tick in round_ones:
        at = math.sqrt(tick / high)
        if at <= 1 + 1e-9 and place - at >= LEAST_GAP and at >= LEAST_GAP:
            ticks.append(tick)
            place = at
    return [0, *reversed(ticks)]
