"""What calls of libraries and methods do, by what is known of them; what is not known is in doubt."""

from __future__ import annotations

import re
from dataclasses import replace

from athena_lab.jobs.slicing import knowledge as known
from athena_lab.jobs.slicing.places import Places
from athena_lab.jobs.slicing.state import Arguments
from athena_lab.jobs.slicing.values import NO_CONSTANT, PLAIN, UNKNOWN_PART, Bound, Kind, Value, join

_DRAWING = ("matplotlib.", "plotly.", "seaborn.", "bokeh.")
_ENDS_FIGURE = frozenset({"figure", "subplots", "close", "show", "clf", "subplot_mosaic"})
_CHANGING_NAME = re.compile(r"(?:add|set|append|remove|insert)(?:_|[A-Z])")
_SHARED = frozenset({"logging.getLogger", "decimal.getcontext", "asyncio.get_event_loop", "locale.localeconv",
                     "warnings.catch_warnings_", "sys._getframe", "multiprocessing.get_logger"})  # fmt: skip
"""Functions that give a library's own object, the same each time."""
_DRAWN_METHODS = frozenset({"plot", "hist", "boxplot"})
_STARTING = frozenset(["start", "run", "submit", "apply_async", "start_new_thread"])
_NO_SEED_NEEDED = ("random_state", "seed", "rng", "generator")


