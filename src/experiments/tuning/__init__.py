"""How candidates, or the experiment itself, do on rows of the training set that they were not fitted on."""
