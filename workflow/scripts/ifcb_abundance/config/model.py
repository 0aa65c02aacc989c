"""The config: a model for each section, with the default, the bounds and the description of every key.

Defaults, checks, messages, the JSON schema for editors and the tables of config/README.md all come from here. A new
section is a class here, and a line in `Config`.
"""

import os
import sys
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WrapValidator

from ifcb_abundance.bins.deployments import Deployment, read_deployments
from ifcb_abundance.bins.ids import as_number
from ifcb_abundance.bins.window import Bound, Window
from ifcb_abundance.classes.class_table import LabelTable, read_class_table
from ifcb_abundance.classes.shipped import SHIPPED, shipped_table
from ifcb_abundance.classes.thresholds import read_class_thresholds
from ifcb_abundance.common.precision import Precision
from ifcb_abundance.common.version import NAME as NAME_OF_PROJECT
from ifcb_abundance.config.section import EachOnce, Section, key, read, section
from ifcb_abundance.config.stages.curation import Curation, TrainingSet
from ifcb_abundance.config.stages.quality import Quality
from ifcb_abundance.config.stages.stores import NAMES, Array, FreeName, Graph, Store
from ifcb_abundance.config.stages.validation import Validation
from ifcb_abundance.config.stages.volumes import Samples, VolumesOfImages

FROM_SCORES: Final = "from_scores"  # as classify.class_thresholds
Rule = Literal["winner", "above_own", "each"]
AUTO: Final = "auto"  # as classify.score_precision: the precision of the source
MERGE = "merge"  # stands as shard where the shards are put together
# The clone; of an install without one, what pyproject.toml ships of it beside the package.
_CLONE = Path(__file__).parents[4]
WORKFLOW = _CLONE if (_CLONE / "Snakefile").exists() else Path(sys.prefix, "share", NAME_OF_PROJECT)
CLASS_TABLE = "config/classes.csv"  # WHOI's, which is shipped as all others
CLASS_TABLES_DEFAULT = "whoi"

# `$(?!\n)`: to Python alone, `$` stands before a newline at the end too.
ADDRESS = r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$(?!\n)"
LINE = r"^(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]{1,5000}$(?!\n)"  # as XML can hold it
NAME_OF_FOLDER = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$(?!\n)"
NAME = r"^[A-Za-z0-9._-]{1,100}$(?!\n)"
INSTRUMENT = r"^[Ii][Ff][Cc][Bb][0-9]{1,5}$(?!\n)"

Label = Annotated[str, Field(min_length=1)]
# os.path's, since Path's fails where there is no home folder.
FilePath = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]

# A name is read as the number, so that both give the same results.
_Number, _Name = Annotated[int, Field(ge=0)], Annotated[str, Field(pattern=INSTRUMENT)]
Instrument = Annotated[int, Field(ge=0), BeforeValidator(as_number, json_schema_input_type=_Number | _Name)]


