"""What `logstv` begins with: as little as there can be, so that Ctrl-C is heard while the rest is loaded."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""What a shell says of a command that Ctrl-C ended: 128 and the number of the signal."""


def main() -> None:
    """Run the command."""
    try:
        from logstv.command import run  # noqa: PLC0415 - it takes most of a second

        code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
