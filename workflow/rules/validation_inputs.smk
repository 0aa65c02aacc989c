# What the rules of validation are made from beside their files, and the functions of their room. This file has no rule,
# and imports what it needs when it is needed.
from importlib import import_module

from ifcb_abundance.validation import VERSIONS

VALIDATION = CONFIG.validation
OF_VALIDATION = SETTINGS["validation"]
SUBJECTS = f"{LAYOUT.validation}/subjects"
CUT = f"{RESULTS}/validation/cut"
# The embedded demo brings its own people.
DEMO_LABELS = [f"{DEMO}/labels.csv"]
LABELS = VALIDATION.labels
if not (LABELS or VALIDATION.zooniverse.classifications) and IS_DEMO:
    LABELS = DEMO_LABELS
ZOONIVERSE = (VALIDATION.zooniverse.workflows, VALIDATION.zooniverse.classifications)
LABEL_MAPS = [VALIDATION.label_map] if VALIDATION.label_map else []
# The table of what is labelled, for the second round, which is drawn from it.
LABELLED = [MERGED["consensus"]] if VALIDATION.round == 2 else []
# The params of rules, which are compared with those of the run before.
OF_BANDS = {"version": VERSIONS["strata"], "bands": VALIDATION.score_bands, "precision": METHOD.precision}
OF_DRAWS = {
    "version": VERSIONS["sample"],
    # As one value: the engine compares values without their names, and `seed: 1, round: 2` is not `seed: 2, round: 1`.
    "wish": {name: OF_VALIDATION[name] for name in ("n_rois", "max_bins", "seed", "spread", "round")},
    "source": lambda wildcards: SOURCE.scores_identity,
}
OF_PEOPLE = {
    "version": VERSIONS["tables"],
    **{name: OF_VALIDATION[name] for name in ("repeat", "none_labels", "min_votes", "min_agreement", "people")},
}
OF_RATES = {
    "version": VERSIONS["tables"],
    "bands": OF_BANDS,
    "confidence": METHOD.confidence,
    "min_labels": VALIDATION.min_labels,
}
OF_THRESHOLDS = {**OF_RATES, "by": {name: OF_VALIDATION[name] for name in ("criterion", "target_precision", "seed")}}
OF_COUNTS = {**OF_RATES, "bootstrap": {name: OF_VALIDATION[name] for name in ("bootstrap", "rate_dispersion", "seed")}}
OF_SUBJECTS = {
    "version": VERSIONS["subjects"],
    "source": of_each_bin(lambda bin_id: SOURCE.images_identity_of(bin_id)),
    "rois": lambda wildcards: sampled_rois()[wildcards.bin],
}


def room(module):
    """A module of the room, imported when it is needed."""
    return import_module(f"ifcb_abundance.validation.{module}")


def bands():
    return room("sampling").Bands(VALIDATION.score_bands, METHOD.precision)


def how_to_plan():
    """From which scores, in which bands, and for which thresholds, precision and confidence a sample is planned."""
    return SUMMARIES, bands(), question().threshold_of, VALIDATION.target_precision, METHOD.confidence


def question():
    return room("class_report").Question(
        METHOD.threshold,
        METHOD.class_thresholds,
        METHOD.precision,
        METHOD.confidence,
        VALIDATION.min_labels,
        VALIDATION.criterion,
        VALIDATION.target_precision,
    )


def evidence(files):
    """The labelled ROIs, weighed, and the classes; files: the inputs of a job."""
    return room("evaluation").read_evidence(files.labelled_rois, files.abundance)


def correct_counts(files, tables):
    """Write the corrected counts; files: the inputs of a job. tables: paths by name."""
    how = room("correction").Bootstrap(VALIDATION.bootstrap, VALIDATION.rate_dispersion, VALIDATION.seed)
    of = (METHOD.group_columns, question(), how)
    room("evaluation").correct_counts(evidence(files), files.abundance, *of, tables)


def agree_labels(files, tables):
    """Write what people agree on; files: the inputs of a job. tables: paths by name."""
    rules = room("consensus").Rules(**{name: value for name, value in OF_PEOPLE.items() if name != "version"})
    how = (files.winners, bands(), VALIDATION.label_map, rules)
    room("evaluation").agree_labels(by_name(files), *how, tables)


def read_draws(files):
    """What is to be drawn, as it was decided; files: the inputs of a job."""
    return room("drawing").read_draws(files.draws, next(iter(LABELLED), None))


def all_sampled_rois():
    return [roi for of_bin in sampled_rois().values() for roi in of_bin]


def planned(files):
    """What is to be drawn; files: the inputs of a job."""
    wish = room("sampling").Wish(VALIDATION.n_rois, VALIDATION.max_bins, VALIDATION.seed, VALIDATION.spread)
    labelled = {"consensus": files.consensus[0], "winners": files.labelled} if LABELLED else None
    return room("drawing").plan_round(files.strata, wish, bands(), SOURCE.may_have_images, labelled)
