"""The config of stores, arrays and graphs: what may be listed and fetched, and what is looked at where it lies."""

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ifcb_abundance.common.key_patterns import any_of
from ifcb_abundance.config.section import Section, key

# Names are names of folders and files.
FREE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$(?!\n)"
NAMES = "text of letters, digits, '.', '_' and '-', not starting with '.' or '-'"
ENDPOINT = r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$(?!\n)"
_BUCKET = r"(s3|gs)://[A-Za-z0-9][A-Za-z0-9._-]{2,254}(/[^\x00-\x1f\x7f]*)?"
_WEB = r"https?://[^\s/?#@]+(/[^\s?#@]*)?"
_FOLDER = r"(?![A-Za-z][A-Za-z0-9+.-]*://)[^\x00-\x1f\x7f]+"

Path = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]
StoreUrl = Annotated[str, Field(pattern=rf"^({_BUCKET}|{_FOLDER})$(?!\n)"), AfterValidator(os.path.expanduser)]
ArrayUrl = Annotated[str, Field(pattern=rf"^({_BUCKET}|{_WEB}|{_FOLDER})$(?!\n)"), AfterValidator(os.path.expanduser)]
Three = Annotated[list[float], Field(min_length=3, max_length=3)]
ThreeSizes = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)]
Span = Annotated[list[float], Field(min_length=2, max_length=2)]


def _pattern(text: str) -> str:
    any_of([text])  # a ValueError is the fault of the key
    return text


KeyPattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
FreeName = Annotated[str, Field(pattern=FREE_NAME)]


class Store(Section):
    """What may be listed and fetched."""

    url: StoreUrl = key(
        ...,
        "an address s3://bucket/prefix or gs://bucket/prefix without login, or the path of a folder: the folder or "
        "file that is listed and fetched",
        "`x.zarr` never means `x.zarr2` beside it",
    )
    endpoint_url: str | None = key(
        None,
        "null or an http:// or https:// address without query or login: the address of an S3-compatible server; null "
        "for AWS or the server that the environment names, and for gs:// for https://storage.googleapis.com",
        pattern=ENDPOINT,
    )
    anonymous: bool = key(
        True,
        "true or false: do not sign requests, for a public bucket; false: use the usual credentials, from the "
        "environment, ~/.aws or the machine's role",
        "Credentials never go into the config",
    )
    include: list[KeyPattern] = key(
        ["**"],
        "a list of patterns of keys below url, such as 'raw/**/0.*': only keys that match one of them; ** crosses "
        "folders, * and ? do not",
    )
    exclude: list[KeyPattern] = key(
        [], "a list of patterns of keys below url; keys that match one of them are left out"
    )
    max_bytes: int = key(
        1_000_000_000,
        "a whole number of bytes from 0: a plan that is larger is refused, before anything is fetched",
        ge=0,
    )


class Box(Section):
    """A box of an array: half-open spans of absolute coordinates."""

    unit: Literal["nm", "voxel"] = key(
        "nm",
        "'nm' or 'voxel': what the numbers count. A box in nm is every voxel that it touches",
        "Voxels are counted from the origin of the coordinates: a voxel's number is its place in nm over its size",
    )
    z: Span = key(..., "a list of two numbers, [from, to], the first smaller; to is not in the box")
    y: Span = key(..., "a list of two numbers, [from, to], the first smaller; to is not in the box")
    x: Span = key(..., "a list of two numbers, [from, to], the first smaller; to is not in the box")


class Array(Section):
    """An array that is looked at where it lies."""

    url: ArrayUrl = key(
        ...,
        "an address s3://, gs:// or http(s):// without query or login, or a path: an array in zarr, OME-Zarr, n5 or "
        "precomputed",
    )
    labels: ArrayUrl | None = key(None, "null or an address like url: labels, which are shown over the array")
    endpoint_url: str | None = key(
        None,
        "null or an http:// or https:// address without query or login: the address of an S3-compatible server, as in "
        "stores",
        pattern=ENDPOINT,
    )
    anonymous: bool = key(True, "true or false: do not sign requests, as in stores")
    scale: int = key(0, "a whole number from 0: which scale of several; 0 is the finest", ge=0)
    box: Box | None = key(
        None,
        "null or a mapping of the keys unit, z, y and x: what is read; null: the middle plane, 1,024 pixels at most",
        "For example `{unit: nm, z: [0, 8], y: [0, 8000], x: [0, 8000]}`. It is cut at the bounds of the array",
    )
    axes: Literal["zyx", "xyz"] | None = key(
        None, "null, 'zyx' or 'xyz': the order of the stored axes, where the store does not say it"
    )
    voxel_nm: ThreeSizes | None = key(
        None,
        "null or a list of three numbers of nm above 0, [z, y, x]: how large a voxel is, where the store does not say",
    )
    offset_nm: Three | None = key(
        None,
        "null or a list of three numbers of nm, [z, y, x]: where the array begins, where the store does not say",
    )


class Graph(Section):
    """A graph of nodes and edges, or skeletons."""

    nodes: Path | None = key(None, "null or the path of a BSON file of nodes, with edges; files below results/ too")
    edges: Path | None = key(None, "null or the path of a BSON file of edges, with nodes")
    skeleton: Path | None = key(
        None, "null or the path of skeletons in NML or JSON, without nodes and edges; files below results/ too"
    )
    voxel_nm: ThreeSizes | None = key(
        None, "null or a list of three numbers of nm above 0, [z, y, x]: the size of a voxel"
    )
    sample: int = key(
        20_000, "a whole number from 1 to 1000000: the scatter plots show this many nodes at most", ge=1, le=1_000_000
    )
    seed: int = key(1, "a whole number from 0: the seed of that sample", ge=0)
    neuron: int | None = key(None, "null or a whole number from 0: the id of the only neuron that is shown", ge=0)
    on_failure: Literal["stop", "record"] | None = key(
        None,
        "null, 'stop' or 'record': a file that breaks off fails the job, or what came before is kept and counted; "
        "null: as source.on_failure",
    )


def faults(arrays: Mapping[str, Array], graphs: Mapping[str, Graph]) -> Iterator[str]:
    """What keys of a section ask of each other."""
    for name, array in arrays.items():
        for axis in "zyx" if array.box else "":
            first, last = getattr(array.box, axis)
            where = f"arrays.{name}.box.{axis}: [{first}, {last}]"
            if not first < last:
                yield f"{where} is empty. Accepted: {Box.model_fields[axis].description}"
            elif array.box and array.box.unit == "voxel" and (first % 1 or last % 1):
                yield f"{where} does not count voxels. Accepted: whole numbers with unit: voxel"
    for name, graph in graphs.items():
        if graph.skeleton is None and (graph.nodes is None or graph.edges is None):
            missing = "skeleton" if graph.nodes is None and graph.edges is None else "edges" if graph.nodes else "nodes"
            yield f"graphs.{name}.{missing}: null (not set). Accepted: paths of nodes and edges, or of skeleton"
        elif graph.skeleton is not None and (graph.nodes or graph.edges):
            yield f"graphs.{name}.skeleton: set beside nodes or edges. Accepted: nodes and edges, or skeleton"
