"""What else a literal is used for than as a table: followed through names, functions and lists, whatever the order."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from athena_lab.jobs.redirection.constants import magics_of
from athena_lab.jobs.redirection.marks import marks_in
from athena_lab.warehouse.lineage.bigquery_calls import is_foreign, is_table_argument
from athena_lab.warehouse.lineage.notebook import SQL_MAGICS

_REFLECTIVE = frozenset(
    ["eval", "exec", "globals", "locals", "vars", "getattr", "asdict", "astuple", "__dict__", "format_map"]
)
"""What reads names that are not written there."""
_WORD = re.compile(r"[^\W\d]\w*")
_VARIABLE = re.compile(r"@([^\W\d]\w*)")
_SHOWN = frozenset(["print", "display", "debug", "info", "warning", "error", "exception", "log"])
_KEPT = frozenset(
    ["str", "dedent", "cleandoc", "list", "tuple", "set", "dict", "sorted", "reversed", "enumerate", "zip", "iter",
     "product", "chain", "Template", "Markdown", "HTML", "format", "join", "substitute",
     "safe_substitute"]
)  # fmt: skip
"""Functions whose result holds what they were given."""
_BUILDING = frozenset(
    ["format", "strip", "lstrip", "rstrip", "substitute", "safe_substitute", "items", "values", "keys", "get", "copy",
     "join", "replace"]
)  # fmt: skip
"""Methods whose result holds what they are called on."""
_OBJECTS = frozenset(
    ["Table", "TableReference", "from_string", "get_table", "create_table", "update_table", "dataset", "get_dataset",
     "create_dataset", "Dataset", "DatasetReference", "QueryJobConfig", "table"]
)  # fmt: skip
"""What gives an object that has the table's name in it."""
_GROWING = frozenset(["append", "add", "insert", "extend", "update", "setdefault"])
_MAPPERS = frozenset(["map", "imap", "imap_unordered", "starmap", "submit", "apply", "apply_async"])
_NAMING = frozenset(["table_id", "dataset_id", "full_table_id", "path", "to_api_repr"])
"""What gives a table's name away as a text."""
_STRING = frozenset(dir(str))
_THROUGH = (ast.JoinedStr, ast.Starred, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.BoolOp, ast.Await, ast.ListComp,
            ast.SetComp, ast.GeneratorExp, ast.DictComp)  # fmt: skip
_Def = ast.FunctionDef | ast.AsyncFunctionDef
_Onward = Sequence[ast.AST] | None
"""The expressions where it goes on: none where it ends well, None where it is used for something else."""


