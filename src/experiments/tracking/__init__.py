"""The only writer of MLflow: runs, their ends, models, registry, and reading all of that again."""
