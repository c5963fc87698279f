"""The Ray that a search runs on: its nodes, what they have, and what runs where."""
