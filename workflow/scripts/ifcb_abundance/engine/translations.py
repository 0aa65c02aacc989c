"""Keep the Python that the engine makes of a file of rules beside it, as Python does with a module.

The engine translates each file token by token, whenever it starts: so does each run, each dry run and each process of a
job.
"""

import marshal
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from types import CodeType

import snakemake

# Its code, the line in the file of each of its lines, and how many rules it has.
Translation = tuple[CodeType, dict[int, int], int]


def translation_of(rules: Path, translate: Callable[[], Translation]) -> Translation:
    """Return what was kept of a file of rules, or else translate it and keep that.

    translate: how to translate it as if no file came before it. The engine numbers the functions of rules that get
    their names in a loop, such as `draw_heat_map`, from one file to the next; it does not look for them by number.

    What is kept is good for these bytes of the file, this version of the engine and this Python. The file may have
    moved since. Nothing is kept where Python keeps no modules either, or where nothing can be written.
    """
    kept = Path(cache_from_source(str(rules)))
    versions = f"{snakemake.__version__} {MAGIC_NUMBER.hex()}\n"
    made_of = sha256(versions.encode() + rules.read_bytes()).digest()
    # There may be nothing, another program's file, or a part of ours.
    with suppress(OSError, EOFError, ValueError, TypeError):
        was_made_of, path, code, lines, count = marshal.loads(kept.read_bytes())
        if was_made_of == made_of:
            return _moved(code, path, str(rules)), lines, count
    translation = translate()
    if not sys.dont_write_bytecode:
        unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
        with suppress(OSError):
            kept.parent.mkdir(exist_ok=True)
            unfinished.write_bytes(marshal.dumps((made_of, str(rules), *translation)))
            unfinished.replace(kept)
    return translation


def _moved(code: CodeType, old: str, new: str) -> CodeType:
    """Return code with another path of its file. The engine writes the path into the code too."""
    if old == new:
        return code
    constants = (
        _moved(each, old, new) if isinstance(each, CodeType) else new if each == old else each
        for each in code.co_consts
    )
    return code.replace(co_filename=new, co_consts=tuple(constants))
