# What the rules of validation are made from beside their files, and which bins they need. This file has no rule, and
# imports what it needs when it is needed.
from importlib import import_module

from ifcb_abundance.validation import VERSIONS

VALIDATION = CONFIG.validation
OF_VALIDATION = SETTINGS["validation"]
SUBJECTS = f"{LAYOUT.validation}/subjects"
CUT = f"{RESULTS}/validation/cut"
# The embedded demo brings its own people.
DEMO_LABELS = [f"{DEMO}/labels.csv"]
LABELS = VALIDATION.labels
if not (LABELS or VALIDATION.zooniverse.classifications) and CONFIG.source.path == DEMO:
    LABELS = DEMO_LABELS
ZOONIVERSE = (VALIDATION.zooniverse.workflows, VALIDATION.zooniverse.classifications)
LABEL_MAPS = [VALIDATION.label_map] if VALIDATION.label_map else []
# The table of what is labelled, for the second round, which is drawn from it.
LABELLED = [MERGED["consensus"]] if VALIDATION.round == 2 else []
# The params of rules, which are compared with those of the run before.
OF_BANDS = {"version": VERSIONS["strata"], "bands": VALIDATION.score_bands, "precision": METHOD.precision}
OF_DRAWS = {
    "version": VERSIONS["sample"],
    **{name: OF_VALIDATION[name] for name in ("n_rois", "max_bins", "seed", "spread", "round")},
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
OF_THRESHOLDS = {**OF_RATES, **{name: OF_VALIDATION[name] for name in ("criterion", "target_precision", "seed")}}
OF_COUNTS = {**OF_RATES, **{name: OF_VALIDATION[name] for name in ("bootstrap", "rate_dispersion", "seed")}}
OF_SUBJECTS = {
    "version": VERSIONS["subjects"],
    "source": lambda wildcards: SOURCE.images_identity_of(wildcards.bin),
    "rois": lambda wildcards: sampled_rois()[wildcards.bin],
}


def room(module):
    """A module of the room, imported when it is needed."""
    return import_module(f"ifcb_abundance.validation.{module}")


def bands():
    return room("sampling").Bands(VALIDATION.score_bands, METHOD.precision)


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


# --- which bins ---


def winners_path(bin_id):
    return of_bin(LAYOUT.rois, SUMMARY, bin_id)


def drawn_winners(wildcards):
    """The winners of the bins that ROIs are drawn from."""
    draws = checkpoints.draw_bins.get().output[0]
    return [winners_path(bin_id) for bin_id in sorted(set(table_files.read("draws", draws)["bin"]))]


def labelled_winners(wildcards):
    """The winners of the used bins that have labels."""
    listed = checkpoints.list_labelled.get().output[0]
    return [winners_path(bin_id) for bin_id in table_files.read("labelled_bins", listed)["bin"]]


def files_of_winners(wildcards):
    """The local files that the winners are read from. A file without a record must prove itself."""
    path = winners_path(wildcards.bin)
    DOUBT.proven(
        [path], lambda: room("winners").proves_itself(SOURCE, wildcards.bin, summary_path(wildcards.bin), path)
    )
    return SOURCE.scores_files(wildcards.bin)


def sampled_rois():
    """Bin to its ROIs in the sample; waits for the sample."""
    path = Path(checkpoints.sample_rois.get().output[0])
    return read_sample(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def read_sample(path, changed):
    sample = table_files.read("sample", path, ["roi", "bin"])
    return {bin_id: rows["roi"].tolist() for bin_id, rows in sample.groupby("bin")}


def subject_zips(wildcards):
    return [of_bin(CUT, ZIP, bin_id) for bin_id in sampled_rois()]


def files_of_subjects(wildcards):
    """The local files that subjects are cut from. A zip without a record must prove itself."""
    path = of_bin(CUT, ZIP, wildcards.bin)
    DOUBT.proven([path], lambda: room("subjects").proves_itself(path, stated(OF_SUBJECTS, wildcards)))
    return SOURCE.image_files(wildcards.bin)


# --- labels ---


def exports_of_zooniverse():
    of = VALIDATION.zooniverse
    if of.classifications:
        return room("zooniverse_labels").Exports(of.workflows, of.classifications, of.workflow_id, of.task, of.version)


def label_files(wildcards):
    """The files with labels. What is wrong with them is told by `labels_given`."""
    return [*room("labels").found_files(LABELS), *filter(None, ZOONIVERSE)]


def labels_given(wildcards=None):
    """Nothing. Ends a run that needs labels before it begins, if it cannot have any."""
    if LABELS != DEMO_LABELS:
        room("labels").check_given(LABELS, ZOONIVERSE, VALIDATION.label_map)
    return []
