"""What is known of Python's and the usual libraries' functions: which change something, which never do."""

from __future__ import annotations

import builtins
import math
import statistics
import sys

BUILTINS = frozenset(dir(builtins)) | {
    "display", "get_ipython", "In", "Out", "exit", "quit", "open", "__name__", "__file__", "__doc__",
}  # fmt: skip
STAR_NAMES = {"math": frozenset(dir(math)), "statistics": frozenset(statistics.__all__)}
"""What `from MODULE import *` binds, where that is certain."""

QUIET_LIBRARIES = frozenset({
    "pandas", "numpy", "pyarrow", "polars", "scipy", "sklearn", "statsmodels", "matplotlib", "seaborn", "plotly",
    "altair", "bokeh", "requests", "httpx", "dateutil", "pytz", "tabulate", "IPython", "google", "xgboost", "lightgbm",
    "networkx", "sympy", "tqdm", "duckdb", "sqlalchemy", "yaml", "pydantic", "attr", "attrs", "bs4", "PIL", "openpyxl",
    "joblib", "psutil", "ipywidgets", "numba", "dask", "xarray", "geopandas", "shapely", "wordcloud", "torch",
    "tensorflow", "keras", "athena_lab", "pandas_gbq", "bigframes", "sqlglot", "toolz", "more_itertools",
})  # fmt: skip
"""Importing them changes nothing else, and their functions change their arguments only where listed below."""
KNOWN_MODULES = QUIET_LIBRARIES | frozenset(sys.stdlib_module_names)

PURE_BUILTINS = frozenset({
    "print", "len", "sorted", "sum", "min", "max", "abs", "round", "repr", "str", "int", "float", "bool", "bytes",
    "list", "dict", "set", "tuple", "frozenset", "range", "enumerate", "zip", "map", "filter", "reversed", "any", "all",
    "isinstance", "issubclass", "type", "id", "hash", "callable", "hasattr", "getattr", "format", "ord", "chr",
    "divmod", "pow", "iter", "display", "vars", "dir", "ascii", "bin", "hex", "oct", "complex", "slice", "memoryview",
    "input", "super", "object", "property", "classmethod", "staticmethod", "help", "get_ipython", "bytearray", "open",
    "Exception", "ValueError", "TypeError", "KeyError", "RuntimeError", "AssertionError", "IndexError", "StopIteration",
    "NotImplementedError", "AttributeError", "FileNotFoundError", "ZeroDivisionError", "OSError", "NameError",
})  # fmt: skip
PLAIN_BUILTINS = frozenset({
    "len", "sum", "abs", "round", "repr", "str", "int", "float", "bool", "bytes", "range", "isinstance", "issubclass",
    "id", "hash", "callable", "hasattr", "format", "ord", "chr", "divmod", "pow", "any", "all", "ascii", "bin", "hex",
    "oct", "complex", "print", "display", "dir", "input", "help",
})  # fmt: skip
SHALLOW_COPIES = frozenset({"list", "dict", "set", "tuple", "frozenset", "sorted", "reversed", "bytearray"})
LAZY_BUILTINS = frozenset({"iter", "map", "filter", "zip", "enumerate", "reversed"})

