# Which tables of which runs are compared. This file has no rule.
COMPARED = CONFIG.compare or ["first", "second"]
OF_COMPARISON = ("run.json", "abundance_long.csv", "ledger.csv")


def of_comparison(name):
    return LAYOUT.comparison(*COMPARED, name)


def tables_of_run(run):
    """The tables of a run that are compared. Of another run than this one they have to be there."""

    def find(wildcards):
        from ifcb_abundance.abundance.comparison import why_not_compared

        folder = replace(LAYOUT, run=run, shard=None).results
        if why := why_not_compared(LAYOUT.cache, CONFIG.compare, "" if run == CONFIG.run else run):
            raise ConfigError(why)
        return [f"{folder}/{name}" for name in OF_COMPARISON]

    return find