class Source(Section):
    """Where bins come from."""

    kind: Literal["directory", "dashboard", "bucket"] = key(
        "directory",
        "'directory', 'dashboard' or 'bucket': where bins come from",
        "Only `dataset: demo` may use the default",
    )
    path: FilePath | None = key(
        "resources/demo",
        "a path, needed with kind: directory: the folder of an archive on disk (the demo's only for dataset: demo); "
        "with kind: bucket an address s3://bucket/prefix without login: an archive in an S3-compatible bucket",
        "The folder has a `metadata.csv` (columns of a dashboard's metadata export), and files "
        "`{bin}_class_scores.csv` anywhere below it. A bucket has the same files below its prefix; see [An archive in "
        "a bucket](#an-archive-in-a-bucket)",
    )
    url: str | None = key(
        None,
        "an http:// or https:// address without query or login, needed with kind: dashboard, such as "
        "https://ifcb-data.whoi.edu",
        pattern=ADDRESS,
    )
    endpoint_url: str | None = key(
        None,
        "null or an http:// or https:// address without query or login, with kind: bucket: the address of an "
        "S3-compatible server; null for AWS, or the server that the environment names",
        "The environment names it in `AWS_ENDPOINT_URL`",
        pattern=ADDRESS,
    )
    anonymous: bool = key(
        False,
        "true or false, with kind: bucket: do not sign requests, for a public bucket; false: use the usual "
        "credentials, from the environment, ~/.aws or the machine's role",
        "Credentials never go into the config",
    )
    catalog: Literal["export", "walk", "raw"] = key(
        "export",
        "'export', 'walk' or 'raw': list bins with one metadata request a month (or from an archive's metadata.csv), "
        "bin by bin along next_bin_id (old dashboards), or from the raw files .hdr, .adc and .roi (kind: directory or "
        "bucket)",
        "The walk is for dashboards without the export. It takes one request a bin, knows volumes to three decimals "
        "only, and does not see skipped bins. It cannot tell a depth of 0 m from an unknown depth: both are empty. A "
        "bin without its own position or depth gets those of its first dataset on the server, which may not be "
        "yours. If both ends are days, the walk begins at the bin with the newest id, goes forward to the end of the "
        "window and then back to its start; a bin id as an end is faster. `raw` finds the raw files in a tree of any "
        "depth, and excludes folders named `skip` or `beads`",
    )
    scores_format: Literal["auto", "csv", "h5", "mat", "class_csv", "prob_csv", "summary"] = key(
        "auto",
        "'auto', 'csv', 'h5', 'mat', 'class_csv', 'prob_csv' or 'summary', with kind: directory or bucket: the form of "
        "the class scores; auto: the form that lies there, which has to be one for all bins",
        "`csv` is {bin}_class_scores.csv, `h5` {bin}_class.h5 (versions 2 and 3), `mat` {bin}_class_v1.mat, "
        "`class_csv` iRfcb's {bin}.csv with the winner of each ROI and its score, `prob_csv` syke-pic's "
        "{bin}.prob.csv, `summary` ifcb-analysis' summary_allTB*.mat with the counts of many bins. "
        "In a bucket `mat` has to be named. See [Class scores of other tools](../docs/how-to/class-scores.md)",
    )
    deployments: FilePath | None = key(
        None,
        "null or the path of a CSV file with the columns instrument,from,to,latitude,longitude,depth: where "
        "instruments were, for catalog: raw",
        "`from` is the first day or time (UTC), `to` the first one after it. The file overrides what the raw files "
        "say. Other bins get the position in their header if it is of the sample's day, or none. A line that "
        "matches no bin of the window gives a warning",
    )
    fast_runs: Literal["factor", "as_dashboard"] = key(
        "factor",
        "'factor' or 'as_dashboard', for catalog: raw and tables of headers: the volume of fast runs is RunFastFactor "
        "times as large, or that factor is ignored as the dashboard's library does",
        "A fast run has `runSampleFast` in its header. Its volume is the header's look time x 0.25 mL/min x "
        "`RunFastFactor`; see [Volume](../docs/numbers.md#volume)",
    )
    scores_version: int | None = key(
        None,
        "null or a whole number from 1: which version of the class scores to ask for (?v=) or, with kind: directory or "
        "bucket, to read where several lie beside each other",
        "null is the server's choice, or the newest on disk. The version is the number in the file's name or, for "
        "`.h5` and `.mat`, in the name of its folder: `_v2`, `class_v3`; {bin}_class.h5 is version 3 where neither "
        "says it. A file without a version is read if no other file of the bin has the one asked for",
        ge=1,
    )
    model: str | None = key(
        None,
        "null or text of letters, digits, '_' and '-', with kind: dashboard from version 5.2 on: whose class scores "
        "to ask for (?model=); null for the server's choice",
        "It is the name that the dashboard's operator gave the classifier. Older dashboards do not know it and would "
        "serve what they always serve, so a run with it is refused there. The dataset does not choose the classifier: "
        "a dashboard serves the first class scores that it finds in any dataset of the bin. If label sets "
        "alternate from bin to bin, the overview says so",
        pattern=r"^[A-Za-z0-9_-]{1,100}$(?!\n)",
    )
    timeout: float = key(
        60,
        "a number of seconds above 0, at most 86400; how long to wait for the server, per request",
        "It limits the wait for the connection, and the wait between two pieces of an answer",
        gt=0,
        le=86400,
    )
    retries: int = key(
        5,
        "a whole number from 0 to 1000; further tries after a fault that may pass, per request",
        "Such faults are connection errors, time-outs, truncated answers, HTTP 408, 425, 429 and 5xx, and an HTML "
        "page or nothing with HTTP 200",
        ge=0,
        le=1000,
    )
    backoff: float = key(
        1.0,
        "a number of seconds from 0 to 3600; the first wait between two tries, doubled with each further one",
        "The wait grows up to a minute, or is this long each time if that is more. It is longer if the server's "
        "Retry-After says so",
        ge=0,
        le=3600,
    )
    max_body_mb: float = key(
        256,
        "a number of megabytes above 0, at most 100000; a larger answer, unpacked, is refused",
        "The scores of a busy bin are 7 to 18 MB",
        gt=0,
        le=100000,
    )
    max_requests_per_second: float | None = key(
        None,
        "null or a number from 0.001; requests begin no faster than that",
        "The profile's `dashboard` resource limits how many are under way at a time. There are fewer if the server "
        "refuses requests, or answers much more slowly than before",
        ge=0.001,
    )
    on_failure: Literal["stop", "record"] = key(
        "stop",
        "'stop' or 'record'; an unavailable bin fails the run when all else is done, or is entered in the ledger as "
        "failed",
        "If a server takes no connections, the run gives up on it and fails with either value, because that is no "
        "fault of a bin (see [faults](../docs/faults.md))",
    )
    allow_empty: bool = key(
        False,
        "true or false: if no bin of the window has class scores that can be used, write tables without a row (true), "
        "or fail the run, since the path or the format may be wrong (false)",
        "The message of the failure says what is there instead: scores of other bins, or in another format. A "
        "[shard](../docs/archive.md) may be empty; all of them together may not. A window without any bin always "
        "fails",
    )


