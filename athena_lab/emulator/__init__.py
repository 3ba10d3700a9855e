"""The embedded BigQuery: REST v2 and Storage Read over DuckDB, a process of its own (docs/decisions/0003)."""
