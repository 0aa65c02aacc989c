"""The winner of each ROI of a bin, kept in a file per bin, so that class scores are asked for once.

A scores summary says how many ROIs a class won at which score, and not which ones. That is needed of the bins that the
sample is drawn from, and of those that have labels. The file is Parquet, with the columns of a scores summary and a row
for each ROI.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ifcb_abundance.bins.ids import add_target
from ifcb_abundance.bins.statuses import ScoresStatus
from ifcb_abundance.common import proof
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.common.errors import ScoresError
from ifcb_abundance.common.precision import PRECISIONS
from ifcb_abundance.scores.summary import (
    Provenance,
    RoiWinners,
    provenance_of,
    read_provenance,
    read_rois,
    read_winner_columns,
    winner_columns,
)
from ifcb_abundance.sources.protocols import ScoreReader
from ifcb_abundance.validation import VERSIONS
from ifcb_abundance.validation.sampling import Bands, place_rois


def keep_winners(source: ScoreReader, bin_id: str, summary: str | Path, path: str | Path) -> None:
    """Read the class scores of a bin and write the winner of each ROI.

    summary: the bin's scores summary; a bin without class scores has no ROI and is not asked for. Raises ScoresError if
    the source does not have the class scores any more that were counted.
    """
    said = provenance_of(summary)
    rois = RoiWinners((), np.empty(0, np.int64), np.empty(0), dict.fromkeys(PRECISIONS, np.empty(0, np.intp)))
    if said.status == ScoresStatus.READ:
        file = source.read_scores(bin_id)
        if file is None or sha256(file.body).hexdigest() != said.sha256:
            now = "gone" if file is None else f"different now ({file.address})"
            raise ScoresError(
                f"bin {bin_id}: the class scores that were counted are {now}. To count them again: snakemake recheck, "
                "with recheck.scores: all"
            )
        rois = read_rois(bin_id, file)
    table = pa.table({"roi": pa.array(rois.rois), **winner_columns(rois.classes, rois.score, rois.winner)})
    about = {"bin": bin_id, "classes": rois.classes}
    stated = proof.statement(_made_of(source, bin_id, said))
    with atomic_write(path) as unfinished:
        pq.write_table(
            table.replace_schema_metadata({"ifcb": json.dumps(about), proof.KEY: stated}),
            unfinished,
            compression="lz4",
            write_statistics=False,
            write_page_checksum=True,
        )


def _made_of(source: ScoreReader, bin_id: str, said: Provenance) -> str:
    return proof.digest(VERSIONS["winners"], source.scores_identity_of(bin_id), said.status, said.sha256)


def proves_itself(source: ScoreReader, bin_id: str, summary: str | Path, path: str | Path) -> bool:
    """Whether a file is the one that `keep_winners` would write, without asking the source."""
    said = read_provenance(summary)
    return said is not None and proof.holds(proof.of_parquet(path).get(proof.KEY), _made_of(source, bin_id, said))


def read_winners(path: str | Path) -> tuple[str, RoiWinners]:
    """The bin of a file of `keep_winners`, and the winners of its ROIs. Raises ScoresError if it is no such file."""
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False).read(use_threads=False)
        about = json.loads(table.schema.metadata[b"ifcb"])
        classes = tuple(about["classes"])
        score, winner = read_winner_columns(table, classes)
        return about["bin"], RoiWinners(classes, table.column("roi").to_numpy(), score, winner)
    except (pa.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        message = f"{path}: not the winners of a bin ({error}); delete it to have the bin read again"
        raise ScoresError(message) from error


def winners_of(paths: Iterable[str | Path]) -> Callable[[str], RoiWinners]:
    """A function that reads the winners of one of the bins."""
    by_bin = {Path(path).stem: path for path in paths}
    return lambda bin_id: read_winners(by_bin[bin_id])[1]


def winners_of_rois(
    paths: Iterable[str | Path], bands: Bands, rois: Iterable[str], date_of: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The winners of the given ROIs, as far as their bins have them: columns roi, bin, date, class, score.

    paths: files of `keep_winners`. date_of: the UTC day of each bin.
    """
    wanted = pd.Series(sorted(set(rois)), dtype="str").str.rsplit("_", n=1, expand=True).reindex(columns=[0, 1])
    numbers = pd.to_numeric(wanted[1], errors="coerce").groupby(wanted[0]).agg(set)
    tables = []
    for path in paths:
        bin_id, winners = read_winners(path)
        placed = place_rois(winners, bands)
        placed = placed[placed["number"].isin(numbers.get(bin_id, ()))]
        ids = [add_target(bin_id, number) for number in placed["number"].tolist()]
        date = (date_of or {}).get(bin_id, "")
        tables.append(placed.assign(roi=pd.Series(ids, placed.index, dtype="str"), bin=bin_id, date=date))
    columns = {"roi": "str", "bin": "str", "date": "str", "class": "str", "score": "float64"}
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))
    return found[list(columns)].astype(columns)
