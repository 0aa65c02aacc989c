"""The tables that the workflow makes: rules, targets, the description, stale/ and the documentation read them here.

Their columns are in tables.yaml.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

PERIODS = ("hour", "week", "month", "bin")  # of `abundance.period`, beside the day


class When(StrEnum):
    """When a table is made: the text says it in the documentation. By name a table is made at any time."""

    ALWAYS = "in each run"
    WHOLE = "in each run, but not of a shard"
    PERIOD = "if `abundance.period` asks for it"
    DISTANCE = "if `abundance.pool_km` asks for it"
    FEATURES = "if `features.make` asks for it, or on request"
    VALIDATION = "if `validation.make` asks for it, or on request"
    BINS = "if `features.make` and `features.bins` ask for it, or on request"
    QUALITY = "if `quality.make` or `quality.exclude_bad` asks for it, or on request"
    REQUEST = "on request"


@dataclass(frozen=True)
class Table:
    """A table of the results.

    name: what rules call it. schema: its entry in tables.yaml. merged: its file in the folder of tables. made_by: the
    rule that makes the merged file. part: the file of a day, below the results, if it is merged from days. described:
    it is in datapackage.json. updated: never moved to stale/, since its rule reads the file it replaces, or people work
    with it.
    """

    name: str
    schema: str
    merged: str
    made_by: str
    when: When = When.ALWAYS
    part: str = ""
    described: bool = True
    updated: bool = False

    def merged_in(self, folder: str) -> str:
        """Return the path of the merged file."""
        return f"{folder}/{self.merged}"

    def part_in(self, folder: str, date: str = "{date}") -> str:
        """Return the path of a day's part, with the wildcard of rules if no date (ISO) is given."""
        return f"{folder}/{self.part.format(date=date)}"


def _of_days(name: str, schema: str, part: str, suffix: str = ".csv") -> Table:
    return Table(name, schema, f"{schema}{suffix}", "merge_abundance", part=part)


def _of_features(name: str, schema: str) -> Table:
    return Table(name, schema, f"{schema}.csv", "merge_biovolume", When.FEATURES, part=f"{name}/{{date}}.csv")


def _on_request(name: str, schema: str, merged: str, made_by: str, updated: bool = False) -> Table:
    return Table(name, schema, merged, made_by, When.REQUEST, described=False, updated=updated)


def _of_curation(name: str, made_by: str) -> Table:
    return _on_request(name, name, f"curation/{name}.csv", made_by)


def _of_store(name: str, schema: str, file: str, made_by: str) -> Table:
    return _on_request(name, schema, f"stores/{{store}}/{file}", made_by)


def _of_volumes(name: str, made_by: str, file: str = "", schema: str = "") -> Table:
    return _on_request(name, schema or name, f"volumes/{file or name}.csv", made_by)


def _of_validation(name: str, made_by: str) -> Table:
    return Table(name, name, f"validation/{name}.csv", made_by, When.VALIDATION)


def _of_sample(name: str, merged: str, made_by: str, updated: bool = False) -> Table:
    return _on_request(name, name, f"validation/{merged}", made_by, updated)


def of_period(period: str) -> Table:
    """Return the table of a period, which is one of PERIODS, or the day: that one no run asks for."""
    schema = "abundance_moving" if period == "bin" else "abundance_long"
    return Table(period, schema, f"abundance_{period}.csv", "pool_periods", When.PERIOD)