CHANGING_METHODS = frozenset({
    "append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse", "update", "add", "discard", "setdefault",
    "popitem", "appendleft", "popleft", "extendleft", "rotate", "subtract", "move_to_end", "fill", "resize", "put",
    "partition", "itemset", "setflags", "fit", "fit_transform", "fit_predict", "partial_fit", "set_params", "train",
    "difference_update", "intersection_update", "symmetric_difference_update", "byteswap", "setfield", "write",
    "writelines", "writerow", "writerows", "close", "seek", "truncate", "flush", "commit", "rollback", "__setitem__",
    "__delitem__", "push", "set", "register", "seed", "shuffle", "setattr", "learn", "reset",
})  # fmt: skip
"""Methods that change the object itself, whatever it is."""
PURE_METHODS = frozenset({
    # text
    "format", "join", "split", "rsplit", "strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize",
    "replace", "startswith", "endswith", "encode", "decode", "zfill", "ljust", "rjust", "center", "splitlines", "find",
    "isdigit", "isalpha", "casefold", "removeprefix", "removesuffix", "partition_text", "strftime", "isoformat",
    # containers
    "keys", "values", "items", "get", "copy", "count", "index", "union", "intersection", "difference", "issubset",
    "most_common", "elements", "total", "symmetric_difference", "issuperset", "isdisjoint",
    # frames and arrays
    "head", "tail", "sample", "describe", "info", "groupby", "agg", "aggregate", "transform", "merge", "pivot",
    "pivot_table", "melt", "sort_values", "sort_index", "reset_index", "set_index", "rename", "assign", "astype",
    "dropna", "fillna", "isna", "notna", "isnull", "notnull", "sum", "mean", "median", "min", "max", "std", "var",
    "quantile", "cumsum", "diff", "shift", "rolling", "resample", "unique", "nunique", "value_counts", "to_dict",
    "to_list", "tolist", "to_numpy", "to_string", "to_markdown", "query", "nlargest", "nsmallest", "round", "abs",
    "any", "all", "idxmax", "idxmin", "isin", "between", "corr", "cov", "equals", "drop_duplicates", "duplicated",
    "explode", "stack", "unstack", "filter", "iterrows", "itertuples", "reshape", "ravel", "flatten", "dot", "argmax",
    "argmin", "argsort", "item", "first", "last", "ffill", "bfill", "interpolate", "clip", "rank", "pct_change", "size",
    "nbytes", "memory_usage", "to_frame", "squeeze", "select_dtypes", "pipe", "eval", "mode", "prod", "combine_first",
    "join_frames", "drop", "reindex", "where", "mask", "apply", "map", "applymap", "plot", "hist", "boxplot", "collect",
    "select", "with_columns", "group_by", "sort_by", "limit", "filter_rows", "to_pandas", "schema", "column", "slice",
    # models, results of %%athena, matches
    "predict", "predict_proba", "score", "get_params", "df", "arrow", "polars", "group", "groups", "match", "search",
    "findall", "sub", "total_seconds", "date", "time", "weekday", "timestamp", "as_posix", "exists", "is_file",
    "is_dir", "json", "raise_for_status", "_asdict", "hexdigest", "digest", "__repr__", "__str__", "get_group",
    # connections and loggers that tell
    "cursor", "fetchall", "fetchdf", "info_text",
})  # fmt: skip
"""Methods that change nothing, on an object of unknown kind."""
VIEW_METHODS = frozenset({
    "reshape", "ravel", "view", "squeeze", "transpose", "swapaxes", "diagonal", "to_numpy", "get", "setdefault", "pop",
    "popitem", "popleft", "items", "values", "keys", "iterrows", "column", "pipe", "get_group", "__getitem__",
})  # fmt: skip
"""Methods whose result may share the object's own content."""
HOLDING_METHODS = frozenset({
    "groupby", "rolling", "resample", "expanding", "ewm", "group_by", "plot", "lazy", "cursor", "iterrows",
})  # fmt: skip
"""Methods whose result keeps the object."""
VIEW_FUNCTIONS = frozenset({
    "numpy.asarray", "numpy.asanyarray", "numpy.ravel", "numpy.reshape", "numpy.squeeze", "numpy.transpose",
    "numpy.atleast_1d", "numpy.atleast_2d", "numpy.broadcast_to", "numpy.frombuffer", "numpy.split",
    "numpy.array_split", "numpy.swapaxes", "numpy.diagonal", "numpy.expand_dims", "typing.cast",
    "numpy.lib.stride_tricks.sliding_window_view", "numpy.lib.stride_tricks.as_strided", "numpy.array", "memoryview",
})  # fmt: skip
"""Functions whose result may share the first argument's content."""
PLAIN_PATHS = ("datetime.", "math.", "statistics.", "decimal.Decimal", "fractions.Fraction", "time.", "os.getenv",
               "uuid.", "zoneinfo.", "re.", "json.dumps", "pandas.Timestamp", "pandas.Timedelta", "hash",
               "os.path.", "textwrap.", "string.", "getpass.", "platform.", "pandas.to_timedelta_scalar")  # fmt: skip
"""Functions whose result nothing can change."""
ITERATOR_PATHS = ("itertools.", "csv.reader", "csv.DictReader", "csv.writer", "csv.DictWriter", "io.", "random.Random",
                  "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator", "queue.",
                  "tempfile.", "zipfile.", "sqlite3.Cursor", "numpy.random.SeedSequence")  # fmt: skip
CHANGES_FIRST = frozenset({
    "random.shuffle", "numpy.random.shuffle", "heapq.heappush", "heapq.heappop", "heapq.heapify", "heapq.heapreplace",
    "heapq.heappushpop", "bisect.insort", "bisect.insort_left", "bisect.insort_right", "numpy.put", "numpy.copyto",
    "numpy.place", "numpy.putmask", "numpy.fill_diagonal", "numpy.put_along_axis", "operator.setitem",
    "operator.delitem", "operator.iadd", "setattr", "delattr", "next", "collections.deque.append", "asyncio.wait",
    "numpy.add.at", "numpy.subtract.at", "numpy.maximum.at", "numpy.random.Generator.shuffle", "operator.iconcat",
    "contextlib.closing", "functools.update_wrapper", "anext",
})  # fmt: skip
CHANGES_SECOND = frozenset({"json.dump", "pickle.dump", "yaml.dump", "shutil.copyfileobj", "marshal.dump"})
"""Functions that write their first argument into the second."""

