"""What every section of the config has in common: how a key is declared, and how its value is read."""

import re
from collections.abc import Hashable, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.fields import FieldInfo

from ifcb_abundance.common.strict_csv import number

T = TypeVar("T", bound=Hashable)


class Section(BaseModel):
    """A mapping of the config: unknown keys are refused, and each key has a default.

    A section is also written as it stands into run.json, so a whole number stays one where any number would do.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        regex_engine="python-re",
        serialize_by_alias=True,
        validate_default=True,
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _read(cls, given: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        declared = cls.model_fields[info.field_name or ""]
        if type(given) is int and any(getattr(each, "pattern", None) for each in declared.metadata):
            given = str(given)
        return read(given, check, declared.annotation)


def read(given: Any, check: ValidatorFunctionWrapHandler, kind: Any) -> Any:
    """A value of a type, checked; raises what the check raises."""
    given = as_asked_for(given, kind)
    value = check(given)
    return given if type(given) is int and type(value) is float else value


def key(default: Any, description: str, notes: str = "", **bounds: Any) -> Any:
    """A key of a section.

    description: its first words say what is accepted. They end the message when a value cannot be used. notes: what
    else config/README.md says of it, in Markdown. bounds: as `pydantic.Field` takes them.
    """
    if notes:
        bounds["json_schema_extra"] = {"markdownDescription": f"{description}. {notes}"}
    return Field(default, description=description, **bounds)


def section(description: str, notes: str = "") -> Any:
    """A section within another, which is optional. description, notes: as in `key`."""
    return key({}, description, notes)


def _each_once(values: list[T]) -> list[T]:
    if len(set(values)) < len(values):
        raise ValueError("a duplicate entry")
    return values


EachOnce = Annotated[list[T], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]


def fields(model: type[Section] | None) -> dict[str, FieldInfo]:
    """The keys of a section, as they are written in a config."""
    return {info.alias or name: info for name, info in model.model_fields.items()} if model else {}


def section_of(info: FieldInfo) -> type[Section] | None:
    """The section that a key holds, or that each of its names holds; None for a key with a value."""
    kind = get_args(info.annotation)[1] if has_names(info) else info.annotation
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, Section)), None)


def has_names(info: FieldInfo) -> bool:
    """Whether a key holds a mapping of names, which the user chooses, to sections."""
    return get_origin(info.annotation) is dict


def find(path: Sequence[str], model: type[Section]) -> FieldInfo:
    """A key by its path below a section, such as `("source", "url")`; KeyError if there is none.

    Where a key holds names, the path has one: `("stores", "fib25", "url")`.
    """
    parts = iter(path)
    for part in parts:
        info = fields(model)[part]
        model = section_of(info) or Section
        if has_names(info):
            next(parts, None)
    return info


def as_asked_for(given: Any, kind: Any) -> Any:
    """A value in the type that a key asks for, if it can be read so; else as it is.

    `--config select='{instruments: [10]}'` hands over text at all depths, `--config dataset=2024` a number.
    """
    kinds = _kinds(kind)
    if isinstance(given, list):
        items = [item for each in kinds if get_origin(each) is list for item in get_args(each)]
        return [as_asked_for(value, items[0] if items else None) for value in given]
    # A str among the kinds is an option of a Literal.
    takes_text = str in kinds or (given in kinds if float in kinds else any(isinstance(each, str) for each in kinds))
    if isinstance(given, str) and (given == "null" or not takes_text):
        given = _scalar(given)
    if type(given) is int and kinds == (str,):
        return str(given)
    return int(given) if isinstance(given, float) and int in kinds and given.is_integer() else given


def _kinds(kind: Any) -> tuple[Any, ...]:
    """The types that a union is of, or the options of a Literal; else the type itself."""
    if get_origin(kind) is Annotated:
        return _kinds(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return tuple(each for option in get_args(kind) for each in _kinds(option))
    return get_args(kind) if get_origin(kind) is not list and get_args(kind) else (kind,)


def _scalar(text: str) -> Any:
    """The number, truth value or null that the text says; else the text itself."""
    if re.fullmatch("[+-]?[0-9]{1,18}", text):
        return int(text)
    try:
        return number(text)
    except ValueError:
        return {"true": True, "false": False, "null": None}.get(text.lower(), text)
