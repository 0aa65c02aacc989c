# Needs the source. Makes one scores summary per bin asked for: every large download. On request, before a long run:
#
#   snakemake check_labels
from functools import partial

from ifcb_abundance.catalog.selection import list_wanted
from ifcb_abundance.scores import label_check


rule summarize_scores:
    """Read the class scores of a bin and write its summary."""
    input:
        # none from a dashboard. The catalog is no input: listing it again is no reason to read a bin again
        scores_of_bin,
    output:
        f"{SUMMARIES}/{SUMMARY}",
    log:
        f"{LOGS}/summarize_scores/{{folder}}/{{bin}}.log",
    priority: priority_of_day
    localrule: True
    resources:
        dashboard=1,
    params:
        # whatever it keeps beside: scores_of_bin sees to it that this is enough
        version=scores.VERSION,
        source=of_each_bin(lambda bin_id: SOURCE.scores_identity_of(bin_id)),
    message:
        "Read the class scores of bin {wildcards.bin}."
    run:
        logged(
            log[0],
            scores.summarize_scores,
            SOURCE,
            wildcards.bin,
            output[0],
            RECORD_FAILURES,
            METHOD.kept,
            features_follow(),
        )


WANTED_OF_SOURCE = partial(list_wanted, SOURCE, WINDOW, CONFIG.select)
CLASS_TABLE_NAMED = CONFIG.classify.class_table or "null"


rule check_labels:
    """Print which labels the class table matches to what."""
    log:
        f"{LOGS}/check_labels.log",
    localrule: True
    resources:
        dashboard=4,  # as for list_catalog
    message:
        "Check the labels of the class scores against the class table."
    run:
        wanted = partial(WANTED_OF_SOURCE, at_once=resources.dashboard)
        found = logged(log[0], label_check.check_labels, SOURCE, wanted, CONFIG.class_table, CLASS_TABLE_NAMED)
        print(found, flush=True)
