"""A package of its own: some library installs another of this name."""
