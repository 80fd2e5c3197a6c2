"""``python -m aidagen`` is the ``aidagen`` command."""

import sys

from aidagen.cli import main

if __name__ == "__main__":
    sys.exit(main())
