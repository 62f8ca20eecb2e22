"""Starts MiniStack with Nagle's algorithm off.

Its Runtime API answers in several small writes; with Nagle and delayed acknowledgements each warm invocation then
costs about 40 ms more.
"""

import socketserver

socketserver.StreamRequestHandler.disable_nagle_algorithm = True

from ministack.app import main  # noqa: E402  (must see the setting above)

if __name__ == "__main__":
    main()
