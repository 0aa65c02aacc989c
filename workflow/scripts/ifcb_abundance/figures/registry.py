"""The list of all figures. Rules, the report and the documentation read it; it imports no drawing library."""

from dataclasses import dataclass

VERSION = 15  # raise it when figures look different, so that they are drawn again
FORMS = ("svg", "pdf", "png", "html", "json")  # the files of a figure


@dataclass(frozen=True)
class Figure:
    """One figure. Its module in this package has its name and a function `chart`.

    shows: what it shows, in a few words. tables: the tables that it is drawn from. needs_features: whether features
    have to be read for it. needs_labels: whether it needs people's labels. needs_curation: whether images have to be
    curated for it. needs_runs: whether it is of two runs, and not of this one. needs_quality: whether
    bins have to be flagged for it.
    """

    name: str
    shows: str
    tables: tuple[str, ...]
    needs_features: bool = False
    needs_labels: bool = False
    needs_curation: bool = False
    needs_runs: bool = False
    needs_quality: bool = False


FIGURES = {
    figure.name: figure
    for figure in (
        Figure("time_series", "abundance per class through time", ("abundance", "coverage")),
        Figure("heat_map", "abundance per class and day", ("abundance", "coverage")),
        Figure("composition", "composition by group of classes", ("abundance", "coverage")),
        Figure("coverage_calendar", "bins per day and what became of them", ("coverage",)),
        Figure("climatology", "the course of the year, year by year", ("abundance", "coverage")),
        Figure("dominance", "which class is the most abundant, and how much", ("abundance", "coverage")),
        Figure("richness", "how many classes there are, rarefied", ("abundance", "coverage")),
        Figure("harmful", "harmful classes and their warning levels", ("abundance", "coverage")),
        Figure("threshold_sweep", "what each threshold keeps", ("abundance", "sweep")),
        Figure("positions", "where the bins were sampled", ("catalog", "ledger")),
        Figure("bin_series", "one class, bin by bin", ("abundance", "coverage", "bins")),
        Figure(
            "size_spectrum",
            "objects per size, and where they drop off",
            ("coverage", "biovolume", "size_spectrum"),
            needs_features=True,
        ),
        Figure("carbon", "carbon by group of classes", ("coverage", "biovolume"), needs_features=True),
        Figure("confusion", "which classes are taken for which", ("confusion",), needs_labels=True),
        Figure(
            "class_curve", "precision and recall at each threshold", ("class_curve", "class_report"), needs_labels=True
        ),
        Figure("reliability", "how often a score is right", ("reliability",), needs_labels=True),
        Figure("corrected_series", "corrected and uncorrected abundance", ("abundance_corrected",), needs_labels=True),
        Figure("curated_images", "what became of the images", ("curated",), needs_curation=True),
        Figure("duplicate_distance", "what each distance of hashes finds", ("distance",), needs_curation=True),
        Figure("stuck_particles", "particles that stuck to the glass", ("without_stuck",), needs_curation=True),
        Figure("quality", "flags of bins, and what was measured of them", ("quality",), needs_quality=True),
        Figure("differences", "how two runs differ", ("differences",), needs_runs=True),
    )
}


OF_VALIDATION = [figure.name for figure in FIGURES.values() if figure.needs_labels]
OF_CURATION = ["curated_images", "duplicate_distance"]  # that of stuck particles comes with their abundance
OF_QUALITY = ["quality"]


def figure_names(with_features: bool, with_labels: bool = False) -> list[str]:
    """The names of the figures that a run draws, in the order of the report; without those of curated images."""
    return [
        figure.name
        for figure in FIGURES.values()
        if (with_features or not figure.needs_features)
        and (with_labels or not figure.needs_labels)
        and not (figure.needs_curation or figure.needs_runs or figure.needs_quality)
    ]
