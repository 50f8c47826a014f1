"""`python -m dashboards` is `streamlit` with the pages imported beforehand, so that the first viewer does not wait."""

import importlib
from pkgutil import iter_modules

from streamlit.web.cli import main

from dashboards import screens

for page in iter_modules(screens.__path__, f"{screens.__name__}."):
    importlib.import_module(page.name)
main(prog_name="streamlit")
