"""What Hydra finds by itself: it imports every module here at each start, so nothing heavy is imported at the top."""
