"""What is made of the config's model: the JSON schema for editors, and the table of keys in config/README.md.

`make config-docs` writes both, by `python -m ifcb_abundance.config.documents`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from ifcb_abundance.config.model import WORKFLOW, Config
from ifcb_abundance.config.section import Section, fields, has_names, section_of

SCHEMA = Path(__file__).parent / "config.schema.json"
README = WORKFLOW / "config" / "README.md"
BEGIN, END = "<!-- keys: made by `make config-docs` -->\n", "<!-- end of keys -->\n"


class _Schema(GenerateJsonSchema):
    """A schema without a title for each key, which would only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def schema() -> str:
    """The JSON schema of a config file, as text."""
    found = Config.model_json_schema(schema_generator=_Schema)
    found = {"$schema": GenerateJsonSchema.schema_dialect, **found, "title": "Config of the ifcb-abundance workflow"}
    found["allOf"] = [_needs(kind, keys) for kind, keys in Config.NEEDS.items()]
    return json.dumps(found, indent=2) + "\n"


def _needs(kind: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """What a kind of source needs, as a condition of the schema."""
    of_kind: dict[str, Any] = {"properties": {"kind": {"const": kind}}, "required": ["kind"]}
    needed: dict[str, Any] = {}
    for section, name in (key.split(".") for key in keys):
        of_section = needed.setdefault(section, {"properties": {}})
        of_section["properties"][name] = {"type": "string"}
    return {"if": {"properties": {"source": of_kind}, "required": ["source"]}, "then": {"properties": needed}}


def table() -> str:
    """The keys in Markdown: name, default, and what they mean."""
    rows = [
        f"| `{key}` | {'' if info.is_required() else f'`{json.dumps(info.default)}`'} | {meaning(info)} |"
        for key, info in keys(Config)
        if not section_of(info) or info.json_schema_extra
    ]
    return "\n".join(["| key | default | accepted, and its meaning |", "|---|---|---|", *rows]) + "\n"


def keys(model: type[Section], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All keys with their full names, those of sections included."""
    for name, info in fields(model).items():
        yield above + name, info
        if inner := section_of(info):
            yield from keys(inner, f"{above}{name}.{'{name}.' if has_names(info) else ''}")


def meaning(info: FieldInfo) -> str:
    """A description in Markdown: its first words are what is accepted, in quotes as in a message."""
    description = info.description or ""
    extra = info.json_schema_extra
    notes = str(extra.get("markdownDescription", "")) if isinstance(extra, dict) else ""
    marked = re.sub(r"(?<![\w'])'([^' ]+)'", r"`\1`", description)
    marked = re.sub(r"(?<!\S)[^\s`(]*(?:{|\w_\w)[^\s`]*?(?=[,;:.)]*(?:\s|$))", r"`\g<0>`", marked)
    return marked + notes.removeprefix(description)


def readme(text: str) -> str:
    """The text of config/README.md with the table of keys as it has to be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    SCHEMA.write_text(schema(), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")
