"""The shapes of marks, by the names that the front end gives their parameters."""

from collections.abc import Container

SHAPES = {
    "circle": ("x", "y", "r"),
    "column": ("x", "width"),
    "ellipse": ("x", "y", "rx", "ry", "angle"),
    "fullWidthLine": ("y",),
    "fullHeightLine": ("x",),
    "line": ("x1", "y1", "x2", "y2"),
    "rectangle": ("x", "y", "width", "height"),
    "rotateRectangle": ("x", "y", "width", "height", "angle"),
    "triangle": ("x", "y", "r", "angle"),
    "fan": ("x", "y", "radius", "spread", "rotation"),
}
POINT = ("x", "y")
ANGULAR = ("ellipse", "rotateRectangle", "triangle", "fan")  # their last parameter is an angle in degrees
_CENTRED = {"x": "x_center", "y": "y_center"}  # the names that classifier 2.0 gives the middle of some shapes


def parameters(shape: str | None, there: Container[str]) -> tuple[str, ...]:
    """The parameters of a shape (None: a point), by the names that they have in `there`."""
    names = POINT if shape is None else SHAPES[shape]
    if "x_center" in there and "x" not in there:
        return tuple(_CENTRED.get(name, name) for name in names)
    return names
