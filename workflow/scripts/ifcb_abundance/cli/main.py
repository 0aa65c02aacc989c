"""The parser of the command line. Commands import what they need when they run, so that `--help` is there at once."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence

import shtab

from ifcb_abundance.common.errors import WorkflowInputError
from ifcb_abundance.common.version import NAME, VERSION

ABOUT = "Daily plankton abundance per class from Imaging FlowCytobot (IFCB) classifier scores."
EXAMPLES = """\
examples:
  ifcb-abundance init https://ifcb-data.whoi.edu --dataset mvco
  ifcb-abundance init /data/ifcb -o my.yaml
  ifcb-abundance plan my.yaml
  ifcb-abundance run my.yaml
  ifcb-abundance run my.yaml figures --dry-run
  ifcb-abundance targets

`run` is `snakemake --cores 8 --configfile my.yaml`, which it prints first. Both give the same bytes.
Completion of the shell: eval "$(ifcb-abundance --print-completion bash)", in ~/.bashrc; or zsh, tcsh, fish.
"""
OF_INIT = """\
examples:
  ifcb-abundance init https://ifcb-data.whoi.edu
  ifcb-abundance init https://ifcb-data.whoi.edu --dataset mvco --start 2024-02-15 --end 2024-02-21
  ifcb-abundance init s3://my-bucket/ifcb --anonymous --yes

It asks at most five questions. With --yes, or where standard input is no terminal, it asks none and takes the answers
that it would suggest.
"""
OF_PLAN = """\
examples:
  ifcb-abundance plan my.yaml
  ifcb-abundance plan my.yaml --sample 20

It lists the bins of the window and reads the class scores of a few of them. It writes nothing.
"""
OF_RUN = """\
examples:
  ifcb-abundance run my.yaml
  ifcb-abundance run my.yaml figures
  ifcb-abundance run my.yaml --dry-run
  ifcb-abundance run my.yaml report --cores 2 --config 'classify={threshold: 0.5}'

Without a target it makes what the config asks for; `ifcb-abundance targets` lists what else can be made. All from the
first dash on is handed to Snakemake as it is.
"""
ORDER_OF_RUN = """\
The config stands first and without --configfile, then targets, then options:
  ifcb-abundance run my.yaml figures --cores 8"""
OF_TARGETS = """\
examples:
  ifcb-abundance targets
  ifcb-abundance targets --files
"""


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(prog=NAME, description=ABOUT, epilog=EXAMPLES, formatter_class=raw)
    top.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    shtab.add_argument_to(top, ["--print-completion"], help="print the completion for a shell")
    commands = top.add_subparsers(dest="command", metavar="init|plan|run|targets", required=True)

    init = commands.add_parser(
        "init", help="look what there is, and write my.yaml", epilog=OF_INIT, formatter_class=raw
    )
    init.add_argument("place", metavar="URL|FOLDER|s3://BUCKET/PREFIX", help="a dashboard, or an archive of bins")
    init.add_argument("--dataset", help="name of the dataset; with a dashboard, one that it has")
    init.add_argument("--start", metavar="DAY", help="first UTC day, YYYY-MM-DD")
    init.add_argument("--end", metavar="DAY", help="last UTC day, YYYY-MM-DD")
    init.add_argument(
        "--instruments", metavar="N", nargs="+", help="instruments, by number or name, as 10 or IFCB10; without: all"
    )
    init.add_argument("-o", "--output", metavar="FILE", help="the config that is written (my.yaml)")
    init.add_argument(
        "--scores-format",
        metavar="FORM",
        help="of a folder or bucket: which class scores are read if there are several",
    )
    init.add_argument("--endpoint-url", metavar="URL", help="of a bucket: an S3-compatible server")
    init.add_argument("--anonymous", action="store_true", help="of a bucket: a public one, without credentials")
    init.add_argument("--force", action="store_true", help="replace a config that is there")
    init.add_argument("--yes", action="store_true", help="ask nothing")

    plan = commands.add_parser(
        "plan", help="what a run would read and build; writes nothing", epilog=OF_PLAN, formatter_class=raw
    )
    _config(plan)
    plan.add_argument(
        "--sample", metavar="N", type=_whole_number, default=5, help="bins whose class scores are read (5)"
    )

    run = commands.add_parser(
        "run",
        help="run Snakemake with the config",
        usage=f"{NAME} run [-h] my.yaml [TARGET ...] [OPTION ...]",
        epilog=OF_RUN,
        formatter_class=raw,
    )
    _config(run)
    rest = run.add_argument(
        "rest", metavar="TARGET|OPTION", nargs=argparse.REMAINDER, help="targets, then options of Snakemake"
    )
    rest.required = False

    targets = commands.add_parser("targets", help="list what can be built", epilog=OF_TARGETS, formatter_class=raw)
    targets.add_argument("--files", action="store_true", help="list the tables too, which are targets by their path")
    return top


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be used. Accepted: a whole number, 0 or more")
    return int(text)


def _config(command: argparse.ArgumentParser) -> None:
    action = command.add_argument("config", metavar="my.yaml", help="the config")
    action.complete = shtab.FILE  # type: ignore[attr-defined]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status. An error that a user can mend is one message."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["run"] and words[1:] and words[1].startswith("-") and words[1] not in ("-h", "--help"):
        print(ORDER_OF_RUN, file=sys.stderr)
        return 2
    given = parser().parse_args(words)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        status = _command(given)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads, such as `head`, has enough; the end of Python would try once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except WorkflowInputError as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("stopped: nothing was written", file=sys.stderr)
        return 130
    return status


def _command(given: argparse.Namespace) -> int:
    if given.command == "init":
        from ifcb_abundance.cli import init

        return init.init(init.Wishes.of(given))
    if given.command == "plan":
        from ifcb_abundance.cli import plan

        return plan.plan(given.config, given.sample)
    if given.command == "run":
        from ifcb_abundance.cli import run

        return run.run(given.config, given.rest)
    from ifcb_abundance.cli import targets

    return targets.targets(given.files)
