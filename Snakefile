# Daily plankton abundance from the classifier scores of an Imaging FlowCytobot.
#
#   source -> catalog -> bin summaries -> days -> merged table
#
# README.md says how to run it, config/README.md what can be set.
from snakemake.utils import min_version

min_version("9.17.3")


configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/checkout.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/days.smk"
include: "workflow/rules/proofs.smk"
include: "workflow/rules/settled.smk"
include: "workflow/rules/state.smk"
include: "workflow/rules/aside.smk"
include: "workflow/rules/engine.smk"
include: "workflow/rules/demo.smk"
include: "workflow/rules/shards.smk" if SHARDS else "workflow/rules/catalog.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/abundance.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/compute.smk"
include: "workflow/rules/image_inputs.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/curation.smk"
include: "workflow/rules/arrays.smk"
include: "workflow/rules/volumes.smk"
include: "workflow/rules/training_set.smk"
include: "workflow/rules/validation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/test_results.smk"
include: "workflow/rules/recheck.smk"
include: "workflow/rules/stores.smk"
include: "workflow/rules/archive.smk"


rule all:
    """Build all results that the config asks for: the default."""
    default_target: True
    input:
        targets(),
        parts,
        labels_given if CONFIG.validation.make else [],
    localrule: True
    message:
        "Everything that the config asks for is built."


onstart:
    on_start()


onsuccess:
    on_success()


onerror:
    on_error()
