"""Tests run on one torch thread each, so that parallel workers do not fight over the cores."""

import sys

import torch

torch.set_num_threads(1)


def pytest_addoption(parser):
    parser.addoption(
        "--without-numba", action="store_true", help="run as where numba is not installed: torch tiles alone"
    )


def pytest_configure(config):
    if config.getoption("--without-numba"):
        sys.modules["numba"] = None  # a missing module, for import and for find_spec alike
