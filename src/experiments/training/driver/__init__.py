"""What runs on the driver: rows dealt out, the training started, its announcements heard."""
