"""Files, folders, tables and other things outside the notebook that a call reads or writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from posixpath import dirname, normpath

from athena_lab.jobs.slicing.expressions import Expressions
from athena_lab.jobs.slicing.state import Arguments
from athena_lab.jobs.slicing.tables import read_tables
from athena_lab.jobs.slicing.values import UNKNOWN_PART, Kind, Value

READING_METHODS = frozenset({
    "read_text", "read_bytes", "exists", "stat", "is_file", "is_dir", "iterdir", "glob", "rglob", "samefile",
})  # fmt: skip
WRITING_METHODS = frozenset({
    "to_csv", "to_parquet", "to_json", "to_excel", "to_pickle", "to_feather", "to_html", "to_latex", "to_markdown",
    "to_stata", "to_hdf", "to_orc", "to_xml", "to_string", "savefig", "write_csv", "write_parquet", "write_json",
    "write_ndjson", "write_excel", "write_html", "write_image", "write_ipc", "tofile", "save", "to_netcdf",
})  # fmt: skip
"""Methods of frames, figures, … that write the file that is their first argument."""
_CHANGING_FILE = frozenset({"unlink", "touch", "rename", "replace", "symlink_to", "chmod", "rmdir"})
_READERS = frozenset({
    "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile", "os.listdir", "os.stat", "os.path.exists",
    "os.path.isfile", "os.path.isdir", "os.path.getsize", "os.path.getmtime", "glob.glob", "glob.iglob", "os.scandir",
    "os.walk", "joblib.load", "pyarrow.parquet.read_table", "pyarrow.parquet.read_pandas", "pyarrow.csv.read_csv",
    "pyarrow.dataset.dataset", "pyarrow.feather.read_feather", "matplotlib.pyplot.imread", "PIL.Image.open",
    "runpy.run_path", "linecache.getline", "configparser.ConfigParser.read", "pyarrow.json.read_json",
    "IPython.display.Image", "xarray.open_dataset", "torch.load", "geopandas.read_file", "openpyxl.load_workbook",
})  # fmt: skip
_WRITERS = {
    "numpy.save": 0, "numpy.savetxt": 0, "numpy.savez": 0, "numpy.savez_compressed": 0, "joblib.dump": 1,
    "pyarrow.parquet.write_table": 1, "pyarrow.csv.write_csv": 1, "pyarrow.feather.write_feather": 1,
    "matplotlib.pyplot.savefig": 0, "shutil.copy": 1, "shutil.copyfile": 1, "shutil.copy2": 1, "shutil.move": 1,
    "os.rename": 1, "os.replace": 1, "torch.save": 1, "urllib.request.urlretrieve": 1, "shutil.copytree": 1,
    "pandas.ExcelWriter": 0, "shutil.make_archive": 0, "shutil.unpack_archive": 1,
}  # fmt: skip
"""Functions that write a file, and which argument names it."""
_REMOVERS = frozenset({"os.remove", "os.unlink", "os.rmdir", "shutil.rmtree", "os.removedirs"})
_MAKERS = frozenset({"os.makedirs", "os.mkdir", "pathlib.Path.mkdir"})
_SQL_METHODS = frozenset({"query", "execute", "executemany", "executescript", "sql", "read_sql", "query_and_wait",
                          "execute_async", "from_query", "query_df"})  # fmt: skip
_UNKNOWN_NAME = "unknown_part"
_LISTING = ("listdir", "glob", "iglob", "walk", "scandir", "iterdir", "rglob", "dataset")


class Places(Expressions):
    """Notes which places outside a call touches."""

    # -- files

    def read_file(self, path: str | None, *, is_listing: bool = False) -> None:
        """Need a file, the folder that holds it, and, for a relative path, the working directory."""
        path = self._normal(path)
        whole = "*" if path == "." else f"{path}/*"
        self.effects.use(f"file:{path}" if not is_listing or "*" in path else f"file:{whole}")
        self._need_folder(path)

    def write_file(self, path: str | None, *, replaces: bool) -> None:
        """Write a file, whole or in part."""
        path = self._normal(path)
        self._need_folder(path)
        if path == "*":
            self.effects.note("a file is written whose name is not known")
        if not replaces:
            self.effects.use(f"file:{path}")
        self.effects.write(f"file:{path}", replaces=replaces and "*" not in path)

    def make_folder(self, path: str | None) -> None:
        """Make a folder, and those that it lies in."""
        path = self._normal(path)
        while path not in ("", ".", "/"):
            self.effects.write(f"dir:{path}")
            path = dirname(path)
        self.effects.use("cwd:")

    def _need_folder(self, path: str) -> None:
        if not path.startswith("/"):
            self.effects.use("cwd:")
        folder = dirname(path)
        if folder not in ("", "/"):
            self.effects.use(f"dir:{folder}")

    def _normal(self, path: str | None) -> str:
        if path is None:
            return "*"
        return normpath(path.replace(UNKNOWN_PART, "*")) if path else "."

    def open_file(self, path: str | None, mode: str | None) -> Value:
        """Open a file: the handle is used up by use, and what is written through it changes the file."""
        handle = self.fresh(Kind.ITERATOR)
        mode = "r" if mode is None else mode
        if "w" in mode or "x" in mode:
            self.write_file(path, replaces=True)
        elif "a" in mode or "+" in mode:
            self.write_file(path, replaces=False)
        else:
            self.read_file(path)
            return handle
        self.heap.files[min(handle.own)] = f"file:{self._normal(path)}"
        return handle

    def path_of(self, value: Value | None) -> str | None:
        """Give the path that a value names, as text, a pattern, or None."""
        if value is None or value.text is None:
            return None
        return value.text

    def library_place(self, path: str, arguments: Arguments) -> Value | None:
        """Read a library function that reads or writes places; None if it is none."""
        first = arguments.get(0, "path", "file", "filename", "io", "filepath_or_buffer", "src", "name", "fname")
        for rule in (self._open_rule, self._folder_rule, self._write_rule, self._read_rule, self._sql_rule):
            result = rule(path, first, arguments)
            if result is not None:
                return result
        return None

    def _open_rule(self, path: str, first: Value | None, arguments: Arguments) -> Value | None:
        if path not in ("builtins.open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open"):
            return None
        mode = arguments.get(1, "mode")
        return self.open_file(self.path_of(first), _mode(mode))

    def _folder_rule(self, path: str, first: Value | None, _: Arguments) -> Value | None:
        if path in _MAKERS:
            self.make_folder(self.path_of(first))
        elif path in _REMOVERS:
            target = self._normal(self.path_of(first))
            self.effects.use(f"file:{target}")
            for location in (f"file:{target}", f"dir:{target}", f"file:{target}/*"):
                self.effects.write(location)
        elif path == "os.chdir":
            self.effects.write("cwd:")
            self._need_folder(f"{self._normal(self.path_of(first))}/x")
        elif path == "os.getcwd":
            self.effects.use("cwd:")
        else:
            return None
        return Value(kind=Kind.PLAIN)

    def _write_rule(self, path: str, first: Value | None, arguments: Arguments) -> Value | None:
        if path not in _WRITERS:
            return None
        target = arguments.get(_WRITERS[path], "fname", "filename", "where", "dst", "file")
        if path.startswith(("shutil.", "os.")):
            self.read_file(self.path_of(first))
            if path in ("shutil.move", "os.rename", "os.replace"):
                self.write_file(self.path_of(first), replaces=False)
        if target is not None and target.kind is Kind.ITERATOR:
            self.consume(target)
        else:
            self.write_file(self.path_of(target), replaces=path != "shutil.make_archive")
        return self.fresh(Kind.UNKNOWN) if path == "pandas.ExcelWriter" else Value(kind=Kind.PLAIN)

    def _read_rule(self, path: str, first: Value | None, _: Arguments) -> Value | None:
        name = path.rpartition(".")[2]
        is_frame_reader = path.startswith(("pandas.", "polars.", "geopandas.")) and name.startswith(("read_", "scan_"))
        if path not in _READERS and not (is_frame_reader and "sql" not in name and name != "read_gbq"):
            return None
        if first is None or first.kind is Kind.PLAIN or first.text is not None:
            self.read_file(self.path_of(first) if first is not None else ".", is_listing=name in _LISTING)
        elif isinstance(first.constant, tuple):
            for part in first.constant:
                self.read_file(part if isinstance(part, str) else None)
        elif first.kind is not Kind.ITERATOR:
            self.read_file(None)
        if path in ("glob.glob", "glob.iglob") and first is not None:
            return self._found_files(first.text)
        return self.fresh(Kind.DATA, self._module_ids(path))

    def _module_ids(self, path: str) -> set[int]:
        return {self.heap.module(path.partition(".")[0])}

    # -- methods

    def method_place(self, base: Value, name: str, arguments: Arguments) -> Value | None:
        """Read a method that reads or writes places; None if it is none, or does more than that."""
        if base.path == "pathlib.Path":
            return self._path_method(base, name, arguments)
        if name in _SQL_METHODS and base.kind is not Kind.PLAIN:
            return self._sql_method(base, name, arguments)
        rules: dict[str, Callable[[Arguments], None]] = {"to_gbq": self._to_table, "to_sql": self._to_table}
        if name in rules:
            rules[name](arguments)
            return self.fresh(Kind.DATA)
        if name.startswith("load_table_from_"):
            target = arguments.get(1, "destination")
            self.write_table(target.text if target else None, replaces=False)
            return self.fresh(Kind.UNKNOWN, base.own)
        if name in WRITING_METHODS:
            return self._writing_method(name, arguments)
        return None

    def _writing_method(self, name: str, arguments: Arguments) -> Value | None:
        target = arguments.get(0, "path_or_buf", "path", "fname", "excel_writer", "buf", "file", "fp")
        if target is None or target.constant is None:
            return None if name in ("save", "savefig") else Value(kind=Kind.PLAIN)
        if target.kind not in (Kind.PLAIN, Kind.BOX):
            self.consume(target)
            self.change_value(target, "" if target.kind is Kind.ITERATOR else f".{name}() writes into it")
        else:
            appends = (_mode(arguments.get(99, "mode")) or "w").startswith("a")
            self.write_file(self.path_of(target), replaces=not appends)
        return Value(kind=Kind.PLAIN)

    def _path_method(self, base: Value, name: str, arguments: Arguments) -> Value | None:
        path = base.text
        if name == "open":
            return self.open_file(path, _mode(arguments.get(0, "mode")))
        if name in ("write_text", "write_bytes"):
            self.write_file(path, replaces=True)
        elif name == "mkdir":
            self.make_folder(path)
        elif name in READING_METHODS:
            pattern = arguments.get(0, "pattern")
            if name in ("glob", "rglob") and path is not None and pattern is not None:
                path = f"{path}/{'*' if name == 'rglob' else ''}{pattern.text or '*'}"
            self.read_file(path, is_listing=name in _LISTING)
        elif name in _CHANGING_FILE:
            self.write_file(path, replaces=False)
            target = arguments.get(0)
            if target is not None and name in ("rename", "replace"):
                self.write_file(self.path_of(target), replaces=True)
        else:
            is_path = name in ("joinpath", "with_suffix", "with_name", "resolve", "absolute", "expanduser")
            return Value(kind=Kind.PLAIN, path="pathlib.Path") if is_path else None
        return self._found_files(path) if name in _LISTING else Value(kind=Kind.PLAIN)

    def _found_files(self, pattern: str | None) -> Value:
        """Give the list of files that a pattern finds."""
        found = self.fresh(Kind.BOX)
        if pattern is None or "*" not in pattern:
            return found
        return replace(found, constant=(pattern.replace("*", UNKNOWN_PART),))

    # -- tables

    def write_table(self, name: str | None, *, replaces: bool) -> None:
        """Write a table, whole or in part."""
        location = f"table:{table_name(name)}"
        if not replaces:
            self.effects.use(location)
        self.effects.write(location, replaces=replaces and "*" not in location)

    def run_sql(self, text: str | None) -> bool:
        """Read a statement's tables; tell whether it only reads."""
        found = read_tables(text.replace(UNKNOWN_PART, _UNKNOWN_NAME)) if text is not None else None
        if found is None or text == UNKNOWN_PART:
            self.effects.use("table:*")
            self.effects.doubt("table:*", "its SQL is not known, so it may write any table")
            return False
        for table in found.reads:
            if "." not in table and table in self.globals.names:
                self.touch(self.load(table))
            else:
                self.effects.use(f"table:{table_name(table)}")
        for table in found.writes:
            self.write_table(table, replaces=table in found.replaced)
        return not found.writes and not found.has_other

    def _sql_rule(self, path: str, _: Value | None, arguments: Arguments) -> Value | None:
        name = path.rpartition(".")[2]
        if name in ("read_gbq", "read_sql", "read_sql_query", "read_sql_table", "read_database") or (
            path.startswith("duckdb.") and name in ("sql", "query", "execute")
        ):
            text = arguments.get(0, "query", "query_or_table", "sql", "table_name")
            self._read_sql(text.text if text is not None else None)
            return self.fresh(Kind.DATA, self._module_ids(path))
        if name in ("to_gbq", "write_gbq"):
            target = arguments.get(1, "destination_table")
            self.write_table(target.text if target else None, replaces=False)
            return Value(kind=Kind.PLAIN)
        return None

    def _read_sql(self, text: str | None) -> None:
        if text is not None and " " not in text.strip():
            self.effects.use(f"table:{table_name(text)}")
        else:
            self.run_sql(text)

    def _sql_method(self, base: Value, name: str, arguments: Arguments) -> Value | None:
        text = arguments.get(0, "query", "sql", "statement")
        if name == "query" and base.kind is Kind.DATA and self._is_frame(base):
            return None
        if name == "query" and (text is None or text.text is None or not _looks_like_sql(text.text)):
            return None
        only_reads = self.run_sql(text.text if text is not None else None)
        if not only_reads and (text is None or text.text is None or UNKNOWN_PART in text.text):
            self.change_value(base, f".{name}() with SQL that is not known may change it")
        return self.fresh(Kind.ITERATOR if name.startswith("execute") else Kind.DATA, base.own)

    def _is_frame(self, base: Value) -> bool:
        return any(self.heap.modules[number] in ("pandas", "numpy") for number in self.modules_behind(base))

    def _to_table(self, arguments: Arguments) -> None:
        target = arguments.get(0, "destination_table", "name")
        mode = arguments.get(99, "if_exists")
        self.write_table(target.text if target else None, replaces=mode is not None and mode.text == "replace")


def table_name(name: str | None) -> str:
    """Give a table's name without project and quotes; "*" where it is not known."""
    if name is None:
        return "*"
    if UNKNOWN_PART in name or _UNKNOWN_NAME in name:
        return "*"
    parts = name.replace("`", "").replace('"', "").replace(":", ".").split(".")
    return ".".join(parts[-2:]).lower()


def _mode(value: Value | None) -> str | None:
    if value is None:
        return None
    return value.text if value.text is not None else "r+"


def _looks_like_sql(text: str) -> bool:
    words = text.split(None, 1)
    return bool(words) and words[0].upper() in {
        "SELECT", "WITH", "INSERT", "CREATE", "UPDATE", "DELETE", "MERGE", "DROP", "TRUNCATE", "ALTER", "DECLARE",
        "BEGIN", "CALL", "EXPORT", "LOAD", "FROM", "*",
    }  # fmt: skip
