"""GoogleSQL to DuckDB: parse, replace the references, resolve names and types, apply the rules, write."""
