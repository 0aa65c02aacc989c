"""The command line: the options of panoptes_aggregation, messages of one sentence, exit statuses.

0: done, even if some rows were rejected. 1: nothing could be done; the message says why. 2: wrong options.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ifcb_abundance.common.errors import ConfigError, StateError, WorkflowInputError

PROGRAM = "python workflow/scripts/zooniverse.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except WorkflowInputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {error.filename or 'a file'} cannot be used: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped: no table was changed", file=sys.stderr)
        return 130
    else:
        return 0
    return 1


def _config(options: argparse.Namespace) -> None:
    from ifcb_abundance.validation.zooniverse.config import Versions, write_configs

    exact = options.version
    if options.minor_version is not None:
        if exact is None or "." in exact:
            raise ConfigError("--minor_version needs --version with the major version alone, as in -v 52 -m 76")
        exact = f"{exact}.{options.minor_version}"
    versions = Versions(exact, options.min_version, options.max_version)
    made = write_configs(options.workflow_csv, options.workflow_id, versions, options.keywords, _folder(options.dir))
    for note in made.notes:
        print(f"note: {note}", file=sys.stderr)
    for name in made.files:
        print(f"wrote {Path(options.dir) / name}")
    if options.verbose:
        extractor = next(iter(made.files.values()))
        print(f"workflow {extractor['workflow_id']}, version {extractor['workflow_version']}")


def _extract(options: argparse.Namespace) -> None:
    from ifcb_abundance.validation.zooniverse.extract import extract

    made = extract(
        options.classification_csv,
        options.extractor_config,
        _name(options.output),
        _folder(options.dir),
        options.cpu_count,
        options.verbose,
        options.hide_bar,
    )
    _tell(made.tables, made.rejected.told(options.classification_csv))


def _reduce(options: argparse.Namespace) -> None:
    from ifcb_abundance.validation.zooniverse.reduce import ReduceOptions, reduce

    made = reduce(
        options.extracted_csv,
        options.reducer_config,
        _name(options.output),
        _folder(options.dir),
        ReduceOptions(
            which=options.filter,
            processes=options.cpu_count,
            resume=options.stream,
            hidden=options.hide_bar,
            plots=None if options.plot is None else Path(options.plot),
            plotted=options.plot_subjects,
        ),
    )
    _tell([made.table, *made.plots], made.rejected)


def _tell(files: Sequence[Path], rejected: str) -> None:
    for path in files:
        print(f"wrote {path}")
    if rejected:
        print(f"note: {rejected}", file=sys.stderr)


def _folder(given: str) -> Path:
    folder = Path(given)
    if not folder.is_dir():
        raise StateError(f"there is no folder {given}")
    return folder


def _name(given: str) -> str:
    """The name of the output without its ending. Raises ConfigError if it is a path."""
    name = given.removesuffix(".csv") if given.endswith(".csv") else str(Path(given).with_suffix(""))
    if not name or name != Path(name).name:
        raise ConfigError(f"--output {given!r} must be a name; use --dir for the folder")
    return name


def _keywords(text: str) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(of_task, dict) for of_task in found.values()):
        raise argparse.ArgumentTypeError('it must be JSON such as {"T0": {"dot_freq": "line"}}')
    return found


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_positive.__name__ = "positive number"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Turn Zooniverse exports into votes.")
    commands = parser.add_subparsers(required=True, metavar="config|extract|reduce")

    _add_config(commands)
    for command in (_add_extract(commands), _add_reduce(commands)):
        command.add_argument(
            "-O", "--order", action="store_true", help="no effect: data columns are always alphabetical"
        )
        command.add_argument("-c", "--cpu_count", type=_positive, default=1, metavar="N", help="processes (default: 1)")
        command.add_argument("-hb", "--hide_bar", action="store_true", help="do not show progress")
    return parser


def _add_config(commands: Any) -> None:
    config = _command(
        commands,
        "config",
        "Make the config files of a workflow.",
        f"{PROGRAM} config workflows.csv 6465 -v 52 -m 76",
    )
    config.set_defaults(run=_config)
    config.add_argument("workflow_csv", help="the export of workflows")
    config.add_argument("workflow_id", type=int)
    config.add_argument("-v", "--version", help="52: all of 52; 52.76: only this one; default: the newest one")
    config.add_argument("-m", "--minor_version", type=int, help="-v 52 -m 76 is -v 52.76")
    config.add_argument("--min_version", metavar="VERSION", help="the first of a range of versions")
    config.add_argument("--max_version", metavar="VERSION", help="the last one; 52 includes all of 52")
    config.add_argument(
        "-k", "--keywords", type=_keywords, default={}, metavar="JSON", help="further keywords for extractors, by task"
    )
    config.add_argument("-vv", "--verbose", action="store_true", help="print the version")


def _add_extract(commands: Any) -> argparse.ArgumentParser:
    extract = _command(
        commands,
        "extract",
        "Make a table of answers for each extractor of the config.",
        f"{PROGRAM} extract classifications.csv Extractor_config_workflow_6465_V52.76.yaml -o example",
    )
    extract.set_defaults(run=_extract)
    extract.add_argument("classification_csv", help="the export of classifications")
    extract.add_argument("extractor_config", help="the extractor's config file")
    extract.add_argument("-o", "--output", default="extractions", metavar="NAME", help="tables: EXTRACTOR_NAME.csv")
    extract.add_argument("-vv", "--verbose", action="store_true", help="print each row that cannot be used")
    return extract


def _add_reduce(commands: Any) -> argparse.ArgumentParser:
    reduce = _command(
        commands,
        "reduce",
        "Make one row for each subject and task from the answers.",
        f"{PROGRAM} reduce question_extractor_example.csv Reducer_config_workflow_6465_V52.76_question_extractor.yaml"
        " -o example",
    )
    reduce.set_defaults(run=_reduce)
    reduce.add_argument("extracted_csv", help="a table of answers")
    reduce.add_argument("reducer_config", help="the reducer's config file")
    reduce.add_argument(
        "-F",
        "--filter",
        choices=("first", "last", "all"),
        default="first",
        help="which classifications count if a person classified a subject more than once",
    )
    reduce.add_argument("-s", "--stream", action="store_true", help="continue where a run with -s was stopped")
    reduce.add_argument("-o", "--output", default="reductions", metavar="NAME", help="the table: REDUCER_NAME.csv")
    reduce.add_argument(
        "--plot", metavar="FOLDER", help="draw marks and clusters of the first subjects into this folder, as PNG"
    )
    reduce.add_argument(
        "--plot_subjects", type=_positive, default=20, metavar="N", help="how many subjects to draw (default: 20)"
    )
    return reduce


def _command(commands: Any, name: str, description: str, example: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=description,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("-d", "--dir", default=".", help="the folder for the files (default: this one)")
    return command
