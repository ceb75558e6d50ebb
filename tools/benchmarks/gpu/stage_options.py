"""The command line of a stage; imports nothing large."""

import argparse
from pathlib import Path

from senet_mm.utils.usage import ToolParser


def parse_stage_args(description: str) -> argparse.Namespace:
    """The options that all stages have."""
    parser = ToolParser(description=description)
    parser.add_argument('--out', type=Path, required=True, help='JSON file of the results')
    parser.add_argument('--small', action='store_true', help='tiny networks, two steps')
    parser.add_argument('--only', nargs='+', metavar='ROW', help='rows to measure')
    return parser.parse_args()
