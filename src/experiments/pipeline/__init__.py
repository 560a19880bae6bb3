"""From configured stages to a fitted `pyspark.ml.PipelineModel`."""
