"""Promoted work: spec, bundle, repository, outbox, promotion, runs, and the door to Airflow."""
