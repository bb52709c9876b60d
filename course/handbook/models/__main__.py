"""Fetch and prepare both models: `python -m handbook.models`. Exit status 1, with what to do, if that fails."""

import sys

from handbook.models import ModelError, prepare

try:
    prepare()
except ModelError as failure:
    sys.exit(f"handbook: {failure}")
