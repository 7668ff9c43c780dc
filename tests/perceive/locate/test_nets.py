"""The stem is local, the read is exact, and both are what ``Weights`` says they are."""

import numpy as np
import pytest
import torch

from heedful.perceive.locate.nets import CELL, SEEN, PlainViT, TiedRead
from heedful.perceive.locate.reading import class_weights, source_weights
from heedful.perceive.locate.rivals import blank, centre_prior, class_token, integrated_gradients, occlusion
from heedful.perceive.locate.training import augment_each


@pytest.fixture(scope="module")
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = TiedRead(3, 3, mean=[0.4] * 3, std=[0.25] * 3, channels=(4, 6, 8, 8, 8), temperature=0.7)
        for p in made.parameters():
            p.data += 0.3 * torch.randn(p.shape)
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def x():
    return torch.rand(4, 3, 32, 48, generator=torch.Generator().manual_seed(1))


def test_a_cell_sees_27_pixels_and_no_more(net):
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    net.tokens(x)[0, :, 8, 8].square().sum().backward()
    seen = (x.grad.abs().sum((0, 1)) > 0).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [SEEN, SEEN]


def test_contributions_add_up_to_the_logit_before_and_after_they_are_handed_on(net, x):
    heard = net.hear(x)
    torch.testing.assert_close(heard.contributions.sum((2, 3)) + net.bias, heard.logits)
    torch.testing.assert_close(heard.landed.sum((2, 3)) + net.bias, heard.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(heard.logits, net(x))


def test_the_tied_read_is_a_weights(net, x):
    tokens, heard = net.tokens(x), net.hear(x)
    weights = class_weights(net, tokens)
    torch.testing.assert_close(weights.rows([0, 1, 2]), heard.weights.flatten(2), rtol=1e-5, atol=1e-6)
    evidence = weights.k @ weights.q.mT
    torch.testing.assert_close(evidence.mT, heard.evidence.flatten(2), rtol=1e-5, atol=1e-5)


def test_the_source_read_is_a_weights_and_landing_is_its_adjoint(net, x):
    tokens, heard = net.tokens(x), net.hear(x)
    landed = source_weights(net, tokens).T @ heard.contributions.flatten(2).mT
    torch.testing.assert_close(landed.mT, heard.landed.flatten(2), rtol=1e-4, atol=1e-6)


def test_handing_on_against_a_loop(net, x):
    tokens = net.tokens(x[:1])
    c = torch.rand(1, 2, *tokens.shape[2:], generator=torch.Generator().manual_seed(3))
    shares, out = net.source.shares(tokens)[0], torch.zeros_like(c[0])
    h, w = tokens.shape[2:]
    for j in range(h * w):
        for n in range(25):
            r, s = j // w + n // 5 - 2, j % w + n % 5 - 2
            if 0 <= r < h and 0 <= s < w:
                out[:, r, s] += c[0].flatten(1)[:, j] * shares[n, j]
            else:
                assert shares[n, j] == 0
    torch.testing.assert_close(net.source(c, tokens)[0], out)


def test_hidden_cells_get_no_weight(net, x):
    keep = torch.ones(4, 8, 12, dtype=torch.bool)
    keep[:, :4] = False
    _, _, a = net.classify(net.tokens(x), keep)
    assert float(a[:, :, :4].sum()) == 0
    torch.testing.assert_close(a.sum((2, 3)), torch.ones(4, 3))


def test_occlusion_against_one_patch_by_hand(net, x):
    classes = torch.tensor([0, 1, 2, 0])
    drop = occlusion(net, x, classes, patch=8)
    by_hand = x.clone()
    by_hand[1, :, 8:16, 40:48] = x[1].mean((1, 2))[:, None, None]
    expected = net(x)[1, 1] - net(by_hand)[1, 1]
    torch.testing.assert_close(drop[1, 1 * 6 + 5], expected, rtol=1e-4, atol=1e-5)


def test_integrated_gradients_are_complete(net, x):
    classes = torch.tensor([2, 1, 0, 1])
    signed, absolute = integrated_gradients(net, x, classes, patch=8, steps=200)
    base = x.mean((2, 3), keepdim=True).expand_as(x)
    here = torch.arange(4)
    torch.testing.assert_close(signed.sum(1), (net(x) - net(base))[here, classes], rtol=2e-2, atol=2e-3)
    assert (absolute >= signed.abs() - 1e-6).all()


def test_blank_and_centre():
    x = torch.arange(2 * 3 * 16 * 16, dtype=torch.float32).view(2, 3, 16, 16)
    marked = torch.zeros(2, 4, dtype=torch.bool)
    marked[0, 3] = True
    out = blank(x, marked, patch=8)
    assert (out[1] == x[1]).all()
    assert (out[0, :, :8] == x[0, :, :8]).all()
    assert (out[0, 1, 8:, 8:] == x[0, 1].mean()).all()
    prior = centre_prior(5, 5)
    assert prior.argmax() == 12


def test_class_token_attention_and_rollout_against_matrices():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        widths = (4, 8, 8, 8, 16)
        net = PlainViT(2, 3, (16, 24), mean=[0.5] * 3, std=[0.2] * 3, channels=widths, heads=2).eval()
    x = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(6))
    record: list = []
    with torch.no_grad():
        net(x, record)
    found = class_token(net, x)
    rolled = np.eye(7)[None].repeat(2, 0)
    for q, k, _ in record:
        p = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).mean(1).numpy()
        rolled = (0.5 * np.eye(7) + 0.5 * p) @ rolled
    np.testing.assert_allclose(found["attention"], p[:, 0, 1:], atol=1e-6)
    np.testing.assert_allclose(found["rollout"], rolled[:, 0, 1:], atol=1e-6)


