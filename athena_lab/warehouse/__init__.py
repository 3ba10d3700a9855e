"""The BigQuery client's side: connect, estimate, run, read rows as Arrow, list tables, load files."""
