"""What SQL cannot say: functions in Python that DuckDB calls, a file a family."""