def _symmetries(image, square=True):
    turns = range(4) if square else (0, 2)
    return [torch.rot90(v, k, (1, 2)) for k in turns for v in (image, image.flip(2))]


@pytest.mark.parametrize(("views", "count"), [("overhead", 8), ("mirror", 2), ("none", 1)])
def test_every_image_gets_its_own_view_without_shift(views, count):
    one = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        seen = augment_each(one.expand(200, -1, -1, -1), views, shift=0)
    # gain and offset are affine per band, so correlation with the right symmetry is one
    z = seen - seen.mean((2, 3), keepdim=True)
    found = set()
    for n, view in enumerate(_symmetries(one[0])):
        v = view - view.mean((1, 2), keepdim=True)
        r = (z * v).sum((1, 2, 3)) / (z.flatten(1).norm(dim=1) * v.norm())
        found |= {n} if (r > 0.9999).any() else set()
    assert len(found) == count


def test_shifts_move_whole_pixels_and_sides_need_not_be_equal():
    image = torch.rand(1, 1, 12, 20, generator=torch.Generator().manual_seed(0)).expand(300, -1, -1, -1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        seen = augment_each(image, "mirror", shift=2)
    assert seen.shape == image.shape
    z = seen[..., 2:-2, 2:-2] - seen[..., 2:-2, 2:-2].mean((2, 3), keepdim=True)
    offsets = set()
    for down in range(5):
        for across in range(5):
            for n, view in enumerate((image[0], image[0].flip(2))):
                v = view[:, down : down + 8, across : across + 16]
                v = v - v.mean()
                r = (z * v).sum((1, 2, 3)) / (z.flatten(1).norm(dim=1) * v.norm())
                offsets |= {(down, across, n)} if (r > 0.9999).any() else set()
    assert len(offsets) == 50


def test_positions_of_the_vit_are_told_apart():
    with torch.random.fork_rng():
        net = PlainViT(2, 3, (16, 24), mean=[0.5] * 3, std=[0.2] * 3, channels=(4, 8, 8, 8, 16), heads=2)
    waves = net.waves[0]
    assert waves.shape == (7, 16)
    assert torch.pdist(waves[1:]).min() > 0.5
    assert "waves" not in net.state_dict()


def test_sizes_are_named():
    assert CELL == 4
    assert SEEN == 27
