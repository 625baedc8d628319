"""What happens around runs and nodes: checks and the log, progress, tracking."""
