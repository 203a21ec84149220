"""``python -m qsim``: the command line, where the command itself is not on the path."""

from qsim.cli import main

if __name__ == "__main__":
    main()
