"""What is kept of a run, what it was made with, and whose it is meanwhile."""
