"""Tests run on one torch thread each, so that parallel workers do not fight over the cores."""

import torch

torch.set_num_threads(1)
