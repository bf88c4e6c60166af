"""`python -m carseg_lib`: see `carseg_lib.workflow.cli`."""

import sys

from carseg_lib.workflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