class Library(Places):
    """Reads calls of functions of libraries, and of methods of their objects."""

    def call_library(self, path: str, arguments: Arguments, text: str) -> Value:
        """Read the call of a library's function by its dotted path."""
        result = self._special(path, arguments)
        if result is not None:
            return result
        result = self.library_place(path, arguments)
        if result is not None:
            return result
        self._call_back(arguments)
        if not known.is_known(path):
            return self._call_unknown(Value(), arguments, text, path)
        return self._call_known(path, arguments)

    def _special(self, path: str, arguments: Arguments) -> Value | None:
        first = arguments.get(0)
        if path == "functools.partial" and first is not None:
            made = self.heap.new(self._held(arguments.all))
            self.heap.bound[made] = Bound(first, arguments.positional[1:], arguments.named)
            return Value(frozenset({made}), Kind.CALLABLE)
        if path in ("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath"):
            return self._path_from(arguments)
        if path in ("os.path.join", "posixpath.join"):
            parts = [value.text if value.text is not None else UNKNOWN_PART for value in arguments.positional]
            return Value(kind=Kind.PLAIN, constant="/".join(parts)) if parts else PLAIN
        if path in ("builtins.str", "os.fspath", "os.path.abspath") and first is not None and first.text is not None:
            self.touch(first)
            return Value(kind=Kind.PLAIN, constant=first.text)
        if path in ("copy.deepcopy", "copy.copy") and first is not None:
            held = self.heap.contents(first.own) if path == "copy.copy" else self.modules_behind(first)
            kept = [number for number in first.own if number in self.heap.class_of]
            made_copy = self.fresh(first.kind, held)
            for number in kept:
                self.heap.class_of[min(made_copy.own)] = self.heap.class_of[number]
                self.heap.hold(min(made_copy.own), (self.heap.class_of[number],))
            return made_copy
        if path == "importlib.reload" and first is not None:
            root = first.path.partition(".")[0]
            for place in (f"file:*{root}.py", f"file:*{root}/*.py"):
                self.effects.use(place)
            self.change_module(root)
            return first
        return self._environment(path, arguments)

    def _path_from(self, arguments: Arguments) -> Value:
        parts = [value.text for value in arguments.positional]
        if not parts:
            return Value(kind=Kind.PLAIN, constant=".", path="pathlib.Path")
        whole = "/".join(UNKNOWN_PART if part is None else part for part in parts)
        return Value(kind=Kind.PLAIN, constant=whole, path="pathlib.Path")

    def _environment(self, path: str, arguments: Arguments) -> Value | None:
        first = arguments.get(0)
        name = first.text if first is not None else None
        if path in ("os.getenv", "os.environ.get", "os.environ.__getitem__"):
            return self.read_environment(name)
        if path in ("os.putenv", "os.unsetenv", "os.environ.pop", "os.environ.setdefault", "os.environ.update"):
            names = list(arguments.named) if path.endswith("update") and arguments.named else [name or "*"]
            for item in names:
                self.effects.write(f"env:{item}")
            if path.endswith(("pop", "setdefault")):
                self.read_environment(name)
            return PLAIN
        if path.startswith("os.environ."):
            return self.read_environment(None)
        if path.startswith(("subprocess.", "os.system", "os.popen")):
            return self.run_program(name, arguments)
        if path.startswith("sys.path."):
            self.effects.write("syspath:")
            return PLAIN
        return self._namespace(path, arguments)

    def _namespace(self, path: str, arguments: Arguments) -> Value | None:
        if path.startswith("__main__."):
            return self.own_namespace(path, arguments)
        if path in _SHARED:
            return Value(frozenset({self.heap.module(path.partition(".")[0])}), Kind.DATA)
        if path in ("builtins.globals", "builtins.locals") or (path == "builtins.vars" and not arguments.all):
            return Value(frozenset({self.heap.module("__main__")}), Kind.MODULE, path="__main__")
        return None

    def run_program(self, command: str | None, arguments: Arguments) -> Value:
        """Read the start of a program."""
        first = arguments.get(0)
        if command is None and first is not None and isinstance(first.constant, tuple):
            command = " ".join(str(part) for part in first.constant)
        self.run_shell(command)
        return self.fresh(Kind.DATA)

    def run_shell(self, command: str | None) -> None:
        """Read a shell's command."""
        raise NotImplementedError

    # -- libraries whose functions are known

    def _call_known(self, path: str, arguments: Arguments) -> Value:
        root, _, _ = path.partition(".")
        name = path.rpartition(".")[2]
        self._change_arguments(path, arguments)
        self._change_state(path, root)
        self._draw_random(path, root, name, arguments)
        self._draw_figure(path, root, name)
        if root == "builtins":
            return self._builtin(name, arguments)
        if path.startswith(known.PLAIN_PATHS):
            return PLAIN
        module = {self.heap.module(root)}
        first = arguments.get(0)
        if path in known.VIEW_FUNCTIONS and first is not None:
            return join([Value(first.own, Kind.DATA), self.fresh(Kind.DATA, module)])
        if path.startswith((*known.ITERATOR_PATHS, *_DRAWING)):
            return self.fresh(Kind.ITERATOR, module | self._held(arguments.all))
        if root == "collections" or name == "namedtuple":
            held = frozenset().union(*(self.heap.contents(value.own) for value in arguments.all))
            held |= self._held(arguments.all) if name == "ChainMap" else frozenset()
            return replace(self.fresh(Kind.BOX, held), path=path)
        if path in ("asyncio.run", "asyncio.gather", "asyncio.wait_for"):
            return join(arguments.positional) if arguments.positional else Value()
        is_keeping = root not in ("pandas", "numpy", "polars", "pyarrow")
        return self.fresh(Kind.DATA, module | (self._held(arguments.all) if is_keeping else frozenset()))

    def _change_arguments(self, path: str, arguments: Arguments) -> None:
        bare = path.removeprefix("builtins.")
        if bare in known.CHANGES_FIRST and arguments.positional:
            self.change_value(arguments.positional[0])
            for value in arguments.positional[1:]:
                self.heap.put(arguments.positional[0].own, value)
        if bare in known.CHANGES_SECOND:
            target = arguments.get(1, "fp", "file", "stream")
            if target is not None:
                self.change_value(target)
        if bare == "print" and "file" in arguments.named:
            self.change_value(arguments.named["file"])
        if "inplace" in arguments.named and arguments.named["inplace"].constant is not False and arguments.positional:
            self.change_value(arguments.positional[0])
        if "out" in arguments.named:
            self.change_value(arguments.named["out"])
        for value in arguments.all:
            self.iterate(value)

    def _change_state(self, path: str, root: str) -> None:
        is_state = path in known.STATE_FUNCTIONS or (
            root not in ("builtins", "random") and any(part in path for part in known.STATE_TEXTS)
        )
        owner = known.STATE_ELSEWHERE.get(path)
        if path == "time.tzset":
            self.effects.use("env:TZ")
        if path in known.SEEDS:
            self.effects.write(f"random:{known.SEEDS[path]}", replaces=True)
        elif owner or is_state:
            self.change_module(owner or root)
            if root == "seaborn":
                self.change_module("seaborn")

    def change_module(self, name: str, why: str = "") -> None:
        """Note that a module's own state is changed, or, with a reason, may be."""
        self.change([self.heap.module(name)], why)
        if why:
            self.effects.doubt(f"module:{name}", why)
        else:
            self.effects.write(f"module:{name}")

    def _draw_random(self, path: str, root: str, name: str, arguments: Arguments) -> None:
        if name in known.NO_DRAWS or path in known.SEEDS:
            return
        if root == "random":
            self.draw_random("random")
            return
        is_seeded = any(key in arguments.named for key in _NO_SEED_NEEDED)
        if path.startswith("numpy.random.") or (root in ("sklearn", "scipy") and not is_seeded):
            self.draw_random("numpy")

    def _draw_figure(self, path: str, root: str, name: str) -> None:
        if root == "seaborn" or path.startswith(("matplotlib.pyplot.", "pylab.")):
            if name in _ENDS_FIGURE:
                if name == "show":
                    self.effects.use("figure:")
                self.effects.write("figure:", replaces=True)
            else:
                self.effects.use("figure:")
                self.effects.write("figure:")

    def _builtin(self, name: str, arguments: Arguments) -> Value:
        if name == "get_ipython":
            return Value(frozenset({self.heap.module("IPython")}), Kind.DATA, path="IPython.shell")
        first = arguments.get(0)
        for value in arguments.all:
            self.touch(value)
        if name == "vars" and first is not None:
            return Value(first.own)  # the object's own dictionary
        if name in known.PLAIN_BUILTINS or first is None:
            held = self._held(arguments.all)
            return PLAIN if name in known.PLAIN_BUILTINS else self.fresh(Kind.BOX, held)
        if name in known.SHALLOW_COPIES | known.LAZY_BUILTINS:
            held = frozenset().union(*(self.heap.contents(value.own) for value in arguments.all))
            if name in known.LAZY_BUILTINS:
                lazy = self.fresh(Kind.ITERATOR, held | self._held(arguments.all))
                self.heap.lazy[min(lazy.own)] = lambda: self._call_back(arguments)
                return lazy
            made = self.fresh(Kind.BOX, held | self._held(arguments.named.values()))
            return made if first.constant is NO_CONSTANT else replace(made, constant=first.constant)
        if name in ("next", "min", "max", "getattr", "anext"):
            return self._picked(name, arguments)
        if name in known.PURE_BUILTINS or name in ("setattr", "delattr"):
            return self.fresh(Kind.DATA, self._held(arguments.all))
        return self._run_text(name, arguments)

    def _picked(self, name: str, arguments: Arguments) -> Value:
        first = arguments.positional[0]
        if name == "getattr":
            attribute = arguments.get(1)
            if attribute is not None and attribute.text is not None:
                return self.attribute(first, attribute.text)
        return join(
            [self.element(value) if len(arguments.positional) == 1 else value for value in arguments.positional]
        )

    def _run_text(self, name: str, arguments: Arguments) -> Value:
        if name in ("eval", "exec"):
            return self._run_in(name, arguments)
        if name == "__import__":
            self.effects.doubt("*", "what __import__() does is not known")
        return self.fresh(Kind.UNKNOWN, self._held(arguments.all))

    def _run_in(self, name: str, arguments: Arguments) -> Value:
        """Run a text among the notebook's names, or in a dictionary whose content it may change."""
        namespaces = [value for value in arguments.all[1:] if value.path != "__main__"]
        if not namespaces:
            return self.run_text(name, arguments.all[0].text)
        for value in namespaces:
            self.change(self.heap.reach(value.own), f"{name}() may change it")
        return Value(frozenset().union(*(self.heap.reach(value.own) for value in namespaces)))

    def call_shell_method(self, name: str, texts: list[str | None]) -> Value | None:
        """Read the call of a method of IPython's shell."""
        raise NotImplementedError

    def run_text(self, name: str, text: str | None) -> Value:
        """Read `eval` and `exec`."""
        raise NotImplementedError

    # -- methods of objects that are not the notebook's own

    def call_method(self, base: Value, name: str, arguments: Arguments, text: str) -> Value:
        """Read the call of a method of an object that no class of the notebook made."""
        place = self.method_place(base, name, arguments)
        if place is None and base.path == "IPython.shell":
            place = self.call_shell_method(name, [value.text for value in arguments.positional])
        if place is not None:
            return place
        self._call_back(arguments)
        for value in arguments.all:
            self.iterate(value)
        if base.kind is Kind.PLAIN:
            return PLAIN
        self._method_extras(base, name, arguments)
        inplace = arguments.named.get("inplace")
        if inplace is not None and inplace.constant is not False:
            self.change_value(base, "" if inplace.constant is True else f"{text}() may work in place")
        if base.kind is Kind.ITERATOR:
            self.change_value(base)
            for value in arguments.all:
                self.heap.put(base.own, value)
            return Value(
                base.own | self.heap.contents(base.own), Kind.ITERATOR if base.kind is Kind.ITERATOR else Kind.DATA
            )
        if name in known.CHANGING_METHODS or _CHANGING_NAME.match(name):
            return self._changing_method(base, name, arguments)
        if base.kind in (Kind.DATA, Kind.BOX) or name in known.PURE_METHODS:
            return self._pure_method(base, name)
        return self._call_unknown(base, arguments, text, "")

    def _method_extras(self, base: Value, name: str, arguments: Arguments) -> None:
        if name in _STARTING:
            held = [Value(frozenset({n})) for n in self.heap.reach(base.own) if self.heap.is_callable(n)]
            self._call_back(Arguments(held))
        is_of_shell = self.heap.module("IPython") in base.own and base.path != "IPython.shell"
        if is_of_shell or self.heap.module("unittest") in self.heap.reach(base.own):
            self.effects.keeps.append(f".{name}() may change how everything works")
        if name == "sample" and not any(key in arguments.named for key in _NO_SEED_NEEDED):
            self.draw_random("numpy")
        if name.startswith("fit") and any(self.heap.modules[n] == "sklearn" for n in self.modules_behind(base)):
            self.draw_random("numpy")
        if name in ("query", "eval"):
            self._names_in_query(arguments)
        if name in _DRAWN_METHODS and "ax" not in arguments.named:
            self.effects.use("figure:")
            self.effects.write("figure:")

    def _names_in_query(self, arguments: Arguments) -> None:
        """`frame.query("a > @limit")` reads names of the notebook."""
        text = arguments.get(0, "expr")
        if text is None or text.text is None:
            self.effects.use("*")
            return
        for name in re.findall(r"@([^\W\d]\w*)", text.text):
            self.load(name)

    def _changing_method(self, base: Value, name: str, arguments: Arguments) -> Value:
        if name == "set_index" or (
            name.startswith(("set_", "add_")) and base.kind is Kind.DATA and self._is_frame(base)
        ):
            return self._pure_method(base, name)
        self.change_value(base)
        for value in arguments.all:
            held = self.heap.contents(value.own) if name in ("extend", "update", "extendleft") else value.own
            self.heap.put(base.own, Value(held) if value.kind is not Kind.PLAIN else PLAIN)
        if name in known.VIEW_METHODS:
            return self.element(base)
        return Value(base.own, base.kind) if name in ("fit", "set_params", "push") else self.fresh(Kind.DATA)

    def _pure_method(self, base: Value, name: str) -> Value:
        behind = self.modules_behind(base)
        if base.kind is Kind.DATA:
            if name in known.HOLDING_METHODS:
                kind = Kind.ITERATOR if name == "plot" else Kind.DATA
                return self.fresh(kind, base.own)
            if name in known.VIEW_METHODS:
                return join([Value(base.own, Kind.DATA), self.fresh(Kind.DATA, behind)])
            return self.fresh(Kind.DATA, behind | self._callables_of(base))
        if name in ("get", "setdefault", "pop"):
            return self.element(base)
        kind = Kind.BOX if base.kind is Kind.BOX else Kind.UNKNOWN
        made = self.fresh(kind, self.heap.contents(base.own))
        # A dictionary's view shows what the dictionary has later, too.
        return replace(made, own=made.own | base.own) if name in ("keys", "values", "items") else made

    def _callables_of(self, base: Value) -> set[int]:
        return {number for number in self.heap.reach(base.own) if number in self.heap.functions}

    # -- what is not known

    def _call_unknown(self, base: Value, arguments: Arguments, text: str, path: str) -> Value:
        """Read a call that may do anything to what it is given."""
        why = f"{text}() may change what it is given"
        for value in arguments.all:
            if value.text and value.path != "__main__":
                self.effects.doubt(f"file:{self._normal(value.text)}", f"{text}() may write a file of that name")
            if value.kind is Kind.PLAIN:
                continue
            deep = {number for number in self.heap.reach(value.own) if number not in self.heap.modules}
            self.change(deep, why)
            self.consume(value)
        own = base.own | self.heap.contents(base.own)
        if base.own:
            self.change_value(base, f"{text}() may change it")
        for value in arguments.all:
            self.heap.put(base.own, value)
        module = {self.heap.module(path.partition(".")[0])} if path else set()
        held = self._held(arguments.all)
        made = self.heap.new(own | held | module)
        return Value(own | held | {made}, Kind.UNKNOWN)

    def _call_back(self, arguments: Arguments) -> None:
        """Take it that functions among the arguments are called with whatever the other arguments hold."""
        callables = [value for value in arguments.all if self._is_callable(value)]
        if not callables:
            return
        others = frozenset().union(*(self.heap.reach(v.own) for v in arguments.all if not self._is_callable(v)))
        given = Value(frozenset(number for number in others if number not in self.heap.modules))
        for value in callables:
            self.call_value(value, Arguments([], {}, has_unknown=True, unknown=given), "a callback")

    def _is_callable(self, value: Value) -> bool:
        if value.kind is Kind.PLAIN:
            return False
        heap = self.heap
        numbers = value.own | heap.contents(value.own) if value.kind is Kind.BOX else value.own
        return any(heap.is_callable(number) for number in numbers)
