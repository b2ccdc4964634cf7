"""Sphinx: MyST Markdown, furo, and the core's version."""

import tomllib
from pathlib import Path

_core = tomllib.loads((Path(__file__).parent.parent / "core" / "pyproject.toml").read_text())["project"]

project = "alert-core"
author = "The alert-core authors"
copyright = author  # noqa: A001 - Sphinx's own name for it
release = version = _core["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
suppress_warnings = ["misc.highlighting_failure"]  # a console block may hold JSON over several lines
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"alert-core {release}"
