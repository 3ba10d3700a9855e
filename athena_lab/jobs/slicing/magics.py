"""Read IPython's magics and shell commands: what they bind, need and change."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable
from itertools import pairwise

from athena_lab.jobs.slicing.knowledge import STAYING_MAGICS
from athena_lab.jobs.slicing.source import Magic, read_source
from athena_lab.jobs.slicing.state import Scope
from athena_lab.jobs.slicing.statements import Statements
from athena_lab.jobs.slicing.values import PLAIN, UNKNOWN_PART, Kind, Value

WAREHOUSE_MAGICS = frozenset({"athena", "bigquery", "bq"})
_VERBS = frozenset({"tables", "describe", "cost", "config", "help", "promote"})
_INSERTED = re.compile(r"\{([^{}]+)\}|\$([A-Za-z_]\w*)")
_PARAMETER = re.compile(r"(?<![@\w])@([A-Za-z_]\w*)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_PARAMS_FLAG = re.compile(r"--params(?:\s+|=)")
_FLAGS_WITH_VALUE = frozenset({
    "--max-bytes", "--maximum_bytes_billed", "--max-results", "--max_results", "--into",
    "--destination_table", "--mode",
    "--label", "--progress_bar_type", "--project", "--location", "--job_timeout",
})  # fmt: skip
_EXTENSIONS = {"google.cloud.bigquery": "bigquery", "bigquery_magics": "bigquery", "athena_lab": "athena"}
_SHELLS = frozenset({"bash", "sh", "system", "sx", "script", "!", "cmd", "zsh"})
_SHOWING = frozenset({
    "ls", "cat", "echo", "head", "tail", "wc", "pwd", "date", "df", "du", "grep", "which", "free", "uname", "whoami",
    "tree", "sort", "cut", "uniq", "nproc", "nvidia-smi", "env", "printenv", "file", "stat", "hostname", "id", "true",
    "diff", "printf", "test", "type", "ps", "top", "lscpu", "md5sum", "sha256sum", "less", "more", "column", "jq",
    "tr", "seq", "basename", "dirname", "realpath", "set", "export", "find", "awk", "history",
})  # fmt: skip
_SHOWING_LONG = re.compile(
    r"(?:python3?|pip3?|conda|git|java|node|npm|gcloud|bq|duckdb)\s+(?:-V|--version|-c\s|list|show|freeze|status|log|"
    r"diff|branch|remote|info|version|ls)|(?:python3?)\s+-m\s+pip\s+(?:list|show|freeze)"
)
_INSTALL = re.compile(r"(?:pip3?|conda|mamba|uv\s+pip|(?:python3?|\S*python)\s+-m\s+pip)\s+install\b(?P<what>.*)")
_REDIRECT = re.compile(r"(?P<how>>>|>)\s*(?P<path>[^\s&|;<>]+)")
_DISTRIBUTIONS = {"scikit-learn": "sklearn", "pyyaml": "yaml", "pillow": "PIL", "beautifulsoup4": "bs4",
                  "python-dateutil": "dateutil", "opencv-python": "cv2"}  # fmt: skip


class Magics(Statements):
    """Reads magics, by name."""

    def do_magic(self, magic: Magic) -> Value:
        self._use_inserted(magic.line)
        if magic.name == "!":
            self.run_shell(magic.line)
            return self.fresh(Kind.BOX)
        rules: dict[str, Callable[[Magic], object]] = {
            "env": self._env, "set_env": self._env, "cd": self._cd, "pushd": self._cd, "popd": self._cd,
            "matplotlib": self._matplotlib, "config": self._config, "load_ext": self._load_ext,
            "reload_ext": self._load_ext, "run": self._run_file, "pylab": self._pylab, "reset": self._reset,
            "reset_selective": self._reset, "store": self._store, "pip": self._pip, "conda": self._pip,
            "uv": self._pip, "time": self._python, "timeit": self._python, "writefile": self._write_file,
            "file": self._write_file, "rerun": self._unknown, "precision": self._config, "mkdir": self._shell_word,
            "rm": self._shell_word, "mv": self._shell_word, "cp": self._shell_word, "system": self._shell_line,
            "sx": self._shell_line, "prun": self._python, "unload_ext": self._unload,
        }  # fmt: skip
        if magic.name in rules:
            result = rules[magic.name](magic)
            return result if isinstance(result, Value) else PLAIN
        if magic.name in WAREHOUSE_MAGICS:
            return self._warehouse(magic)
        if magic.name in _SHELLS:
            self._shell_cell(magic)
            return self.fresh(Kind.BOX)
        if magic.name in STAYING_MAGICS:
            return PLAIN
        return self._other(magic)

    def _use_inserted(self, text: str) -> None:
        """`{expression}` and `$name` in a line take live values."""
        for expression, name in _INSERTED.findall(text):
            source = expression or name
            try:
                tree = ast.parse(source.strip(), mode="eval")
            except SyntaxError:
                continue
            names = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}
            if names & self.globals.names.keys():
                self.evaluate(tree.body)

    def _text_of_inserted(self, text: str) -> str:
        """Give the line with what is known of its inserted values put in, the rest marked as unknown."""

        def put(found: re.Match[str]) -> str:
            value = self.globals.names.get((found[1] or found[2]).strip())
            return value.text if value is not None and value.text is not None else UNKNOWN_PART

        return _INSERTED.sub(put, text)

    # -- the warehouse

    def _warehouse(self, magic: Magic) -> Value:
        if magic.body is None:
            self.effects.use(f"magic:{magic.name}")
            return self.fresh(Kind.DATA)
        self.effects.use(f"magic:{magic.name}")
        line = self._use_params(magic.line)
        name, into, mode = _read_flags(line)
        for parameter in dict.fromkeys(_PARAMETER.findall(_without_text(magic.body))):
            if parameter in self.globals.names or f'"{parameter}"' not in magic.line:
                self.touch(self.load(parameter))
        body = self._text_of_inserted(magic.body) if "{" in magic.body else magic.body
        self.run_sql(body)
        self.effects.use("env:ATHENA_*")
        if into is not None:
            self.write_table(into, replaces=mode in ("replace", "create"))
        if name is None:
            return PLAIN
        self.bind(name, self.fresh(Kind.DATA))
        return PLAIN

    def _use_params(self, line: str) -> str:
        """Read `--params {…}` as the Python expression that it is; give the rest of the line."""
        found = _PARAMS_FLAG.search(line)
        if found is None:
            return line
        before, after = line[: found.start()], line[found.end() :]
        for end in range(len(after), 0, -1):
            try:
                tree = ast.parse(after[:end].strip().lstrip("$"), mode="eval")
            except SyntaxError:
                continue
            self.evaluate(tree.body)
            return before + after[end:]
        return before

    # -- the session

    def _env(self, magic: Magic) -> None:
        words = re.split(r"[=\s]", magic.line.strip(), maxsplit=1)
        if len(words) == 2:
            self.effects.write(f"env:{words[0]}", replaces=True)
        else:
            self.effects.use(f"env:{words[0] or '*'}")

    def _cd(self, magic: Magic) -> None:
        target = self._text_of_inserted(magic.line.replace("-q", "")).strip()
        self.effects.use("cwd:")
        self.effects.write("cwd:")
        if target and target != "-":
            self._need_folder(f"{target}/x")

    def _matplotlib(self, _: Magic) -> None:
        self.change_module("matplotlib")

    def _config(self, magic: Magic) -> None:
        word = magic.line.split(".", 1)[0].strip()
        if word == "InlineBackend":
            self.change_module("matplotlib")
        elif word in ("Completer", "IPCompleter", "HistoryManager"):
            return
        elif word.lower().startswith(("sql", "athena", "bigquery")):
            self.effects.write("magic:*")
        elif "=" in magic.line or magic.name == "precision":
            self.effects.doubt("stream:", f"%{magic.name} {magic.line[:40]} may change what is shown")

    def _load_ext(self, magic: Magic) -> None:
        extension = magic.line.strip()
        if extension in ("autoreload", "line_profiler", "memory_profiler", "tensorboard"):
            return
        self.effects.write(f"magic:{_EXTENSIONS.get(extension, '*')}")
        root = extension.partition(".")[0]
        self._use_module(root)

    def _unload(self, _: Magic) -> None:
        self.effects.write("magic:*")

    def _run_file(self, magic: Magic) -> None:
        words = [word for word in magic.line.split() if not word.startswith("-")]
        path = self._text_of_inserted(words[0]) if words else None
        self.read_file(path)
        self.effects.doubt("*", f"what %run {path} binds is not known")
        self.effects.use("file:*.py")
        if "-i" in magic.line.split():
            self.effects.use("*")

    def _pylab(self, _: Magic) -> None:
        self.change_module("matplotlib")
        self.effects.doubt("*", "what %pylab binds is not known")
        for name, path in (("np", "numpy"), ("plt", "matplotlib.pyplot")):
            self.bind(name, self._module_value(path))

    def _reset(self, magic: Magic) -> None:
        self.effects.doubt("*", f"%{magic.name} removes names")

    def _store(self, magic: Magic) -> None:
        words = [word for word in magic.line.split() if not word.startswith("-")]
        if "-r" in magic.line.split():
            for word in words:
                self.bind(word, Value())
                self.effects.use(f"stored:{word}")
            if not words:
                self.effects.doubt("*", "what %store -r brings back is not known")
        else:
            for word in words:
                self.load(word)
                self.effects.write(f"stored:{word}", replaces=True)

    def _pip(self, magic: Magic) -> None:
        self._install(f"{'uv pip' if magic.name == 'uv' else magic.name} {magic.line.removeprefix('pip ')}")

    def _install(self, command: str) -> bool:
        """An installation counts for whoever imports what it installs."""
        found = _INSTALL.search(command)
        if found is None:
            return False
        for word in found["what"].split():
            if not word.startswith("-"):
                name = re.split(r"[=<>!~\[;@]", word.strip("'\""))[0].lower()
                self.effects.write(f"module:{_DISTRIBUTIONS.get(name, name.replace('-', '_'))}")
        return True

    def _python(self, magic: Magic) -> Value:
        words = re.sub(r"^(?:-[nrtcpqo]\s*\d*\s+|--\S+\s+)+", "", magic.line)
        source = read_source(words)
        if source.tree is None:
            self._other(magic)
            return PLAIN
        if magic.name == "timeit":
            self.time_body(source.tree.body)
            return PLAIN
        body = source.tree.body
        if len(body) == 1 and isinstance(body[0], ast.Expr):
            return self.evaluate(body[0].value)
        self.run_body(body)
        return PLAIN

    def time_body(self, body: list[ast.stmt]) -> None:
        """Read what `timeit` runs: in a function of its own, so that it binds nothing here."""
        outer, self.scope = self.scope, Scope(self.scope)
        self.maybe(lambda: self.run_body(body))
        self.scope = outer

    # -- files and shells

    def _write_file(self, magic: Magic) -> None:
        words = magic.line.split()
        path = next((word for word in words if not word.startswith("-")), None)
        self.write_file(self._text_of_inserted(path).strip("'\"") if path else None, replaces="-a" not in words)

    def _shell_word(self, magic: Magic) -> None:
        self.run_shell(f"{magic.name} {magic.line}")

    def _shell_line(self, magic: Magic) -> None:
        self.run_shell(magic.line if magic.body is None else magic.body)

    def _shell_cell(self, magic: Magic) -> None:
        words = magic.line.split()
        for flag, name in pairwise(words):
            if flag in ("--out", "--err"):
                self.bind(name, PLAIN)
        for command in re.split(r"\n|&&|;|\|\|", re.sub(r"\\\n", " ", magic.body or "")):
            self.run_shell(command)

    def run_shell(self, command: str | None) -> None:
        """Read one shell command: known ones by what they do, others in doubt about every file."""
        if command is not None and not command.split("#")[0].strip():
            return
        self.effects.use("cwd:")
        self.effects.use("env:*")
        self.effects.use("file:*")
        if command is None:
            self._doubt_shell("a program")
            return
        text = self._text_of_inserted(command).strip()
        for redirect in _REDIRECT.finditer(text):
            path = redirect["path"].strip("'\"")
            if path != "/dev/null" and not path.startswith("&"):
                self.write_file(path, replaces=False)
        if not self._install(text):
            for part in _REDIRECT.sub("", text).split("|"):
                self._shell_part(part.strip())

    def _shell_part(self, text: str) -> None:
        try:
            words = shlex.split(text)
        except ValueError:
            words = text.split()
        if not words or _SHOWING_LONG.match(text):
            return
        name, targets = words[0], [word for word in words[1:] if not word.startswith("-")]
        if name == "mkdir":
            for target in targets:
                self.make_folder(target)
        elif name in ("touch", "tee", "cp", "mv", "rm", "wget", "curl", "unzip", "gunzip", "ln", "rmdir", "chmod"):
            self._change_files(name, targets)
        elif name not in _SHOWING or "-delete" in words or "-exec" in words:
            self._doubt_shell(name)

    def _change_files(self, name: str, targets: list[str]) -> None:
        written = targets[-1:] if name in ("cp", "ln") else targets
        if name in ("wget", "curl", "unzip"):
            written = ["*"]
        for target in written:
            self.write_file(target, replaces=False)
            self.effects.write(f"file:{target}/*")

    def _doubt_shell(self, name: str) -> None:
        why = f"'{name}' may write files or change the machine"
        self.effects.doubt("file:*", why)
        self.effects.doubt("dir:*", why)

    # -- what is not known

    def _unknown(self, magic: Magic) -> None:
        self._other(magic)

    def _other(self, magic: Magic) -> Value:
        """A magic of unknown effect is kept, with whatever it names."""
        sign = "%" if magic.body is None else "%%"
        self.effects.use(f"magic:{magic.name}")
        self.effects.keeps.append(f"what {sign}{magic.name} does is not known")
        text = f"{magic.line}\n{magic.body or ''}"
        for word in dict.fromkeys(_WORD.findall(text)):
            if word in self.globals.names:
                self.change_value(self.load(word), f"{sign}{magic.name} may change it")
        first = magic.line.split("<<")[0].strip() if "<<" in magic.line else ""
        if first.isidentifier():
            self.bind(first, self.fresh(Kind.DATA))
        elif magic.line.split()[:1] and magic.line.split()[0].isidentifier():
            self.effects.write(magic.line.split()[0])
        return Value()

    def call_shell_method(self, name: str, texts: list[str | None]) -> Value | None:
        given = [text for text in texts if text is not None]
        if name in ("run_line_magic", "run_cell_magic") and len(given) == len(texts) >= 2:
            return self.do_magic(Magic(given[0], given[1], given[2] if len(given) > 2 else None))
        if name in ("magic", "system", "getoutput", "getoutput_raw") and len(given) == len(texts) == 1:
            word, _, line = given[0].partition(" ")
            return self.do_magic(Magic(word.lstrip("%"), line) if name == "magic" else Magic("!", given[0]))
        if name in ("run_cell", "ex", "ev") and len(given) == len(texts):
            return self.run_text("exec", given[0])
        if name not in ("register_magic_function", "set_custom_exc"):
            self.effects.keeps.append(f"what get_ipython().{name}() does is not known")
            self.effects.use("*")
        return None

    def run_text(self, name: str, text: str | None) -> Value:
        if text is None or UNKNOWN_PART in text:
            self.effects.use("*")
            if name == "exec":
                self.effects.doubt("*", "what exec() binds is not known")
            return Value()
        source = read_source(text)
        if source.tree is None:
            return Value()
        body = source.tree.body
        if name == "eval" and len(body) == 1 and isinstance(body[0], ast.Expr):
            return self.evaluate(body[0].value)
        self.run_body(body)
        return Value()


def _read_flags(line: str) -> tuple[str | None, str | None, str]:
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    name, into, mode = None, None, "create"
    skip = False
    for position, word in enumerate(words):
        flag, equals, given = word.partition("=")
        following = given if equals else (words[position + 1] if position + 1 < len(words) else "")
        if flag in ("--into", "--destination_table"):
            into = following
        elif flag == "--mode":
            mode = following
        if not skip and not word.startswith("-") and name is None and word.isidentifier():
            name = word
        skip = flag in _FLAGS_WITH_VALUE and not equals
    return name, into, mode


def _without_text(sql: str) -> str:
    """Give a SQL text without strings and comments, where an @ means nothing."""
    return re.sub(r"--[^\n]*|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`", " ", sql)
