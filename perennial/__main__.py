"""`python -m perennial` is `perennial`."""

from perennial.cli.main import main

main()
