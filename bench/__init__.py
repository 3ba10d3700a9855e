"""Figures as JSON lines, each beside its baseline measured in the same run: `make bench [ONLY=query|run|deploy]`."""
