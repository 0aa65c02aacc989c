"""The config's sections `curation` and `training_set`."""

import os.path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ifcb_abundance.config.section import EachOnce, Section, key, section

FilePath = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]


class Duplicates(Section):
    """Which patches count as copies of another."""

    hash: Literal["steady", "difference"] = key(
        "steady",
        "'steady' or 'difference': the hash of a patch; steady ignores differences that noise can make, difference is "
        "imagehash's dHash",
    )
    distance: int = key(
        8,
        "a whole number from 0 to 64: two patches may be copies if at most so many bits of their hashes differ",
        "`snakemake measure_distance` measures on your own images what each distance finds",
        ge=0,
        le=64,
    )
    confirm: float | None = key(
        0.97,
        "null or a number from 0 to 1: copies must also correlate at least so well, pixel by pixel; null: the hash "
        "alone decides",
        ge=0,
        le=1,
    )
    within: Literal["all", "group"] = key(
        "all", "'all' or 'group': a patch may be a copy of any other, or only of one in its own group"
    )
    seed: int = key(1, "a whole number from 0: it decides which copy of several is kept", ge=0)


class Filter(Section):
    """Which patches hold something worth looking at."""

    labels: FilePath | None = key(
        None,
        "null or the path of a CSV file image,label: which images are informative (or good) and which uninformative "
        "(or bad); none is skipped",
        "At least 64, of both kinds. Without labels and weights nothing is filtered",
    )
    model: Literal["statistics", "resnet34"] = key(
        "statistics",
        "'statistics' or 'resnet34': what scores the patches, a logistic regression on their statistics that learns "
        "from the labels, or a neural network",
    )
    weights: FilePath | None = key(
        None,
        "null or the path of a file of weights, with model: resnet34: a state dict of torchvision's ResNet34 with one "
        "output",
    )
    threshold: float = key(0.5, "a number from 0 to 1: a patch that scores at least this is informative", ge=0, le=1)
    device: Literal["auto", "cpu", "gpu"] = key(
        "auto", "'auto', 'cpu' or 'gpu': where resnet34 runs; auto: on a GPU where torch finds one"
    )


class Stuck(Section):
    """Which images show a particle that sticks to the glass."""

    place_px: float = key(
        10,
        "a number of pixels from 0: from one image of a stuck particle to the next, its upper left corner moves no "
        "farther than this, across and down",
        ge=0,
    )
    times: int = key(3, "a whole number from 2: a stuck particle has at least so many images", ge=2)
    gap_bins: int = key(
        1, "a whole number from 0: so many bins of the instrument in a row may lack the particle in between", ge=0
    )


class Curation(Section):
    """Image sets: clean, patch, de-duplicate, filter."""

    make: bool = key(
        False,
        "true or false: whether each run curates the images. You can ask for it by name at any time",
        "By name: `snakemake --cores 8 curation`; see [Curated image sets](../docs/how-to/curation.md)",
    )
    folder: FilePath | None = key(
        None,
        "null or the path of a folder of images, whose subfolders are the groups; null: the images of the bins, as "
        "`images.*` says",
        "With a folder no bin is read",
    )
    scaling: Literal["type", "range"] = key(
        "type",
        "'type' or 'range': how pixels become 8-bit grey; type: the range of the file's type becomes 0 to 255, range: "
        "the range of the image does",
    )
    patch_px: int | None = key(
        None,
        "null or a whole number from 16 to 4096: images are cut into squares of this size; null: an image is one patch",
        ge=16,
        le=4096,
    )
    duplicates: Duplicates = section(
        "a mapping of hash, distance, confirm, within and seed: which patches count as copies of another"
    )
    filter: Filter = section("a mapping of labels, model, weights, threshold and device: which patches are informative")
    stuck: Stuck = section("a mapping of place_px, times and gap_bins: which images show a particle that is stuck")


class Fractions(Section):
    """How much of a training set each split gets."""

    train: float = key(0.7, "a number from 0 to 1: the part of the images to train on", ge=0, le=1)
    val: float = key(0.15, "a number from 0 to 1: the part to validate on", ge=0, le=1)
    test: float = key(0.15, "a number from 0 to 1: the part to test on", ge=0, le=1)


class TrainingSet(Section):
    """A set of images to train a classifier on."""

    labels: FilePath | None = key(
        None,
        "null or the path of a CSV file image,label; null: the class that a ROI won, or the name of the image's group",
    )
    split_by: Literal["day", "group", "image"] = key(
        "day",
        "'day', 'group' or 'image': what goes whole into one split; a group is a bin or a subfolder",
        "Near-duplicates go into the same split whatever this says. With `curation.folder` a day is a group",
    )
    fractions: Fractions = section("a mapping of train, val and test, which add up to 1: the size of each split")
    formats: EachOnce[Literal["imagefolder", "webdataset"]] = key(
        ["imagefolder"],
        "a list of imagefolder and webdataset, one or both: folders of PNG files, and shards in .tar",
        min_length=1,
    )
    seed: int = key(1, "a whole number from 0: it decides what goes into which split", ge=0)
