"""The engine's words for errors: what remains of them, and what stays unchanged."""

import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.exceptions import RuleException, WorkflowError, print_exception
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from ifcb_abundance.common.errors import ConfigError, ScoresError
from ifcb_abundance.common.job_log import TOLD, logged
from ifcb_abundance.engine.ending import same_config
from ifcb_abundance.engine.log import NOT_COMPLETE, Sentences, count_failed


@pytest.fixture
def sentences() -> Iterator[Sentences]:
    made = Sentences()
    logger.addFilter(made)
    yield made
    logger.removeFilter(made)


@pytest.fixture
def said(sentences: Sentences) -> Iterator[list[str]]:  # noqa: ARG001
    """What gets through the filter to the terminal."""
    texts: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: texts.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield texts
    logger.setLevel(level)
    logger.removeHandler(handler)


def fail_as_a_rule_does(error: BaseException) -> None:
    """As the engine does: what a rule raised is wrapped, printed, and the job reported as failed."""
    try:
        try:
            raise error
        except Exception:
            raise RuleException("ScoresError in file scores.smk, line 20:\n ...") from None
    except RuleException as wrapped:
        print_exception(wrapped)
        report_failed_job()


def report_failed_job(*logs: Path) -> None:
    fields = {"event": LogEvent.JOB_ERROR, "jobid": 7, "log": list(map(str, logs))}
    logger.error("Error in rule summarize_scores, jobid: 7", extra=fields)
    logger.info("Trying to restart job 7.")


def test_an_error_of_ours_is_a_sentence_once(said: list[str]) -> None:
    for _ in range(3):
        fail_as_a_rule_does(ScoresError("bin A: no"))
    fail_as_a_rule_does(ScoresError("bin B: no"))
    assert said == ["bin A: no", "bin B: no"]


def test_a_bug_keeps_what_the_engine_knows_of_it(said: list[str]) -> None:
    fail_as_a_rule_does(KeyError("a slip"))
    assert "scores.smk, line 20" in said[0]
    assert said[1:] == ["Error in rule summarize_scores, jobid: 7", "Trying to restart job 7."]
    del said[:]
    try:
        raise ConfigError("dealt with")
    except ConfigError:
        fail_as_a_rule_does(KeyError("a slip while it was dealt with"))
    assert "scores.smk, line 20" in said[0]


def test_a_job_of_another_process_is_told_from_its_log(said: list[str], tmp_path: Path) -> None:
    def fail(error: Exception) -> None:
        raise error

    log = tmp_path / "job.log"
    with pytest.raises(ScoresError):
        logged(str(log), fail, ScoresError("bin A: no"))
    try:
        raise subprocess.CalledProcessError(TOLD, "python script.py")
    except subprocess.CalledProcessError as error:
        print_exception(error)
        report_failed_job(log)
    assert said == ["bin A: no"]
    report_failed_job(tmp_path / "none.log")  # killed, say
    assert said[1:] == ["Error in rule summarize_scores, jobid: 7"]


def test_the_process_of_one_job_leaves_to_the_other_what_its_log_has(said: list[str], sentences: Sentences) -> None:
    sentences.of_one_job = True
    in_log, not_in_log = ScoresError("bin A: no"), ScoresError("bin B: no")
    in_log.in_log = True
    fail_as_a_rule_does(in_log)
    fail_as_a_rule_does(not_in_log)
    assert said == ["bin B: no"]


def test_the_command_for_something_else_has_the_config_of_the_run() -> None:
    here = Path.cwd()
    configs, entries = [here / "my.yaml", here / "b.yaml"], ["classify={threshold: 0.5}"]
    told = same_config(["report"], str(here / "Snakefile"), configs, entries, moved=False)
    options = "--cores 8 --configfile my.yaml b.yaml --config 'classify={threshold: 0.5}'"
    assert told == f"snakemake report {options}"
    told = same_config(["--force", "a b.csv"], str(here / "clone" / "Snakefile"), [], [], moved=False)
    assert told == "snakemake --force 'a b.csv' --snakefile clone/Snakefile --cores 8"
    # With --directory the run is elsewhere, and whoever reads it is still where the run was started.
    told = same_config(["report"], "/clone/Snakefile", ["/home/my.yaml"], [], moved=True)
    options = f"--snakefile /clone/Snakefile --cores 8 --directory {here} --configfile /home/my.yaml"
    assert told == f"snakemake report {options}"


def test_the_end_is_said_by_the_engine_unless_the_workflow_did(said: list[str], sentences: Sentences) -> None:
    for summed_up in (False, True):
        sentences.summed_up = summed_up
        try:
            raise WorkflowError(NOT_COMPLETE)
        except WorkflowError as error:
            print_exception(error)
        assert len(said) == 1
        assert said[0].startswith(f"WorkflowError:\n{NOT_COMPLETE}")


def test_failed_jobs_are_counted_in_words() -> None:
    def jobs(*names: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(wildcards={name: "x"} if name else {}) for name in names]

    assert count_failed(jobs("bin")) == "1 bin failed."
    assert count_failed(jobs(*["bin"] * 1200)) == "1,200 bins failed."
    assert count_failed(jobs("")) == "1 job failed."
    assert count_failed(jobs("date", "date", "")) == "2 days and 1 other job failed."
    assert count_failed(jobs("bin", "date", "", "")) == "1 bin, 1 day and 2 other jobs failed."
