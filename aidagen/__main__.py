"""``python -m aidagen`` is the ``aidagen`` command."""

import sys

if __name__ == "__main__":
    try:
        from aidagen.cli import main
    except KeyboardInterrupt:  # while the command itself is being read; from then on, main sees it
        print("aidagen: Stopped by Ctrl-C.", file=sys.stderr)
        sys.exit(130)
    sys.exit(main())
