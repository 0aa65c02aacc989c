# Needs a finished run. Reads the source again and builds anew what late or corrected data touch:
#
#   snakemake --cores 8 recheck
from datetime import datetime, timezone

from ifcb_abundance.recheck import reread as recheck

RECHECK = recheck.Recheck(WINDOW, CONFIG.select, CONFIG.recheck.scores, CONFIG.recheck.days)


checkpoint reread_source:
    output:
        update(f"{TABLES}/changes.csv"),  # left as it is if it says the same
    log:
        f"{LOGS}/reread_source.log",
    localrule: True
    resources:
        dashboard=8,  # or the profile's cap, if that is lower: it asks for as many bins at a time itself
    params:
        asked=datetime.now(timezone.utc).isoformat(),  # so it runs each time that it is asked for
    run:
        ask_again_for_left_out()
        logged(
            log[0],
            recheck.recheck,
            SOURCE,
            RECHECK,
            summary_path,
            f"{TABLES}/catalog.csv",
            f"{TABLES}/ledger.csv",
            output[0],
            resources.dashboard,
        )


rule recheck:
    input:
        after_recheck,
    localrule: True
