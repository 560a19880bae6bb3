"""How a fitted pipeline does on rows: what it makes of them, metrics, what is better."""
