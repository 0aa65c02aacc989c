"""One order for the objects of a PDF: svg2pdf numbers fonts and lists resources in a random one."""

import re
import zlib

LISTS = re.compile(rb"(/(?:XObject|ExtGState|Font|Pattern|Shading) <<\n)((?:[ ]+/\w+ \d+ 0 R\n)+)")
FONT = re.compile(rb"/(fo\d+) (\d+) 0 R")
REFERENCE = re.compile(rb"\b(\d+) 0 R\b")


def in_order(pdf: bytes) -> bytes:
    """Write a PDF of svg2pdf with its fonts named and its objects numbered in the order in which they are reached."""
    header, objects = pdf[: pdf.index(b"\n\n") + 2], _objects(pdf)
    trailer = pdf[pdf.rindex(b"trailer") :]
    for number in list(objects):
        _name_fonts(objects, number)
    for number, (about, stream) in objects.items():
        sort = LISTS.sub(lambda found: found[1] + b"".join(sorted(found[2].splitlines(keepends=True))), about)
        objects[number] = (sort, stream)
    order: dict[int, int] = {}
    waiting = [int(number) for number in REFERENCE.findall(trailer)][::-1]
    while waiting:
        if (number := waiting.pop()) not in order:
            order[number] = len(order) + 1
            waiting += [int(each) for each in REFERENCE.findall(objects[number][0])][::-1]
    return _written(header, objects, order, trailer)


def _objects(pdf: bytes) -> dict[int, tuple[bytes, bytes]]:
    """The objects by number: what stands before a stream, and the stream with all behind it."""
    table = pdf[pdf.rindex(b"\nxref\n") :]
    offsets = sorted(int(place) for place in re.findall(rb"(\d{10}) \d{5} n", table))
    ends = [*offsets[1:], pdf.rindex(b"\nxref\n") + 1]
    objects = {}
    for start, end in zip(offsets, ends, strict=True):
        number, body = pdf[start:end].split(b" 0 obj\n", 1)
        about, mark, stream = body.partition(b"stream\n")
        objects[int(number)] = (about, mark + stream)
    return objects


def _name_fonts(objects: dict[int, tuple[bytes, bytes]], number: int) -> None:
    """Rename the fonts of a page or form in the order of their names, in its resources and its content."""
    about, _ = objects[number]
    fonts = {name: int(font) for name, font in FONT.findall(about)}
    if not fonts:
        return
    by_name = sorted(fonts, key=lambda name: _base_font(objects[fonts[name]][0]))
    new = {name: b"fo%d" % i for i, name in enumerate(by_name)}
    about = FONT.sub(lambda found: b"/%s %s 0 R" % (new[found[1]], found[2]), about)
    objects[number] = (about, objects[number][1])
    contents = re.search(rb"/Contents (\d+) 0 R", about)
    holder = int(contents[1]) if contents else number
    told, stream = objects[holder]
    start, end = stream.index(b"stream\n") + 7, stream.rindex(b"\nendstream")
    plain = re.sub(rb"/(fo\d+)\b", lambda found: b"/" + new[found[1]], zlib.decompress(stream[start:end]))
    packed = zlib.compress(plain)
    told = re.sub(rb"/Length \d+", b"/Length %d" % len(packed), told, count=1)
    objects[holder] = (told, stream[:start] + packed + stream[end:])


def _base_font(about: bytes) -> bytes:
    """The name of a font without the letters that stand for the choice of its characters."""
    found = re.search(rb"/BaseFont /(?:[A-Z]{6}\+)?(\S+)", about)
    return found[1] if found else b""


def _written(header: bytes, objects: dict[int, tuple[bytes, bytes]], order: dict[int, int], trailer: bytes) -> bytes:
    """Write the objects in an order, with the table of where they are."""

    def renumbered(text: bytes) -> bytes:
        return REFERENCE.sub(lambda found: b"%d 0 R" % order[int(found[1])], text)

    written, places = bytearray(header), []
    for number, new in order.items():
        places.append(len(written))
        about, stream = objects[number]
        written += b"%d 0 obj\n" % new + renumbered(about) + stream
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(order) + 1) + table
    trailer = re.sub(rb"/Size \d+", b"/Size %d" % (len(order) + 1), renumbered(trailer))
    return bytes(written) + re.sub(rb"startxref\n\d+", b"startxref\n%d" % start, trailer)
