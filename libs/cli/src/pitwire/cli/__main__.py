"""`python -m pitwire.cli` and the console script `pitwire`."""

from __future__ import annotations

from pitwire.cli.app import app


def main() -> None:
    """Runs the command line; the exit codes are those of `exit_codes.ExitCode`."""
    app()


if __name__ == "__main__":
    main()
