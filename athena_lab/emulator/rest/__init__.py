"""BigQuery's REST API, version 2: one file a resource, all of them behind the access check."""