class Volumes(Section):
    """Which volumes are accepted."""

    above: float = key(0, "a number of mL from 0; a volume that is not above it is bad_volume", ge=0)
    at_most: float = key(5.25, "a number of mL from 0; a volume that is above it is bad_volume", ge=0)


class Select(Section):
    """Which bins are asked for. Empty lists of instruments and sample types mean all."""

    start: str | None = key(
        None,
        "a UTC day YYYY-MM-DD or a bin id, inclusive, by sample_time; null (not with a dashboard) for the archive's "
        "first",
        "A bin id means the bin's sample_time, whatever the time in its id; the bin must be in the dataset. If the "
        "list of its id's month does not have the bin, a dashboard is asked for it (one request). For raw files the "
        "time in the id is the sample_time",
    )
    end: str | None = key(
        None,
        "a UTC day YYYY-MM-DD or a bin id, inclusive, by sample_time; null (not with a dashboard) for the archive's "
        "last",
    )
    instruments: list[Instrument] = key(
        [], "a list of instrument numbers, such as [10, 125], or names, such as [IFCB10, IFCB125]; [] for all"
    )
    sample_types: list[str] = key(
        [],
        "a list of sample types as the dashboard spells them; [] for all",
        "For raw bins it is `sampleType` in the header",
    )
    exclude_tags: list[str] = key([], "a list of tags; a bin that has one of them is excluded")
    exclude_bins: list[str] = key([], "a list of bin ids to exclude")
    include_skipped: bool = key(False, "true or false: keep bins that the operator flagged skip")
    accept_zero_position: bool = key(
        False,
        "true or false: whether latitude 0, longitude 0 is a position; false: it is unknown",
        "Devices and databases write 0, 0 if they know no position",
    )
    ml_analyzed: Volumes = section("a mapping of the keys above and at_most: which volumes are accepted")