STATE_FUNCTIONS = frozenset({
    "pandas.set_option", "pandas.reset_option", "pandas.options", "numpy.seterr", "numpy.set_printoptions",
    "numpy.seterrcall", "warnings.filterwarnings", "warnings.simplefilter", "warnings.resetwarnings",
    "warnings.formatwarning", "logging.basicConfig", "logging.disable", "logging.config.dictConfig",
    "logging.config.fileConfig", "logging.captureWarnings", "logging.addLevelName", "locale.setlocale", "time.tzset",
    "sys.setrecursionlimit", "sys.settrace", "socket.setdefaulttimeout", "decimal.setcontext", "plotly.io.templates",
    "matplotlib.use", "matplotlib.rc", "matplotlib.rcdefaults", "matplotlib.pyplot.rc", "matplotlib.pyplot.rcdefaults",
    "matplotlib.pyplot.switch_backend", "matplotlib.pyplot.ion", "matplotlib.pyplot.ioff", "matplotlib.style.use",
    "matplotlib.pyplot.style.use", "seaborn.set", "seaborn.set_theme", "seaborn.set_style", "seaborn.set_context",
    "seaborn.set_palette", "torch.manual_seed", "tensorflow.random.set_seed", "torch.set_default_dtype",
    "sklearn.set_config", "polars.Config.set_tbl_rows", "csv.register_dialect", "copyreg.pickle", "atexit.register",
    "signal.signal", "mimetypes.add_type", "codecs.register", "gc.disable", "gc.enable", "duckdb.register",
    "altair.data_transformers.enable", "altair.themes.enable", "pandas.plotting.register_matplotlib_converters",
    "csv.field_size_limit", "math.set_mode", "sys.setswitchinterval", "contextvars.copy_context",
    "functools.singledispatch.register", "sqlite3.register_adapter", "sqlite3.register_converter", "gettext.install",
    "numpy.random.set_state",
    "sys.set_int_max_str_digits",
})  # fmt: skip
"""Functions of quiet libraries that change the library's own state."""
STATE_ELSEWHERE = {
    "tqdm.pandas": "pandas", "tqdm.auto.tqdm.pandas": "pandas", "tqdm.tqdm.pandas": "pandas",
    "tqdm.notebook.tqdm.pandas": "pandas", "seaborn.set_theme": "matplotlib", "seaborn.set": "matplotlib",
    "seaborn.set_style": "matplotlib", "seaborn.set_palette": "matplotlib", "seaborn.set_context": "matplotlib",
    "logging.captureWarnings": "warnings",
}  # fmt: skip
"""Functions that change another library's state."""
STATE_TEXTS = ("register_", "extensions.", "accessor", "rcParams.update", "set_option", "seed")
"""A library's dotted path that holds one of these changes its state."""

SEEDS = {"random.seed": "random", "random.setstate": "random", "numpy.random.seed": "numpy",
         "numpy.random.set_state": "numpy"}  # fmt: skip
NO_DRAWS = frozenset({"Random", "SystemRandom", "default_rng", "Generator", "RandomState", "seed", "SeedSequence",
                      "PCG64", "getstate", "get_state", "BitGenerator", "MT19937", "Philox"})  # fmt: skip
STAYING_MAGICS = frozenset({
    "time", "timeit", "who", "whos", "who_ls", "pwd", "lsmagic", "history", "hist", "pinfo", "pinfo2", "psource",
    "pdoc",
    "prun", "lprun", "mprun", "memit", "pprint", "quickref", "magic", "precision_", "colors", "notebook", "psearch",
    "pfile", "ls", "ll", "dirs", "page", "pycat", "cat", "tb", "xmode", "autoreload", "debug", "pdb", "load",
    "automagic",
    "autocall", "rehashx", "bookmark_", "logstart", "logstop", "doctest_mode", "watermark", "html", "HTML", "markdown",
    "svg", "SVG", "latex", "javascript", "js", "mermaid", "connect_info", "qtconsole", "clear", "head", "less", "more",
    "man", "uname", "nbagg", "conda_list", "version_information", "black", "nb_black",
})  # fmt: skip
"""Magics that only show something."""


def is_known(module: str) -> bool:
    """Tell whether importing a module changes nothing but its own state."""
    return module.partition(".")[0] in KNOWN_MODULES
