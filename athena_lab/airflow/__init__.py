"""What runs inside Airflow's processes: loader of specs, notebook operator, sandboxed kernel, plugin routes."""
