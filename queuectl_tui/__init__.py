"""A persistent queue for shell commands, and a full-screen terminal app over it."""

__version__ = "0.1.0"
