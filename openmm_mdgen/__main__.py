"""``python -m openmm_mdgen``: the command line."""

from openmm_mdgen.cli import main

main()
