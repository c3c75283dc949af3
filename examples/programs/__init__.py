"""Small programs, one a module, each about one thing. Read them in the order of `workflows.py`."""
