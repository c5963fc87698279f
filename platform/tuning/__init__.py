"""The search: Optuna proposes, Ray Tune runs. The only place that imports `ray.tune`."""
