"""From a YAML file to validated models. Everything a run needs is a value of `RunConfig`; nothing else is read."""