# In the order in which datapackage.json and the documentation list them.
TABLES = {
    table.name: table
    for table in (
        _of_days("abundance", "abundance_long", "daily/{date}.csv"),
        Table("abundance_parquet", "abundance_long", "abundance_long.parquet", "reshape_abundance", When.WHOLE),
        *map(of_period, PERIODS),
        Table("km", "abundance_moving", "abundance_km.csv", "pool_distance", When.DISTANCE),
        _of_days("groups", "groups_long", "groups/{date}.csv"),
        _of_days("bins", "bins_long", "bins_long/{date}.parquet", ".parquet"),
        _on_request("bins_csv", "bins_long", "bins_long.csv.gz", "convert_bins"),
        _of_days("coverage", "coverage", "coverage/{date}.csv"),
        _of_days("ledger", "ledger", "ledger/{date}.csv"),
        Table("catalog", "catalog", "catalog.csv", "list_catalog", updated=True),
        _of_days("sweep", "threshold_sweep", "sweep/{date}.parquet"),
        _of_features("biovolume", "biovolume_long"),
        _of_features("biovolume_groups", "biovolume_groups"),
        _of_features("size_spectrum", "size_spectrum"),
        _of_features("features_ledger", "features_ledger"),
        Table(
            *("biovolume_bins", "biovolume_bins", "biovolume_bins.parquet", "merge_biovolume_bins", When.BINS),
            part="biovolume_bins/{date}.parquet",
        ),
        Table("quality", "quality", "quality.csv", "merge_quality", When.QUALITY, part="quality/{date}.csv"),
        Table("wide", "abundance_wide", "abundance_wide.csv", "reshape_abundance", When.WHOLE),
        _on_request("image_bins", "image_bins", "image_bins.csv", "list_images"),
        _on_request("montages", "montages", "montages.csv", "choose_examples"),
        _of_curation("cleaning", "merge_cleaning"),
        _of_curation("patches", "merge_patches"),
        _on_request("arrays", "arrays", "arrays/arrays.csv", "tabulate_arrays"),
        _on_request("dangling", "dangling", "graphs/{graph}/dangling.csv", "read_graph"),
        _of_curation("roc", "train_filter"),
        _on_request("training_split", "training_split", "training_set/split.csv", "split_training_set"),
        _on_request("training_classes", "training_classes", "training_set/classes.csv", "split_training_set"),
        _on_request("training_leaks", "training_leaks", "training_set/leaks.csv", "find_leaks"),
        _of_curation("filter", "filter_patches"),
        _of_curation("duplicates", "group_duplicates"),
        _of_curation("stuck", "find_stuck"),
        _of_curation("issues", "find_issues"),
        _of_curation("curated", "curate"),
        _of_curation("distance", "measure_distance"),
        _on_request("without_stuck", "abundance_without_stuck", "abundance_without_stuck.csv", "pool_without_stuck"),
        _of_volumes("crops", "merge_crops"),
        _of_volumes("boxes", "merge_crops"),
        _of_volumes("sampled_datasets", "merge_crops"),
        _of_volumes("volumes", "merge_volumes"),
        _of_volumes("volume_patches", "merge_slices", "patches"),
        _of_volumes("volume_duplicates", "merge_volume_duplicates", "duplicates", "duplicates"),
        _of_volumes("volume_roc", "train_volume_filter", "roc", "roc"),
        _of_volumes("volume_filter", "filter_volume_patches", "filter", "filter"),
        _of_volumes("volume_curated", "curate_volumes", "curated"),
        _of_volumes("flipbooks", "merge_flipbooks"),
        _of_volumes("trace", "trace_patches"),
        _of_sample("strata", "strata.parquet", "count_strata"),
        _of_sample("draws", "draws.csv", "draw_bins"),
        _of_sample("sample", "sample.csv", "sample_rois", updated=True),
        _of_sample("validation_plan", "plan.csv", "validation_plan"),
        _of_sample("labels", "all_labels.csv", "collect_labels"),
        _of_sample("labelled_bins", "labelled_bins.csv", "list_labelled"),
        *(_of_validation(name, "agree_labels") for name in ("consensus", "people", "label_notes")),
        _of_validation("labelled_rois", "weigh_labels"),
        *(_of_validation(name, "report_classes") for name in ("confusion", "class_report", "class_curve")),
        *(_of_validation(name, "report_classes") for name in ("reliability", "rate_drift")),
        replace(_of_validation("thresholds", "choose_thresholds"), updated=True),
        *(_of_validation(name, "correct_counts") for name in ("totals_corrected", "abundance_corrected")),
        _on_request("differences", "differences", "compare/{first}/{second}/differences.csv", "compare_runs"),
        _on_request("changes", "changes", "changes.csv", "reread_source", updated=True),
        _of_store("inventory", "inventory", "inventory.parquet", "list_store"),
        _of_store("store_folders", "store_folders", "folders.csv", "list_store"),
        _of_store("store_formats", "store_formats", "formats.csv", "list_store"),
        _of_store("plan", "inventory", "plan.parquet", "plan_fetch"),
        _of_store("fetched", "fetched", "fetched.csv", "fetch_store"),
        _of_store("refused", "refused", "refused.csv", "fetch_store"),
    )
}
# Those of stores, which have a wildcard of rules in their paths.
STORES = tuple(name for name, table in TABLES.items() if table.merged.startswith("stores/"))
# The proof of the parts of a day that are made of features: it says what they were made of. The other parts of a day
# need none, since one of them says it itself.
FEATURES_PROOF = "features_ledger/{date}.json"


def made_by(rule: str) -> dict[str, Table]:
    """Return the tables that a rule makes, by name."""
    return {table.name: table for table in TABLES.values() if table.made_by == rule}


def wanted(period: str, features: bool, whole: bool, validation: bool = False, *others: When) -> list[Table]:
    """List the tables that a run makes without being asked for them by name.

    period: the config's `abundance.period`. features, validation: those of these stages are wanted. whole: the run is
    not of a shard. others: further kinds of tables that the config asks for.
    """
    return [
        table
        for table in TABLES.values()
        if table.when == When.ALWAYS
        or (table.when == When.WHOLE and whole)
        or (table.when == When.PERIOD and whole and table.name == period)
        or (table.when in others and (whole or table.when in (When.QUALITY, When.BINS)))
        or (table.when == When.FEATURES and features)
        or (table.when == When.VALIDATION and whole and validation)
    ]


def described(tables: Iterable[Table]) -> dict[str, str]:
    """Map files to schemas for datapackage.json. The wide table is not among them: its columns are classes."""
    return {table.merged: table.schema for table in tables if table.described and table.schema != "abundance_wide"}
