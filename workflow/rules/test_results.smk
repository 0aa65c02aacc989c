# Needs the finished tables. Tests them against each other: a run whose tables do not agree fails.
from ifcb_abundance.report import invariants

NAMES = ["abundance", "groups", "coverage", "ledger", "catalog", "bins"]
NAMES += ["biovolume", "biovolume_groups", "features_ledger"] if FEATURES_WANTED else []
TESTED = {table_registry.TABLES[name].schema: MERGED[name] for name in NAMES}


rule test_results:
    """Test the finished tables against each other."""
    input:
        **TESTED,
        **({"period": MERGED[PERIOD]} if PERIOD in table_registry.PERIODS and TABLES == RESULTS else {}),
    output:
        LAYOUT.test_results,
    log:
        f"{LOGS}/test_results.log",
    localrule: True
    resources:
        pooling=ALONE,
    params:
        **({} if METHOD.rule == "winner" else {"rule": METHOD.rule}),
        version=invariants.VERSION,
    message:
        "Test the finished tables against each other."
    run:
        tables = {name: input[name] for name in TESTED}
        period, columns = input.get("period"), METHOD.group_columns
        on_all_days(log[0], invariants.write_test_results, tables, period, columns, output[0], METHOD)
