"""What Optuna proposes: the study with its storage, the space, and who is stopped early."""