class Classify(Section):
    """What makes a ROI count for a class."""

    threshold: float = key(
        0.7,
        "a number from 0 to 1; the winning score must reach it (>=)",
        "Otherwise the ROI is `unclassified`",
        ge=0,
        le=1,
    )
    class_thresholds: FilePath | None = key(
        None,
        "null, 'from_scores' or the path of a CSV file class,threshold: other thresholds for single classes; "
        "from_scores: those that came with the classifier, bin by bin",
        "Blanks around labels do not count; numbers have a decimal point. `overview.rst` names thresholds that match "
        "no class. `from_scores` needs `.h5` files of iRfcb, `.mat` files of ifcb-analysis, iRfcb's CSV or summaries; "
        "see [Change the threshold](../docs/how-to/threshold.md#thresholds-of-the-classifier)",
    )
    rule: Rule = key(
        "winner",
        "'winner', 'above_own' or 'each': a ROI counts for the class of its highest score, if that reaches the class's "
        "threshold; for the highest of the classes that reach their own thresholds; or for each class that does",
        "With `each` the counts of a day do not sum to `n_rois`. A change from `winner` reads all bins again "
        "[Change the threshold](../docs/how-to/threshold.md#other-rules)",
    )
    class_table: FilePath | None = key(
        CLASS_TABLE,
        "null, the path of a CSV file label,scientific_name,aphia_id,living,group,harmful, 'smhi', 'syke', 'ucsc', "
        "'whoi_plankton', 'whoi' or 'auto': the meaning of labels; further columns source, warning_cells_per_ml, "
        "cells_per_image, synonym_of and merge are optional; auto: the shipped table that knows most labels (kind: "
        "directory)",
        "The names are those of shipped tables; the default is WHOI's. See [Labels](../docs/labels.md) and [Labels and "
        "class tables](../docs/how-to/class-tables.md). Labels that are not in the table are reported, counted, and in "
        "no group",
    )
    match_labels: Literal["loose", "exact"] = key(
        "loose",
        "'loose' or 'exact': labels match the class table regardless of case, blanks, underscores and hyphens, where "
        "that is unambiguous, or letter by letter",
        "Counts of classes do not depend on it. Names, totals of groups and carbon do, for labels that are in the "
        "table in another spelling only. See [Labels and class tables](../docs/how-to/class-tables.md)",
    )
    score_precision: Literal["auto", Precision] = key(
        AUTO,
        "'auto', 'float16', 'float32' or 'float64': the precision in which scores and thresholds are compared; auto: "
        "as the source stores or prints them, float64 for .mat files and float16 for all others",
        "`run.json` names the precision that was used. WHOI's neural network stores float16, which some servers print "
        "as `0.8` and others as `0.7998046875`: in float16 they are equal. Set `float64` for a random forest whose "
        "scores come as CSV; see [Change the threshold](../docs/how-to/threshold.md#precision)",
    )


GroupColumn = Literal["instrument", "depth", "cruise", "cast", "niskin", "sample_type"]  # in the order of tables


class Abundance(Section):
    """How bins are pooled."""

    group_by: EachOnce[GroupColumn] = key(
        ["instrument"],
        "a list of any of instrument, depth, cruise, cast, niskin, sample_type, each once: pooled separately within "
        "the day; [] pools all",
    )
    period: Literal["day", "hour", "week", "month", "bin"] = key(
        "day",
        "'day', 'hour', 'week', 'month' or 'bin': another span to pool over (UTC; weeks from Monday), or each bin for "
        "itself, in a table of its own beside the daily ones",
        "The table is `abundance_{period}.csv`; its `date` is the start of the span, or the bin's sample_time. The "
        "daily tables stay as they are",
    )
    pool_km: float | None = key(
        None,
        "null or a number of km above 0, for moving platforms: pool bins of an instrument, one after the other, as "
        "long as they are no farther from the first, in a table of its own",
        "The table is `abundance_km.csv`, with the mean position and its spread in each row. A stretch ends with the "
        "UTC day. See [Ships](../docs/how-to/ships.md)",
        gt=0,
    )
    position_tolerance_km: float = key(
        1.0,
        "a number of km from 0; a group whose used bins are farther apart is flagged as moving",
        "The flag is `moving` in `coverage.csv`, for a day and group",
        ge=0,
    )
    cells: bool | None = key(
        None,
        "null, true or false: whether `abundance_long.csv` has cells per mL beside objects per mL; null: if the class "
        "table has a column cells_per_image, or the first class scores of a folder have a cell_count",
        "See [Cells and chains](../docs/how-to/cells.md)",
    )
    confidence: float = key(
        0.95, "a number between 0 and 1, both excluded; the level of the two-sided Poisson intervals", gt=0, lt=1
    )


OF_INSTRUMENT = "a number from 0.1 to 100, pixels per um: how large an instrument's images are"
OfInstrument = Annotated[
    float,
    Field(description=OF_INSTRUMENT, ge=0.1, le=100),
    WrapValidator(partial(read, kind=float)),
]