class Uses:
    """Follows where literals go in the trees of a notebook: by name, whatever the order and the scope."""

    def __init__(self, trees: Sequence[ast.Module]) -> None:
        self.parents: dict[ast.AST, ast.AST] = {}
        self.nodes: dict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        for tree in trees:
            for node in ast.walk(tree):
                self.nodes[type(node)].append(node)
                self.parents.update((child, node) for child in ast.iter_child_nodes(node))
        self.loads, self.stored, self.fields, self.calls = (defaultdict[str, list[ast.AST]](list) for _ in range(4))
        self._index()
        self.functions, self.classes = defaultdict[str, list[_Def]](list), defaultdict[str, list[ast.ClassDef]](list)
        self.marked = defaultdict[str, list[ast.AST]](list)
        for node in self.nodes[ast.Constant]:
            for mark in marks_in(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ():
                self.marked[mark].append(node)
        self.modules = dict(self._imports())
        self._index_definitions()
        self.read_by_magics = _names_in_magics(trees)
        self.is_reflective = bool(_REFLECTIVE & {*self.calls, *self.fields})

    def _index(self) -> None:
        for node in self.nodes[ast.Name]:
            if isinstance(node, ast.Name):
                (self.loads if isinstance(node.ctx, ast.Load) else self.stored)[node.id].append(node)
        for node in self.nodes[ast.Attribute]:
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                self.fields[node.attr].append(node)
        for node in self.nodes[ast.Call]:
            if isinstance(node, ast.Call):
                self.calls[_name_of(node.func)].append(node)

    def _index_definitions(self) -> None:
        for node in (*self.nodes[ast.FunctionDef], *self.nodes[ast.AsyncFunctionDef], *self.nodes[ast.ClassDef]):
            if isinstance(node, _Def):
                self.functions[node.name].append(node)
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name].append(node)

    def _imports(self) -> Iterator[tuple[str, str]]:
        for node in (*self.nodes[ast.Import], *self.nodes[ast.ImportFrom]):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
                yield alias.asname or alias.name.split(".")[0], f"{above}{alias.name}"

    def are_of_tables(self, mark: str) -> bool:
        """Say whether every literal with the mark is used as a table, in SQL or to be shown, and for nothing else."""
        waiting = list(self.marked[mark])
        seen: set[ast.AST] = set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            onward = self._onward(node, self.parents.get(node))
            if onward is None:
                return False
            waiting += onward
        return True

    def _onward(self, node: ast.AST, parent: ast.AST | None) -> _Onward:
        """Give where a value goes on from an expression."""
        if isinstance(parent, _THROUGH):
            return [parent]
        if isinstance(parent, ast.Expr):
            return []
        if isinstance(parent, ast.Attribute):
            return self._from_attribute(parent)
        if isinstance(parent, ast.Call):
            return self._from_argument(node, parent)
        if isinstance(parent, ast.keyword):
            call = self.parents.get(parent)
            return self._from_argument(parent, call) if isinstance(call, ast.Call) else None
        if isinstance(parent, ast.arguments):
            return self._from_default(node, parent)
        if isinstance(parent, ast.Return | ast.Yield):
            return self._from_return(parent)
        return self._from_expression(node, parent) if isinstance(parent, ast.expr) else self._from_target(node, parent)

    def _from_expression(self, node: ast.AST, parent: ast.expr) -> _Onward:
        is_through = False
        if isinstance(parent, ast.FormattedValue):
            is_through = parent.conversion == -1 and parent.format_spec is None
        elif isinstance(parent, ast.BinOp):
            is_through = isinstance(parent.op, ast.Add | ast.Mod)
        elif isinstance(parent, ast.IfExp):
            is_through = node is not parent.test
        elif isinstance(parent, ast.Subscript):
            is_through = node is parent.value and not isinstance(parent.slice, ast.Slice)
        elif isinstance(parent, ast.NamedExpr):
            bound = self._bound(parent.target)
            return [*bound, parent] if bound is not None else None
        return [parent] if is_through else None

    # -- names

    def _from_target(self, node: ast.AST, parent: ast.AST | None) -> _Onward:
        """Give where a value goes on from a statement that gives it names."""
        if isinstance(parent, ast.Assign):
            return [] if node in parent.targets else self._all_bound(parent.targets)
        if isinstance(parent, ast.AnnAssign | ast.AugAssign):
            return [] if node is parent.target else self._bound(parent.target)
        if isinstance(parent, ast.For | ast.AsyncFor | ast.comprehension):
            return self._bound(parent.target) if node is parent.iter else None
        if isinstance(parent, ast.withitem):
            return self._bound(parent.optional_vars) if parent.optional_vars is not None else []
        return [] if isinstance(parent, ast.Assert) and node is parent.msg else None

    def _all_bound(self, targets: Iterable[ast.expr]) -> _Onward:
        found = [self._bound(target) for target in targets]
        return None if None in found else [item for one in found for item in one or ()]

    def _bound(self, target: ast.expr) -> _Onward:
        """Give what reads a target."""
        if isinstance(target, ast.Name):
            is_hidden = self.is_reflective or target.id in self.read_by_magics or target.id in self.modules
            return None if is_hidden else self._reads(target)
        if isinstance(target, ast.Tuple | ast.List):
            return self._all_bound(target.elts)
        if isinstance(target, ast.Attribute):
            is_hidden = self.is_reflective or _root(target) in self.modules
            return None if is_hidden else self.fields[target.attr]
        return self._bound(target.value) if isinstance(target, ast.Subscript | ast.Starred) else None

    def _reads(self, name: ast.Name) -> list[ast.AST]:
        """Give what reads a name; one of a class is read as an attribute too."""
        owner: ast.AST | None = self.parents.get(name)
        while owner is not None and not isinstance(owner, _Def | ast.Lambda | ast.ClassDef):
            owner = self.parents.get(owner)
        return [*self.loads[name.id], *(self.fields[name.id] if isinstance(owner, ast.ClassDef) else ())]

    # -- attributes and calls

    def _from_attribute(self, attribute: ast.Attribute) -> _Onward:
        call = self.parents.get(attribute)
        name = attribute.attr
        if name in _NAMING:
            return None
        if isinstance(call, ast.Call) and call.func is attribute and name in _BUILDING:
            return [call]
        if name in ("reference", "value"):
            return [attribute]
        return None if name in _STRING else []

    def _from_argument(self, given: ast.AST, call: ast.Call) -> _Onward:
        """Give where an argument goes on: nowhere if it is taken as a table or shown, else what it is handed to."""
        name = _name_of(call.func)
        if given is call.func:  # a method that bears the name of a field of ours, or a value that is called
            return [] if isinstance(given, ast.Attribute) else None
        if name in self.functions or name in self.classes:
            return self._passed(given, call, name)
        if name == "run_cell_magic" or name in _SHOWN or isinstance(self.parents.get(call), ast.Raise):
            return []
        if name == "table" or self._is_table_argument(given, call, name):
            return [call] if name in _OBJECTS else []
        if name in _KEPT or (name == "replace" and _position(given, call) == 1):
            return [call]
        if name in _GROWING and isinstance(call.func, ast.Attribute):
            return self._bound(call.func.value)
        if name in _MAPPERS and call.args and isinstance(call.args[0], ast.Name):
            names = [arg.arg for function in self.functions[call.args[0].id] for arg in function.args.args]
            return [item for one in names for item in self.loads[one]] if names else None
        return None

    def _is_table_argument(self, given: ast.AST, call: ast.Call, name: str) -> bool:
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        place = given.arg or "" if isinstance(given, ast.keyword) else _position(given, call)
        receiver = ast.unparse(owner) if owner is not None else ""
        return is_table_argument(receiver, name, place) and not self._is_of_another_engine(owner, name)

    def _is_of_another_engine(self, owner: ast.expr | None, name: str) -> bool:
        """Say whether a method is another engine's: called on its module, or on what that made."""
        root = _root(owner)
        if root is None or name.endswith("_gbq"):
            return False
        made = [self.parents.get(item) for item in self.stored[root]]
        values = [item.value for item in made if isinstance(item, ast.Assign | ast.AnnAssign)]
        return any(is_foreign(self.modules.get(item or "", "")) for item in (root, *map(_root, values)))

    # -- functions and classes of the notebook's

    def _passed(self, given: ast.AST, call: ast.Call, name: str) -> _Onward:
        makers = [
            item
            for kind in self.classes[name]
            for item in kind.body
            if isinstance(item, _Def) and item.name == "__init__"
        ]
        functions = [*self.functions[name], *makers]
        names = [_argument(function, given, call) for function in functions]
        if not names:
            return self._field(given, call, name)
        return None if None in names else [item for one in names for item in self.loads[one or ""]]

    def _field(self, given: ast.AST, call: ast.Call, name: str) -> _Onward:
        """Give what reads the field of a data class that an argument fills."""
        fields = [
            item.target.id
            for kind in self.classes[name]
            for item in kind.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        ]
        at = _position(given, call)
        found = given.arg if isinstance(given, ast.keyword) else fields[at] if 0 <= at < len(fields) else None
        return self.fields[found] if found in fields and not self.is_reflective and found is not None else None

    def _from_default(self, node: ast.AST, parent: ast.arguments) -> _Onward:
        names = [item.arg for item in (*parent.posonlyargs, *parent.args)]
        pairs = list(zip(reversed(names), reversed(parent.defaults), strict=False))
        pairs += [(item.arg, one) for item, one in zip(parent.kwonlyargs, parent.kw_defaults, strict=True) if one]
        found = [name for name, default in pairs if default is node]
        return self.loads[found[0]] if found and not self.is_reflective else None

    def _from_return(self, parent: ast.AST) -> _Onward:
        function: ast.AST | None = parent
        while function is not None and not isinstance(function, _Def):
            function = self.parents.get(function)
        if function is None or function.decorator_list:
            return None
        calls = self.calls[function.name]
        called = [call.func for call in calls if isinstance(call, ast.Call)]
        return calls if all(item in called for item in self.loads[function.name]) else None


