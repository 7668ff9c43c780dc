"""What was seen, and what is done with it: losses, what is kept, labels, the table."""

import math

import pytest
import torch
from torch import nn

from heedful import InputError, reads, watch
from heedful.errors import HeedfulError

from .cases import Attention, WrittenAttention, oracle, random, seeded

Q, K, V = random(2, 4, 5, 8), random(2, 4, 7, 8, seed=1), random(2, 4, 7, 6, seed=2)


def test_reads_can_be_part_of_a_loss():
    model = Attention()
    q = Q.clone().requires_grad_()
    with watch(model, reads=[reads.Entropy()], detach=False) as seen:
        model(q, K, V)
    seen[0].r.entropy.mean().backward()
    p = torch.softmax((w := q.detach().requires_grad_()) @ K.mT / math.sqrt(8), -1)
    (-(p * p.log()).sum(-1)).mean().backward()
    assert float((q.grad - w.grad).abs().max()) < 1e-6
    with watch(model) as seen:
        model(q, K, V)
    assert not seen[0].r.entropy.requires_grad


def test_reads_of_the_values():
    model = Attention()
    with watch(model, reads=[reads.Contribution]) as seen:
        model(Q, K, V)
    total = seen[0].r.contribution.total.sum(-1)
    assert float((total - 5).abs().max()) < 1e-4  # each row's terms sum to 1


def test_queries_changed_after_they_were_kept():
    model = Attention()
    q = Q.clone()
    with watch(model, reads=[], keep=True) as seen:
        model(q, K, V)
    assert seen[0].weights.shape == (2, 4, 5, 7)
    q.zero_()
    with pytest.raises(HeedfulError, match="changed in place"):
        _ = seen[0].weights


def test_queries_and_keys_go_when_they_are_not_kept():
    import gc

    def holders(address):
        found = (t for t in gc.get_objects() if type(t) is torch.Tensor and t.layout == torch.strided)
        return sum(t.untyped_storage().data_ptr() == address for t in found)

    model = Attention()
    for keep in (False, True):
        q = Q.clone()
        address = q.untyped_storage().data_ptr()
        with watch(model, keep=keep) as seen:
            model(q, K, V)
        call = seen[0]
        assert (call.r.weights is not None) == keep and (call._asked is not None) == keep
        assert holders(address) == (2 if keep else 1)  # the model's input, and what the call holds


def test_gradients_of_a_watched_model_are_the_same():
    layer = seeded(lambda: nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True))
    x, found = random(2, 6, 16), []
    for watched in (False, True):
        layer.zero_grad()
        if watched:
            with watch(layer):
                out = layer(x)
        else:
            out = layer(x)
        out.square().sum().backward()
        found.append([p.grad.clone() for p in layer.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_checkpointed_layers_are_told_once():
    from torch.utils.checkpoint import checkpoint

    model = Attention()
    q = Q.clone().requires_grad_()
    with watch(model) as seen:
        checkpoint(model, q, K, V, use_reentrant=False).sum().backward()
    assert len(seen) == 1


def test_autocast_reads_what_was_computed():
    model = Attention()
    with torch.autocast("cpu", dtype=torch.bfloat16), watch(model, keep=True) as seen:
        model(Q, K, V)
    p = oracle(Q.bfloat16(), K.bfloat16())
    assert float((seen[0].weights.rows(range(5)) - p).abs().max()) < 1e-5


def test_bad_input():
    with pytest.raises(InputError, match=r"not a torch\.nn\.Module"):
        watch(lambda x: x)
    with watch(model := Attention()) as seen:
        model(Q, K, V)
        model(Q, K, V)
    with pytest.raises(InputError, match="read 2 times"):
        seen["Attention"]
    with pytest.raises(InputError, match="more than once"):
        seen.stack()
    with pytest.raises(InputError, match="3 names for the 5 query"):
        seen[0].reading(["a", "b", "c"])


def test_the_table_lists_what_was_read_and_what_was_not():
    from rich.console import Console

    model = WrittenAttention(after=lambda p: p * 0.5)
    kernel = Attention()
    both = nn.ModuleDict({"a": model, "b": kernel})
    with watch(both, strict=False) as seen:
        both["a"](Q, K, V)
        both["b"](Q, K, V)
    console = Console(width=120, file=open("/dev/null", "w"), record=True)  # noqa: SIM115
    console.print(seen.summary())
    text = console.export_text()
    assert "NOT READ" in text and "2 x 4 x 5 x 7" in text and "checked" in text
    assert "1 not read" in repr(seen)
    drawn = str(seen.summary())
    assert "NOT READ" in drawn and "object at 0x" not in drawn and "\x1b" not in drawn
