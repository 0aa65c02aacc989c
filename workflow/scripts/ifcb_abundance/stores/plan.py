"""Plans what is fetched of a store, and refuses a plan that is larger than its budget or than the disk has room for."""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ifcb_abundance.common.errors import StateError, WorkflowInputError
from ifcb_abundance.common.key_patterns import any_of
from ifcb_abundance.common.words import counted, sized, sized_exactly
from ifcb_abundance.sources.objects import StoredObject
from ifcb_abundance.stores.inventory import Census, largest
from ifcb_abundance.stores.object_tables import is_one_file, read_objects, write_objects
from ifcb_abundance.stores.tree import Places

log = logging.getLogger("ifcb.plan")

LARGEST = 5  # folders that a refusal names


class BudgetError(WorkflowInputError):
    """More would be fetched than the config allows, or nothing at all."""


@dataclass(frozen=True)
class Choice:
    """What is wanted of a store. name: its name. include, exclude: patterns of keys. max_bytes: the budget."""

    name: str
    include: Sequence[str]
    exclude: Sequence[str]
    max_bytes: int

    def matcher(self) -> Callable[[str], bool]:
        """Whether a key is wanted."""
        include, exclude = any_of(self.include), any_of(self.exclude)
        return lambda key: bool(include.fullmatch(key)) and not exclude.fullmatch(key)


def plan_fetch(inventory: str | Path, choice: Choice, plan: str | Path) -> None:
    """Write plan.parquet, the files of an inventory that are wanted, and say how many bytes they have.

    They will lie beside the plan; what is there already takes no further room. Raises BudgetError if they are more
    than the budget, or none; StateError if the disk has less room. There is no plan then.
    """
    wanted = choice.matcher()
    places = Places(Path(plan).parent)
    census = Census()
    missing = listed = files = size = 0

    def chosen() -> Iterator[list[StoredObject]]:
        nonlocal missing, listed, files, size
        for block in read_objects(inventory):
            listed += len(block)
            block = [found for found in block if wanted(found.key)]
            census.count(block)
            files, size = files + len(block), size + sum(found.size for found in block)
            missing += places.missing_bytes(block)
            yield block
        _refuse(choice, files, listed, size, census)
        refuse_without_room(choice.name, missing, places.folder)

    write_objects(chosen(), plan, lambda: is_one_file(inventory))
    there = f"; {sized(size - missing)} of it are there already" if missing < size else ""
    log.info(
        f"{choice.name}: {counted(files, 'file')} of {listed:,}, {sized_exactly(size)} to fetch; the budget is "
        f"{sized_exactly(choice.max_bytes)}{there}"
    )


def refuse_without_room(name: str, missing: int, folder: Path) -> None:
    """Raise StateError if the disk of a folder, which need not be there, has less room than that many bytes."""
    folder = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise StateError(
            f"stores.{name}: {sized_exactly(missing)} are to be fetched, but the disk of {folder} has "
            f"{sized(free)} of room. Make room, or narrow include and exclude. Nothing more was fetched"
        )


def _refuse(choice: Choice, files: int, listed: int, size: int, census: Census) -> None:
    """Raise BudgetError if the plan is empty or too large."""
    if not files:
        raise BudgetError(
            f"stores.{choice.name}: none of {counted(listed, 'file')} matches include {list(choice.include)} and "
            f"exclude {list(choice.exclude)}. ** crosses folders, * does not"
        )
    if size > choice.max_bytes:
        folders = "; ".join(largest(census.folders(), LARGEST)) or "none: all files lie at the top"
        raise BudgetError(
            f"stores.{choice.name}.max_bytes: the plan has {counted(files, 'file')} with "
            f"{sized_exactly(size)}, but the budget is {sized_exactly(choice.max_bytes)}. The largest folders"
            f": {folders}. Narrow include and exclude, or raise max_bytes. Nothing was fetched"
        )