def _name_of(function: ast.expr) -> str:
    """Give the last name of what is called."""
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _root(node: ast.expr | None) -> str | None:
    """Give the name that attributes, calls and items begin with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _position(given: ast.AST, call: ast.Call) -> int:
    """Give an argument's position, -1 where it is not sure."""
    if any(isinstance(item, ast.Starred) for item in call.args):
        return -1
    return next((at for at, item in enumerate(call.args) if item is given), -1)


def _argument(function: _Def, given: ast.AST, call: ast.Call) -> str | None:
    """Give the name under which a function gets an argument; None where that is not sure."""
    names = [item.arg for item in (*function.args.posonlyargs, *function.args.args)]
    if isinstance(given, ast.keyword):
        return given.arg if given.arg in [*names, *(item.arg for item in function.args.kwonlyargs)] else None
    names = names[1:] if names[:1] in (["self"], ["cls"]) else names
    at = _position(given, call)
    return names[at] if 0 <= at < len(names) else None


def _names_in_magics(trees: Sequence[ast.Module]) -> set[str]:
    """Give the names that magics and shell commands may read, other than for tables and SQL."""
    found: set[str] = set()
    for magic in magics_of(trees):
        if magic[0] not in SQL_MAGICS:
            found.update(_WORD.findall(" ".join(magic[1:])))
            continue
        found.update(_VARIABLE.findall(" ".join(magic[1:])))
        if "--params" in "".join(magic[1:2]):
            found.update(_WORD.findall(magic[1]))
    return found
