"""`python -m carseg_rendering`: see `carseg_rendering.cli`."""

import sys

from carseg_rendering.cli import main

if __name__ == "__main__":
    sys.exit(main())
