"""`python -m carseg_rendering`: see `carseg_rendering.cli`."""

import sys

from carseg_rendering.cli import main

sys.exit(main())
