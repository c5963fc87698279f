"""The study: its storage, the space and its sampler, what an earlier run tells it, and who is stopped early."""
