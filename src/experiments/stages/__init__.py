"""Spark ML stages that Spark does not have."""
