"""The dashboard's metadata export: the CSV that lists bins, over HTTP or on disk, turned into catalog rows."""

import io
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from bin_ids import parse_bin_id
from errors import CatalogError

NEEDED = ("pid sample_time ifcb ml_analyzed latitude longitude depth cruise sample_type n_images skip").split()
COLUMNS = (
    "bin sample_time instrument ml_analyzed latitude longitude depth cruise sample_type n_images skip tags"
).split()
LIMITS = {"latitude": 90.0, "longitude": 180.0}


def read_export(body: bytes, origin: str) -> pd.DataFrame:
    """Catalog rows of a metadata export.

    body: CSV as dashboards 5.0, 5.1 and 5.2 write it, read by column name (5.2 quotes strings and adds
    columns). origin: its address or path, for messages.

    Returns one row per bin, columns COLUMNS: `sample_time` as UTC timestamps, `instrument` as `IFCB10`,
    `ml_analyzed` in mL, `depth` in m, positions in degrees, NaN where there is none (fill values such as
    -9999999 included), `tags` joined by `;`. Raises CatalogError if the body is not such a list.
    """
    try:
        raw = pd.read_csv(io.BytesIO(body), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.EmptyDataError) as error:  # ValueError: not CSV, not UTF-8
        raise CatalogError(f"{origin}: not a metadata export ({error})") from error
    missing = [column for column in NEEDED if column not in raw.columns]
    if missing:
        raise CatalogError(
            f"{origin}: not a metadata export, it has no column {', '.join(missing)} "
            f"(found: {', '.join(map(str, raw.columns[:20]))})"
        )
    tags = [c for c in raw.columns if c.startswith("tag") and c[3:].isdigit()]
    raw["tags"] = [";".join(filter(None, row)) for row in raw[tags].itertuples(index=False)]
    return catalog_rows(raw, origin)


def catalog_rows(raw: pd.DataFrame, origin: str) -> pd.DataFrame:
    """Check and convert rows of text in the export's columns and `tags`; as described at read_export."""
    try:
        from_ids = pd.Series([parse_bin_id(pid).instrument for pid in raw["pid"]], index=raw.index, dtype="Int64")
    except ValueError as error:
        raise CatalogError(f"{origin}: {error}") from None
    # The number is empty when the dashboard has no instrument for a bin, and `10.0` for the whole file
    # then; the id has it in any case.
    numbers = _converted(raw, "ifcb", origin, _whole_numbers).fillna(from_ids)
    rows = pd.DataFrame({"bin": raw["pid"], "instrument": "IFCB" + numbers.astype("str")})
    rows["sample_time"] = _converted(raw, "sample_time", origin, _utc_times)
    if rows["sample_time"].isna().any():
        raise CatalogError(f"{origin}: bin {raw.loc[rows['sample_time'].isna(), 'pid'].iloc[0]} has no sample_time")
    for column in ("ml_analyzed", "latitude", "longitude", "depth"):
        rows[column] = _converted(raw, column, origin, pd.to_numeric).astype("float64")
    rows["n_images"] = _converted(raw, "n_images", origin, _whole_numbers)
    east = rows["longitude"]
    rows["longitude"] = east.where(~east.between(180, 360, inclusive="right"), east - 360)
    for column, limit in LIMITS.items():
        rows[column] = rows[column].where(rows[column].abs() <= limit)
    rows["depth"] = rows["depth"].where(rows["depth"] > -9999)
    rows["ml_analyzed"] = rows["ml_analyzed"].where(rows["ml_analyzed"] > -9999999)
    skip = raw["skip"].str.lower().map({"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1})
    if skip.isna().any():
        bin_id, value = raw.loc[skip.isna(), ["pid", "skip"]].iloc[0]
        raise CatalogError(f"{origin}: bin {bin_id}: skip is {value!r}, not 0 or 1")
    rows["skip"] = skip.astype("int64")
    for column in ("cruise", "sample_type", "tags"):
        rows[column] = raw[column].astype("str").str.replace(r"[\x00-\x1f]", " ", regex=True)
    return rows[COLUMNS]


def from_records(records: Sequence[Mapping[str, str]], origin: str) -> pd.DataFrame:
    """Catalog rows of bins that were asked for one by one: mappings of text in the export's columns."""
    return catalog_rows(pd.DataFrame(records, columns=[*NEEDED, "tags"]), origin)


def _converted(raw: pd.DataFrame, column: str, origin: str, convert: Callable[[pd.Series], pd.Series]) -> pd.Series:
    text = raw[column].where(raw[column] != "")
    try:
        return convert(text)
    except (ValueError, TypeError):
        # Find the row at fault for the message: conversions name a position at best.
        for bin_id, value in zip(raw["pid"], text, strict=True):
            try:
                convert(pd.Series([value]))
            except (ValueError, TypeError) as error:
                raise CatalogError(f"{origin}: bin {bin_id}: {column} is {value!r} ({error})") from None
        raise


def _whole_numbers(text: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(text).astype("float64")
    if not (numbers.isna() | ((numbers >= 0) & (numbers < 2**53) & (numbers % 1 == 0))).all():
        raise ValueError("not a whole number")
    return numbers.astype("Int64")


def _utc_times(text: pd.Series) -> pd.Series:
    if not text.dropna().str.match(r"\d{4}-\d\d-\d\d").all():  # pandas takes `now` for a time
        raise ValueError("not a time such as 2024-02-15 00:07:00+00:00")
    return pd.to_datetime(text, format="ISO8601", utc=True)
