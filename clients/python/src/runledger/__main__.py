"""`python -m runledger send`: takes what processes that have died left in the spool to the ledger.

Any process with a `Ledger` does that by itself. This is for machines where none runs any more. The address, the tenant,
the token and the spool are in the environment, as for `Ledger`.
"""

import argparse
import logging
import sys

from . import Ledger


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runledger", description=__doc__)
    parser.add_argument("command", choices=["send"])
    parser.add_argument("--seconds", type=float, default=60, help="how long to try, at most")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    left = Ledger().send_left(arguments.seconds)
    print("all is sent" if not left else f"{left} runs still wait to be sent")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
