"""`experiments doctor`: whether all that a run needs is there, before it is needed."""
