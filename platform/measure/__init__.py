"""What `python -m platform.bench` measures: this machine, on the networks and files that a search uses."""
