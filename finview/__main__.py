"""`python -m finview`: the same as the `finview` command."""

import sys

from finview.cli import main

sys.exit(main())
