"""One training run, given clips, a plan and a memory provider. Knows nothing of Ray, searches or folders."""
