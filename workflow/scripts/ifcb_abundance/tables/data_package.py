"""The description of the results that goes with them: a Frictionless data package."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ifcb_abundance.common import version
from ifcb_abundance.common.atomic_write import atomic_write
from ifcb_abundance.tables import table_files

AS_TIME = {"type": "datetime", "format": "any"}
VERSION = 4  # of datapackage.json: raise it when it has to be written again


def describe_results(
    dataset: str, tables: Mapping[str, str], group_by: Sequence[str], wide: str | Path, path: str | Path
) -> None:
    """Write datapackage.json: every table with its columns, their types, units and meaning.

    tables: file name to the name of its schema. wide: abundance_wide.csv, whose columns are classes.
    Source: Frictionless Data Package and Table Schema, version 1.
    """
    catalog = Path(wide).with_name("catalog.csv")
    package: dict[str, Any] = {
        "profile": "data-package",
        "name": dataset.lower(),
        "title": f"Plankton abundance from IFCB classifier scores, dataset {dataset}",
        "created_by": f"{version.NAME} {version.VERSION}",
        "resources": [
            _resource(file, table, [*group_by, *(_columns_there(catalog) if table == "catalog" else ())])
            for file, table in tables.items()
        ],
    }
    resource = _resource(Path(wide).name, "abundance_wide", group_by)
    known = {field["name"] for field in resource["schema"]["fields"]}
    resource["schema"]["fields"] += [
        {"name": name, "type": "number", "unit": "objects/mL", "description": f"Class {name}; empty: not assessed."}
        for name in pd.read_csv(wide, nrows=0).columns
        if name not in known
    ]
    package["resources"].append(resource)
    with atomic_write(path) as unfinished:
        unfinished.write_text(json.dumps(package, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _columns_there(catalog: Path) -> list[str]:
    """The columns of the catalog, which has some only where a bin has a value."""
    return list(pd.read_csv(catalog, nrows=0).columns) if catalog.exists() else []


def _resource(file: str, table: str, group_by: Sequence[str]) -> dict[str, Any]:
    entries = table_files.schema(table)
    kind = Path(file).suffix.removeprefix(".")
    fields = [_field(entries[name], kind) for name in table_files.columns(table, group_by)]
    for period in ("hour", "week", "month"):
        if file == f"abundance_{period}.csv":
            fields[0] |= {"description": f"Start of the {period}, over which the bins are pooled."}
            fields[0] |= AS_TIME if period == "hour" else {}
    if table == "abundance_moving":
        fields[0] |= {"description": "Time of the first bin."} | AS_TIME
    return {
        "name": Path(file).name.replace(".", "-").replace("_", "-").lower(),
        "path": file,
        "title": table_files.title(table),
        "format": kind,
        "mediatype": {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}[kind],
        "encoding": "utf-8",
        "schema": {"fields": fields, "missingValues": [""]},
    }


def _field(entry: Mapping[str, Any], kind: str) -> dict[str, Any]:
    field = {key: value for key, value in entry.items() if key != "group"}
    if entry["type"] == "datetime":
        field["format"] = "any"
    rules = entry.get("constraints", {})
    if kind == "parquet" and not rules.get("required"):
        # A number that there is not is a null in Parquet. pandas makes NaN of it, which would be out of all bounds.
        field["constraints"] = {rule: of for rule, of in rules.items() if rule not in ("minimum", "maximum")}
    return field