class PixelSizes(Section):
    """Pixels per um, by instrument."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[Annotated[str, Field(pattern=r"^IFCB(0|[1-9][0-9]{0,4})$(?!\n)")], OfInstrument]

    default: float = key(
        3.4,
        "a number from 0.1 to 100, pixels per um: for instruments that are not named",
        "3.4 is iRfcb's default; ifcb-analysis has had 3.4 and, later, 2.77: ask whoever calibrated yours",
        ge=0.1,
        le=100,
    )


class Features(Section):
    """Biovolume, carbon and size spectra."""

    make: bool = key(
        False,
        "true or false: whether each run reads features and makes their tables. You can ask for them by name at any "
        "time",
        "They are `biovolume_long.csv`, `biovolume_groups.csv`, `size_spectrum.csv` and `features_ledger.csv`. Each "
        "used bin takes one more request, and one for its class scores if the run has not just read them. By name: "
        "`snakemake --cores 8 features`; see [Biovolume, carbon and sizes](../docs/how-to/features.md)",
    )
    compute: Literal["missing", "all"] | None = key(
        None,
        "null, 'missing' or 'all': compute features from raw images, of bins that have class scores and no features, "
        "or of all that have class scores; null: read those that there are",
        "It needs the package planktofeatures (`make stages`) and about 40 ms of a core for each image, 80 s for "
        "2,000; see [Features where there are none](../docs/how-to/features.md#features-where-there-are-none)",
    )
    bins: bool = key(
        False,
        "true or false: with make, biovolume and carbon of each bin and class too, in biovolume_bins.parquet",
        "It has a row for each used bin that has features and each class, zeros included",
    )
    blobs: bool = key(
        False,
        "true or false: keep the blobs of computed features too, as {bin}_blobs_v4.zip",
        "They lie beside the computed features, in `results/{dataset}/computed/`",
    )
    carbon: Literal["per_image", "per_cell"] = key(
        "per_image",
        "'per_image' or 'per_cell': carbon of an object as if it were one cell, or of as many equal cells as it shows, "
        "where that is known",
        "Known are `cells_per_image` of the class table and `cell_count` of class scores; see "
        "[Cells and chains](../docs/how-to/cells.md)",
    )
    carbon_rule: Literal["menden_deuer_lessard_2000", "ifcb_analysis", "irfcb_legacy"] = key(
        "menden_deuer_lessard_2000",
        "'menden_deuer_lessard_2000', 'ifcb_analysis' or 'irfcb_legacy': how carbon follows from volume; the last two "
        "as these tools have it",
        "They differ for diatoms; see [Biovolume and carbon](../docs/how-to/features.md#carbon-as-others-have-it)",
    )
    pixels_per_um: PixelSizes = section(
        "a mapping of default, and of instruments such as IFCB10 (no zero padding), to pixels per um: how large the "
        "images are",
        "For example `{default: 3.4, IFCB10: 2.77}`. Volumes change with its cube",
    )


class Report(Section):
    """Figures and the report."""

    make: bool | None = key(
        None,
        "null, true or false: whether each run makes figures and the report; null: only for the embedded demo. You "
        "can ask for them by name at any time",
        "By name: `snakemake --cores 8 figures`",
    )
    top_classes: int = key(
        20,
        "a whole number from 1 to 200: figures show this many classes, the most abundant ones",
        "They are the most abundant over the whole window, without `unclassified` and those that the class table "
        "calls not living",
        ge=1,
        le=200,
    )
    one_class: Label | None = key(
        None,
        "null or a label of the classifier: the class that is shown bin by bin; null: the most abundant named taxon",
        "The figure is `bin_series`. A label that reads like its scientific name in the class table is a named taxon; "
        "if no class has one, it is the most abundant class",
        alias="class",
    )
    width_mm: int = key(
        180,
        "a whole number from 60 to 300: how wide figures are, in mm. Journals want 85 for one column and 180 for two",
        "Text stays from 7 to 9 pt at this width",
        ge=60,
        le=300,
    )
    font: str | None = key(
        None,
        "null or the name of a font that is installed, such as Helvetica: the font of figures; null: one without "
        "serifs",
        "If it is not installed, `.pdf` and `.png` are drawn in a font without serifs; `.svg` and `.html` name it "
        "all the same",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,99}$(?!\n)",
    )


class Images(Section):
    """Images of bins, and the montages of classes."""

    make: bool = key(
        False,
        "true or false: whether each run makes the montages, which are then in the report too. You can ask for them "
        "by name at any time",
        "By name: `snakemake --cores 8 montages`; see [Images](../docs/how-to/images.md)",
    )
    classes: EachOnce[Label] = key(
        [],
        "a list of labels of the classifier, each once: only images of ROIs that these classes won, and montages of "
        "these; [] for all images, and montages of the report's top classes",
        "Classes win at their thresholds",
    )
    bins: EachOnce[str] = key(
        [], "a list of bin ids, each once: images and montages of these bins only; [] for all used bins"
    )
    stitch: bool = key(
        True,
        "true or false: stitch the two ROIs that old instruments make of a large target into one image, under the "
        "number of the first; false: keep them as they are",
    )
    outlines: bool = key(
        False,
        "true or false: draw the outlines of blobs into montages, and put them into zips of images; from files "
        "{bin}_blobs_v*.zip of an archive on disk or in a bucket",
        "In a zip an outline is `outlines/{ROI}.png`, to be laid over the image of the same name",
    )
    per_class: int = key(
        24,
        "a whole number from 1 to 200: a montage shows this many top-scoring ROIs, and as many at the threshold",
        "Those at the threshold are the nearest to it, half of them from either side",
        ge=1,
        le=200,
    )


class Recheck(Section):
    """What `snakemake recheck` asks for again."""

    scores: Literal["no_scores", "all"] = key(
        "no_scores",
        "'no_scores' or 'all': which bins' class scores to ask for again",
        "`no_scores` means bins that had none",
    )
    days: int | None = key(
        None,
        "null or a whole number from 1 to 36500: only bins of this many last days (UTC); null for all",
        ge=1,
        le=36500,
    )


class Creator(Section):
    """Whom to cite and ask."""

    name: str | None = key(None, "a text on one line: the full name of the creator", pattern=LINE)
    email: str | None = key(
        None, "an e-mail address of the creator", pattern=r"^[A-Za-z0-9._%+-]{1,200}@[A-Za-z0-9.-]{1,200}$(?!\n)"
    )


class Seabass(Section):
    """The keys that only SeaBASS needs."""

    experiment: str | None = key(
        None,
        "a name of letters, digits, '.', '_' and '-': the SeaBASS experiment, agreed on with its staff",
        pattern=NAME,
    )
    cruise: str | None = key(
        None, "a name of letters, digits, '.', '_' and '-': the cruise or, for a mooring, the deployment", pattern=NAME
    )
    documents: list[Annotated[str, Field(pattern=NAME)]] = key(
        [],
        "a list of file names of letters, digits, '.', '_' and '-': the protocol, checklist and list of categories "
        "that are submitted with the file",
    )


class Export(Section):
    """Files for repositories, and what repositories need to know beside the numbers."""

    # The keys that each repository needs.
    NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        "netcdf": ("title", "summary", "institution", "license", "creator.name"),
        "darwin_core": ("title", "summary", "institution", "license", "model", "creator.name", "creator.email"),
        "seabass": (
            *("institution", "creator.name", "creator.email"),
            *("seabass.experiment", "seabass.cruise", "seabass.documents"),
        ),
        "erddap": ("title", "summary", "institution", "license", "info_url"),
    }

    formats: EachOnce[Literal["netcdf", "darwin_core", "seabass", "erddap"]] = key(
        [],
        "a list of any of netcdf, darwin_core, seabass, erddap, each once; [] for none",
        "The files lie below `results/{dataset}/exports/`. Which of the keys below each of them needs, and what it "
        "excludes, is in [Export](../docs/how-to/export.md)",
    )
    event: Literal["day", "bin"] = key(
        "day",
        "'day' or 'bin': what an event of the Darwin Core archive is, a UTC day and group, or each used bin",
        "With `bin` it has as many events as there are used bins, and the limits of each are wide",
    )
    title: str | None = key(None, "a text on one line: the title of the dataset as a repository shows it", pattern=LINE)
    summary: str | None = key(
        None, "a text on one line: what was sampled where, when and how, in a few sentences", pattern=LINE
    )
    institution: str | None = key(None, "a text on one line: the institution that made the data", pattern=LINE)
    license: str | None = key(
        None,
        "'CC0-1.0', 'CC-BY-4.0' or 'CC-BY-NC-4.0': the licence; OBIS and GBIF accept no other",
        pattern=r"^(CC0-1\.0|CC-BY-4\.0|CC-BY-NC-4\.0)$(?!\n)",
    )
    info_url: str | None = key(
        None, "an http:// or https:// address of a page about the dataset", pattern=r"^https?://[!-~]{1,2000}$(?!\n)"
    )
    model: str | None = key(
        None, "a text on one line: name, version and address of the classifier that made the scores", pattern=LINE
    )
    creator: Creator = section("a mapping of the keys name and email: whom to cite and ask")
    seabass: Seabass = section("a mapping of the keys experiment, cruise and documents: what only SeaBASS needs")


class Config(Section):
    """All of the config, checked. `settings.resolve` makes one of what was written."""

    # The keys that a kind of source cannot do without.
    NEEDS: ClassVar[dict[str, tuple[str, ...]]] = {
        "directory": ("source.path",),
        "bucket": ("source.path",),
        "dashboard": ("source.url", "select.start", "select.end"),
    }
    # Sections of stages beside the main job, whose tables do not hang on them.
    BESIDE: ClassVar[frozenset[str]] = frozenset(
        {
            "run",
            "compare",
            "recheck",
            "validation",
            "curation",
            "training_set",
            "stores",
            "arrays",
            "graphs",
            "volumes",
            "samples",
        }
    )
    # Sections of stages that read no bin, with their targets: a config for these needs no source.
    WITHOUT_BINS: ClassVar[dict[str, tuple[str, ...]]] = {
        "curation": ("curation", "training_set"),
        "stores": ("inventory", "plan", "fetch"),
        "arrays": ("arrays",),
        "graphs": ("graphs",),
        "volumes": ("volumes", "flipbooks"),
        "samples": ("crops", "volumes", "flipbooks"),
        "compare": ("compare",),
    }

    dataset: str = key(
        "demo",
        "text of letters, digits, '.', '_' and '-', not starting with '.' or '-': the dataset's name on the "
        "dashboard, which has no '.'; also the folder under results/",
        "It is the word behind `dataset=` in the dashboard's address",
        pattern=NAME_OF_FOLDER,
    )
    run: str | None = key(
        None,
        "null or text of letters, digits, '.', '_' and '-', not starting with '.' or '-': a name, for tables of their "
        "own in results/{dataset}/runs/{name}/",
        "So other thresholds, groupings and windows stand side by side. All runs of a dataset share what was read of "
        "bins: a second one reads only bins that no other has read. `snakemake compare` says how two differ; see "
        "[Runs side by side](../docs/how-to/runs.md)",
        pattern=NAME_OF_FOLDER,
    )
    compare: EachOnce[Annotated[str, Field(pattern=NAME_OF_FOLDER)]] = key(
        [],
        "[] or a list of the names of two runs of the dataset: what `snakemake compare` compares",
        "As in `snakemake compare --cores 1 --configfile my.yaml --config 'compare=[a, b]'`",
    )
    shard: str | None = key(
        None,
        "null, a year such as '2012', a month such as '2012-07', or 'merge'; a part of a window that is too long for "
        "one run, or the merged tables of all its parts",
        "One run should hold some 30,000 bins. Make each part, then `merge`; see [A whole archive](../docs/archive.md)",
        pattern=r"^([0-9]{4}(-(0[1-9]|1[0-2]))?|merge)$(?!\n)",
    )
    source: Source = section("a mapping: where bins come from")
    select: Select = section("a mapping: which bins")
    classify: Classify = section("a mapping: what makes a ROI count for a class")
    abundance: Abundance = section("a mapping: how bins are pooled")
    features: Features = section("a mapping: biovolume, carbon and size spectra from the bins' features")
    report: Report = section("a mapping: figures and the report")
    quality: Quality = section("a mapping: flags of bins, from headers, triggers and images")
    images: Images = section("a mapping: images of bins, and the montages of classes")
    recheck: Recheck = section("a mapping: what `snakemake recheck` asks for again")
    export: Export = section("a mapping: files for repositories, and what repositories need to know beside the numbers")
    validation: Validation = section("a mapping: what people are asked, and what is made of their labels")
    curation: Curation = section("a mapping: image sets that are cleaned, cut, de-duplicated and filtered")
    training_set: TrainingSet = section("a mapping: images to train a classifier on, in three splits")
    stores: dict[FreeName, Store] = key(
        {},
        f"a mapping of names ({NAMES}) to mappings of url and the keys below: buckets and folders that may be listed "
        "and fetched",
        "`snakemake inventory`, `plan` and `fetch` read them; see [Stores](../docs/how-to/stores.md)",
    )
    arrays: dict[FreeName, Array] = key(
        {},
        f"a mapping of names ({NAMES}) to mappings of url and the keys below: arrays that are looked at where they lie",
        "`snakemake arrays` reads them; see [Arrays and graphs](../docs/how-to/arrays.md)",
    )
    graphs: dict[FreeName, Graph] = key(
        {},
        f"a mapping of names ({NAMES}) to mappings of the keys below: graphs and skeletons that are read and checked",
        "`snakemake graphs` reads them; see [Arrays and graphs](../docs/how-to/arrays.md#graphs-and-skeletons)",
    )
    volumes: VolumesOfImages = section(
        "a mapping: volumes, and how they are cut into patches and flipbooks",
        "`snakemake volumes` and `flipbooks` read it; see [Volumes](../docs/how-to/volumes.md)",
    )
    samples: Samples = section("a mapping: crops of datasets that are too large to be copied", "By `snakemake crops`")

    def as_written(self) -> dict[str, Any]:
        """The whole config as plain values, by the keys of a config file."""
        return self.model_dump()

    def with_precision(self, precision: Precision) -> "Config":
        """The config with this in place of `auto` as the precision of scores."""
        if self.classify.score_precision != AUTO:
            return self
        return self.model_copy(update={"classify": self.classify.model_copy(update={"score_precision": precision})})

    def with_format(self, scores_format: str) -> "Config":
        """The config with this in place of `auto` as the form of class scores."""
        if self.source.scores_format != AUTO:
            return self
        return self.model_copy(update={"source": self.source.model_copy(update={"scores_format": scores_format})})

    def with_class_table(self, name: str) -> "Config":
        """The config with this shipped table in place of `auto`."""
        named = self.model_copy(update={"classify": self.classify.model_copy(update={"class_table": name})})
        named.__dict__.pop("class_table", None)  # the one that was read for `auto`
        return named

    @property
    def targets_without_bins(self) -> list[str]:
        """The targets that read no bin, of the sections that say something."""
        default = type(self)()
        said = [name for name in self.WITHOUT_BINS if getattr(self, name) != getattr(default, name)]
        if self.curation.folder is None:  # then it is the bins' images that are curated
            said = [name for name in said if name != "curation"]
        return [target for name in said for target in self.WITHOUT_BINS[name]]

    @cached_property
    def window(self) -> Window:
        """The window, or the part of it that lies in the shard; ValueError if there is none."""
        whole = Window(
            *(Bound.parse(text) if text is not None else None for text in (self.select.start, self.select.end))
        )
        return whole if self.shard in (None, MERGE) else whole.within(self.shard)

    @cached_property
    def class_thresholds(self) -> dict[str, float]:
        """The thresholds of single classes, by label; ConfigError for a file that is none of thresholds."""
        path = self.classify.class_thresholds
        return read_class_thresholds(path) if path not in (None, FROM_SCORES) else {}

    @cached_property
    def class_table(self) -> LabelTable:
        """The class table: label to traits; ConfigError for a file that is none. `auto` is WHOI's until chosen."""
        loose = self.classify.match_labels == "loose"
        path = self.classify.class_table
        if path in SHIPPED or path == AUTO:
            return read_class_table(shipped_table(CLASS_TABLES_DEFAULT if path == AUTO else str(path)), loose)
        if path == CLASS_TABLE and not Path(path).exists():  # another workflow uses this one as a module
            path = str(WORKFLOW / path)
        return read_class_table(path, loose)

    @property
    def contents(self) -> dict[str, Any]:
        """What the files that `classify` names say, as in run.json: thresholds, and a checksum of the class table."""
        table = sha256(repr(self.class_table).encode()).hexdigest()
        return {"class_thresholds": self.class_thresholds, "class_table": table}

    @cached_property
    def deployments(self) -> list[Deployment]:
        """Where instruments were; ConfigError for a file that does not say it."""
        path = self.source.deployments
        return read_deployments(path) if path is not None else []
