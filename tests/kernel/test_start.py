"""The kernel's start: cheap, silent, and no harm outside the platform."""

import os
import subprocess
import sys

HEAVY = ("google.auth", "google.cloud.bigquery", "pandas", "pyarrow", "httpx", "pydantic", "sqlglot", "grpc")


def run(code, **environment):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ATHENA_", "GOOGLE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=kept | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_loading_imports_nothing_heavy():
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell()\n"
        "from athena_lab.kernel import profile; import athena_lab\n"
        f"before = set(sys.modules); profile.install(); athena_lab.load_ipython_extension(shell)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules and name not in before])"
    )
    assert run(code, ATHENA_GATEWAY_URL="http://127.0.0.1:1") == "[]"


def test_gateway_that_is_down_is_told_where_a_client_is_wanted():
    code = (
        "from athena_lab.kernel import profile; profile.install(); profile.install()\n"
        "from google.cloud import bigquery\n"
        "try: bigquery.Client()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = run(code, ATHENA_GATEWAY_URL="http://127.0.0.1:1", ATHENA_TOKEN_FILE=os.devnull)
    assert said.startswith("UnreachableError Cannot reach the gateway at 'http://127.0.0.1:1'")


def test_libraries_are_left_as_they_are_outside_the_platform():
    code = (
        "import google.auth; original = google.auth.default\n"
        "from athena_lab.kernel import profile; profile.install(); print(google.auth.default is original)"
    )
    assert run(code) == "True"


def test_own_google_credentials_are_left_alone(tmp_path):
    code = (
        "from athena_lab.kernel import profile; profile.install()\n"
        "import google.auth\n"
        "try: google.auth.default()\n"
        "except Exception as error: print(type(error).__name__)"
    )
    own = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "absent.json")}
    assert run(code, ATHENA_GATEWAY_URL="http://127.0.0.1:1", **own) == "DefaultCredentialsError"


def test_download_is_looked_after_more_often_than_the_vendor_does():
    code = (
        "from athena_lab.kernel import profile; profile.install()\n"
        "from google.cloud.bigquery import _pandas_helpers; print(_pandas_helpers._PROGRESS_INTERVAL)"
    )
    assert run(code) == "0.2"  # the vendor's, which ends each download that late
    assert run(code, ATHENA_GATEWAY_URL="http://127.0.0.1:1") == "0.01"
