# Which bins the rules of validation need, and which files with labels. This file has no rule.
from functools import lru_cache

from ifcb_abundance.common.folders import stamp


def winners_path(bin_id):
    return of_bin(LAYOUT.rois, SUMMARY, bin_id)


def drawn_winners(wildcards):
    """The winners of the bins that ROIs are drawn from."""
    draws = checkpoints.draw_bins.get().output[0]
    return [winners_path(bin_id) for bin_id in sorted(set(table_files.read("draws", draws)["bin"]))]


def labelled_winners(wildcards):
    """The winners of the used bins that have labels.

    A rule with this input needs the list as an input too. Otherwise the engine may read the list of the run before, and
    not make it again, although the ledger changes in this run.
    """
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
    rois = {bin_id: rows["roi"].tolist() for bin_id, rows in sample.groupby("bin")}
    return Named("validation: the sample has no ROI of the bin", rois)


def subject_zips(wildcards):
    return [of_bin(CUT, ZIP, bin_id) for bin_id in sampled_rois()]


def files_of_subjects(wildcards):
    """The local files that subjects are cut from. A zip without a record must prove itself."""
    path = of_bin(CUT, ZIP, wildcards.bin)
    DOUBT.proven([path], lambda: room("subjects").proves_itself(path, stated(OF_SUBJECTS, wildcards)))
    return SOURCE.image_files(wildcards.bin)


def about_winners(wildcards=None):
    """Nothing. Ends a run of validation before it begins if the config's classes are not those of winners."""
    if why := choices.why_no_validation(CONFIG, SOURCE):
        raise ConfigError(why)
    return []


# --- labels ---


def exports_of_zooniverse():
    of = VALIDATION.zooniverse
    if of.classifications:
        return room("zooniverse_labels").Exports(of.workflows, of.classifications, of.workflow_id, of.task, of.version)


def label_files(wildcards):
    """The files with labels, which are checked."""
    labels_given()
    return [*sorted(room("labels").label_files(LABELS, must_exist=False)), *filter(None, ZOONIVERSE)]


def stamps_of_labels(wildcards):
    """What tells the files with labels from others in their place. The demo's own are made by the run."""
    return [] if LABELS == DEMO_LABELS else list(map(stamp, label_files(wildcards)))


def labels_given(wildcards=None):
    """Nothing. Ends a run that needs labels before it begins, if it cannot have any.

    An input of targets too: what a rule's function raises is no fault to the engine if the rule's files are there.
    """
    about_winners()
    labels = room("labels")
    if LABELS != DEMO_LABELS:  # those are made
        labels.check_given(LABELS, ZOONIVERSE)
    labels.check_label_map(VALIDATION.label_map)
    return []
