"""`python -m cnrs_graph` is `cnrs-graph`."""

from cnrs_graph.cli import main

if __name__ == "__main__":
    main()
