"""Every reason that can keep a gate closed is met by a test that names it."""

import ast
import re
from pathlib import Path

from pod.domain.access import REASONS

ROOT = Path(__file__).parents[2]
SOURCES = tuple(ROOT / name for name in ("pod/domain", "pod/services", "pod/gate", "sync/protocol"))
OPENS = {"listed", "by_hand"}
"""The reasons that only an opening gives."""


def texts_in(tree: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_every_reason_to_keep_the_gate_closed_is_named_by_a_test() -> None:
    tests = (ast.parse(path.read_text()) for path in (ROOT / "tests").rglob("test_*.py"))
    named = set().union(*map(texts_in, tests))
    assert set(REASONS) - OPENS - named == set()


def test_every_reason_is_given_by_a_function_and_told_in_a_sentence() -> None:
    modules = (ast.parse(path.read_text()) for folder in SOURCES for path in folder.rglob("*.py"))
    functions = (node for module in modules for node in ast.walk(module) if isinstance(node, ast.FunctionDef))
    assert set(REASONS) - set().union(*map(texts_in, functions)) == set()
    assert [s for s in REASONS.values() if not re.fullmatch(r"[A-Z][^\n]+[.]", s)] == []
