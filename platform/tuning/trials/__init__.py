"""One trial: its target, its worker, what it saves, and how it goes on."""
