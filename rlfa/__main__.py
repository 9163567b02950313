"""Where the `rlfa` command begins: Ctrl-C ends it without a stack trace even while the libraries load."""

from __future__ import annotations

import signal


def main() -> None:
    """Load the command line, then run it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from rlfa.cli import run  # seconds of torch and Ray, which is what the lines around it are for

    signal.signal(signal.SIGINT, handler)
    run()


if __name__ == "__main__":
    main()
