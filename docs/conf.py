"""The site: `python -m sphinx -W -b html docs docs/_build`, without a network."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = "openmm-mdgen"
author = "The openmm-mdgen developers"
project_copyright = author
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "sphinx_click", "mdgen_reference"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
smartquotes_action = "qe"  # options of the command line keep their two hyphens

autodoc_typehints = "none"  # they stand beside the parameters, where mdgen_reference puts them
autodoc_member_order = "bysource"
default_role = "code"  # `names` in docstrings
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"openmm-mdgen {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
