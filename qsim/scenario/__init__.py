"""What to run: a scenario file is read, checked and resolved to a Plan."""
