#!/usr/bin/env python
"""Run a tool on N processes of this machine: one per GPU, or on the CPU if there is no GPU.

python tools/dist.py train 2 configs/digits/seresnet8_1xb64_digits.py
"""

import argparse
import os
import sys
from pathlib import Path

from senet_mm.cli import reported_errors
from senet_mm.utils.usage import ToolParser

ENVIRONMENT = """
environment:
  NNODES            number of machines (1); run the same line on each, with
  MASTER_ADDR       the address of one of them, and
  NODE_RANK         0 there, 1, 2, ... on the others
  PORT              a free port there (29500)
  JOIN_TIMEOUT      seconds that machines wait for each other (50)
  START_TIMEOUT     seconds without progress before the first iteration that end a run (900)
  MAX_RESTARTS      restarts after a crash; the run resumes by itself (3)
  SHUTDOWN_TIMEOUT  seconds that processes have to save after a signal (60)
"""


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__, epilog=ENVIRONMENT)
    parser.add_argument('tool', choices=['train', 'test'], help='tools/train.py or tools/test.py')
    parser.add_argument('processes', metavar='N', help='number of processes on this machine')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, help='of the tool; see its --help')
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    # Of lost connections, which have their lines.
    os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR')
    from senet_mm.utils.launch import launch
    from senet_mm.utils.progress import be_quiet

    if '--quiet' in args.arguments:
        be_quiet()

    script = Path(__file__).with_name(f'{args.tool}.py')
    sys.exit(launch(script, args.processes, args.arguments))


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
