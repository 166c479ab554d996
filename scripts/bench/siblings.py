"""Other scripts of this folder, which have no ending, as modules."""

import importlib.machinery
import importlib.util
import pathlib


def script(name):
    """The script of this name in scripts/, such as make-demo-session: it knows how to fetch and run the voices."""
    path = str(pathlib.Path(__file__).resolve().parent.parent / name)
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module
