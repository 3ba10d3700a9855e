"""A notebook's cells as Python trees, the names in them that stand for one text, and expressions that give one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from athena_lab.warehouse.lineage.constants import MAX_TEXT
from athena_lab.warehouse.lineage.notebook import PYTHON_MAGICS, parse_cell

_ALONE = re.compile(r"(?<!\S)[^\W\d]\w*(?!\S)")
"""The words of a magic's line among which is the name that it binds."""


def trees_of(sources: Iterable[str]) -> list[ast.Module]:
    """Parse cells, and the Python within `%%time` and its like; a cell that is not Python has an empty tree."""
    return [_opened(parse_cell(source) or ast.Module([], [])) for source in sources]


def _opened(tree: ast.Module) -> ast.Module:
    body: list[ast.stmt] = []
    for statement in tree.body:
        magic = next(magics_of([statement]), None)
        if magic is None or magic[0] not in PYTHON_MAGICS or len(magic) < 3:
            body.append(statement)
            continue
        inner = parse_cell(magic[2])
        body += _opened(inner).body if inner is not None else []
    tree.body = body
    return tree


def magics_of(nodes: Iterable[ast.AST]) -> Iterator[list[str]]:
    """Give the texts of each call of `get_ipython()`: of a cell magic its name, its line and its body."""
    for node in nodes:
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                if ast.unparse(call.func.value) != "get_ipython()":
                    continue
                texts = [item.value for item in call.args if isinstance(item, ast.Constant)]
                words = [text for text in texts if isinstance(text, str)]
                yield words if call.func.attr == "run_cell_magic" else [call.func.attr, *words]


def constants_of(trees: Sequence[ast.Module], parameters: Iterable[int]) -> dict[str, str]:
    """Give the names that are bound once in the whole notebook, to a text; a run may change those of `parameters`."""
    bound = Counter(_bound(trees))
    if bound["*"] or any(magic[:2] == ["run_line_magic", "run"] for magic in magics_of(trees)):
        return {}  # whatever comes from elsewhere may have these names too
    kept = [tree for index, tree in enumerate(trees) if index not in set(parameters)]
    found: dict[str, str] = {}
    for name, value in _assigned(kept):
        text = text_of_expression(value, found)
        if text is not None and bound[name] == 1:
            found[name] = text
    return found


def _bound(trees: Sequence[ast.Module]) -> Iterator[str]:
    for tree in trees:
        for node in ast.walk(tree):
            yield from _bound_by(node)
    for magic in magics_of(trees):
        yield from _ALONE.findall(" ".join(magic[1:2]))


def _bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).split(".")[0]
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        yield node.name or ""


def _assigned(trees: Iterable[ast.Module]) -> Iterator[tuple[str, ast.expr]]:
    for statement in (item for tree in trees for item in tree.body):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            yield statement.target.id, statement.value
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            yield from _unpacked(statement.targets[0], statement.value)


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        is_fit = len(target.elts) == len(value.elts)
        for one, item in zip(target.elts, value.elts, strict=False) if is_fit else ():
            yield from _unpacked(one, item)


def text_of_expression(node: ast.expr, known: Mapping[str, str]) -> str | None:
    """Give the text that an expression of literals and constants makes, None for any other."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.JoinedStr):
        return _joined(node.values, known)
    if isinstance(node, ast.FormattedValue) and node.conversion == -1 and node.format_spec is None:
        return text_of_expression(node.value, known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([node.left, node.right], known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        given = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
        return _filled(lambda template, *items: template % items, [node.left, *given], known)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        names = [item.arg for item in node.keywords]
        given = [node.func.value, *node.args, *(item.value for item in node.keywords)]
        return _filled(lambda template, *items: _formatted(template, items, names), given, known)
    return None


def _joined(nodes: Sequence[ast.expr], known: Mapping[str, str]) -> str | None:
    return _filled(lambda *texts: "".join(texts), nodes, known)


def _filled(make: Callable[..., str], nodes: Sequence[ast.expr], known: Mapping[str, str]) -> str | None:
    texts = [text_of_expression(node, known) for node in nodes]
    if None in texts or sum(len(text or "") for text in texts) > MAX_TEXT:
        return None
    try:
        made = make(*texts)
    except (TypeError, ValueError, LookupError, AttributeError):
        return None
    return made if len(made) <= MAX_TEXT else None


def _formatted(template: str, items: Sequence[str], names: Sequence[str | None]) -> str:
    count = len(items) - len(names)
    if None in names or ":" in template:  # widths and the like
        raise ValueError("not followed")
    return template.format(*items[:count], **dict(zip((str(name) for name in names), items[count:], strict=True)))
