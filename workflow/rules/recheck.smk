# Needs a finished run. Reads the source again and builds anew what late or corrected data touch:
#
#   snakemake --cores 8 recheck
from datetime import datetime, timezone

from ifcb_abundance.recheck import reread as recheck

RECHECK = recheck.Recheck(
    WINDOW,
    CONFIG.select,
    CONFIG.recheck.scores,
    CONFIG.recheck.days,
    METHOD.kept,
    may_be_empty=SHARD is not None,
    group_by=METHOD.group_by,
)


checkpoint reread_source:
    """Read the source again and list what changed in changes.csv."""
    input:
        meet_run,
        lambda wildcards: recheck.refuse_merge(SHARDS),
    output:
        update(MERGED["changes"]),  # stays as it is if it would say the same
    log:
        f"{LOGS}/reread_source.log",
    localrule: True
    resources:
        dashboard=8,  # or the profile's limit if that is lower; the job itself reads this many bins at a time
    params:
        asked=datetime.now(timezone.utc).isoformat(),  # so that it runs on each request
    message:
        "Read the source again."
    run:
        ask_again_for_left_out()
        logged(
            log[0],
            recheck.recheck,
            SOURCE,
            RECHECK,
            summary_path,
            MERGED["catalog"],
            MERGED["ledger"],
            output[0],
            resources.dashboard,
        )


rule recheck:
    """Read the source again, and rebuild what late or corrected data change."""
    input:
        after_recheck,
    localrule: True
    message:
        "The results agree with the source."
