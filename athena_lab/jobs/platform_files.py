"""The platform's own files in the jobs repository: the loader of every shard, static DAGs, what Airflow passes over."""

from __future__ import annotations

from collections.abc import Mapping

from athena_lab.jobs.git import Git

LOADER = '''"""Athena's jobs of one shard: reads the specs beside this file and makes a DAG of each."""
from airflow.sdk import DAG  # noqa: F401  (Airflow's safe mode looks for these words)
from athena_lab.airflow.loader import load_shard
globals().update(load_shard(__file__))
'''
BEACON = '''"""A DAG that is always there: asking Airflow to read it anew makes Airflow look for new loaders."""
from airflow.sdk import DAG

with DAG("athena_beacon", schedule=None, tags=["athena"], doc_md=__doc__):
    pass
'''
REHEARSAL = '''"""Runs bundles once before they are deployed; each run brings along what it executes."""
from airflow.sdk import DAG  # noqa: F401  (Airflow's safe mode looks for these words)
from athena_lab.airflow.rehearsal import load_rehearsals
globals().update(load_rehearsals())
'''
IGNORED = """# Loaders read the specs; among ten thousand Airflow would open each one after every deployment.
shard_*/
"""
PLATFORM_FILES: Mapping[str, str] = {
    "dags/.airflowignore": IGNORED,
    "dags/beacon.py": BEACON,
    "dags/rehearsal.py": REHEARSAL,
}
"""The platform's own files by path; a repository of before they changed is brought up to date."""


def outdated_files(git: Git, head: str | None) -> dict[str, str]:
    """Give those of the platform's files that a commit lacks or has otherwise, with the text they should have."""
    listing = git.text("ls-tree", "-z", head, "--", *PLATFORM_FILES) if head else ""
    entries = [line.split("\t", 1) for line in listing.split("\0") if line]
    blobs = {path: info.split()[2] for info, path in entries}
    return {
        path: text
        for path, text in PLATFORM_FILES.items()
        if path not in blobs or git.run(["cat-file", "blob", blobs[path]]) != text.encode()
    }
