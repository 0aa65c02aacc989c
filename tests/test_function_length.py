"""How long functions are. ruff counts their branches and arguments (pyproject.toml), but no lines."""

import ast
from pathlib import Path

from tests.checkout import ROOT

LINES_MOST = 60


def test_no_function_is_longer_than_a_screen() -> None:
    files = [path for folder in ("workflow", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    assert [found for path in files for found in long_functions(path)] == []


def test_a_longer_function_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    body = "    pass\n" * (LINES_MOST - 1)
    module.write_text(f"def long():\n{body}    pass\n\n\ndef short():\n{body}")
    assert long_functions(module) == [f"{module}: long has 61 lines"]


def long_functions(path: Path) -> list[str]:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = [(node.name, node.end_lineno - node.lineno + 1) for node in functions if node.end_lineno]
    return [f"{path}: {name} has {lines} lines" for name, lines in lengths if lines > LINES_MOST]
