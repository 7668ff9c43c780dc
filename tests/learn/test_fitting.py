"""The training loop: reproducible, resumable to the byte, clean when interrupted."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from heedful.errors import InputError
from heedful.learn import fit, lbfgs, load_tensors, seeded


def problem(n=90):
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(n, 4)).astype(np.float32))
    return x, (x[:, :1] * x[:, 1:2] + x[:, 2:3])


def net():
    with seeded(5):
        return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(),
                                   torch.nn.Dropout(.2), torch.nn.Linear(8, 1))


def loss(module, x, y):
    return ((module(x) - y) ** 2).mean()


def same(a, b):
    first, second = a.state_dict(), b.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first | second)


KEYS = {"epochs": 6, "batch_size": 16, "lr": .01, "schedule": "cosine", "clip": 1.0, "validation": .2}


def test_same_seed_same_bytes_other_seed_other_bytes_and_no_global_state():
    torch.manual_seed(11)
    np.random.seed(11)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    runs = []
    for seed in (0, 0, 1):
        module = net()
        runs.append((module, fit(module, loss, problem(), seed=seed, **KEYS)))
    assert same(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]
    assert not same(runs[0][0], runs[2][0])
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()


class Stop(Exception):
    pass


@pytest.mark.parametrize("at", [1, 4, 5, 13, 22, 29])
def test_resume_is_bit_identical(tmp_path, at):
    whole = net()
    expected = fit(whole, loss, problem(), **KEYS)
    calls = 0

    def failing(module, x, y):
        nonlocal calls
        calls += module.training
        if calls > at:
            raise Stop
        return loss(module, x, y)

    path = tmp_path / "run.safetensors"
    with pytest.raises(Stop):
        fit(net(), failing, problem(), checkpoint=path, every=2, **KEYS)
    module = net()
    record = fit(module, loss, problem(), checkpoint=path, every=2, **KEYS)
    assert same(module, whole)
    assert record.resumed == (at >= 2)
    assert (record.train, record.validation, record.best_epoch) == (
        expected.train, expected.validation, expected.best_epoch)
    # a third call finds a finished run
    third = net()
    fit(third, failing, problem(), checkpoint=path, every=2, **KEYS)
    assert same(third, whole)
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]


def test_stops_early_and_keeps_the_best_weights():
    x, y = problem(40)
    module = net()
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32))
    record = fit(module, loss, (x, noise), validation=(x, y), epochs=200, lr=.05, patience=5, batch_size=8)
    assert record.stopped == "early"
    assert record.epochs == record.best_epoch + 5 < 200
    module.eval()
    assert float(loss(module, x, y).detach()) == pytest.approx(record.best_loss, rel=1e-5)
    assert record.best_loss == min(record.validation)


def test_groups_are_held_out_whole():
    x, y = problem(60)
    groups = np.repeat(np.arange(12), 5)
    seen = []

    def spy(module, x, y, g):
        seen.append((module.training, g.clone()))
        return loss(module, x, y)

    record = fit(net(), spy, (x, y, torch.from_numpy(groups)), groups=groups, validation=.25, epochs=1)
    train = {int(v) for t, g in seen if t for v in g}
    held = {int(v) for t, g in seen if not t for v in g}
    assert record.rows == (45, 15)
    assert len(held) == 3
    assert not train & held
    with pytest.raises(InputError, match="one group"):
        fit(net(), loss, (x, y), groups=np.zeros(60), validation=.25)


def test_what_is_wrong_is_said(tmp_path):
    x, y = problem(20)
    with pytest.raises(InputError, match=r"loss became nan in epoch 1, batch 1"):
        fit(net(), loss, (x * float("nan"), y), checkpoint=tmp_path / "c.safetensors", validation=0)
    assert not list(tmp_path.iterdir())
    fit(net(), loss, (x, y), checkpoint=tmp_path / "c.safetensors", epochs=1)
    with pytest.raises(InputError, match=r"another run: seed 0, now 1"):
        fit(net(), loss, (x, y), checkpoint=tmp_path / "c.safetensors", epochs=1, seed=1)
    with pytest.raises(InputError, match=r"another run: data"):
        fit(net(), loss, (x + 1, y), checkpoint=tmp_path / "c.safetensors", epochs=1)
    with pytest.raises(InputError, match=r"\[20, 19\] rows"):
        fit(net(), loss, (x, y[:-1]))
    with pytest.raises(InputError, match="no rows"):
        fit(net(), loss, (x[:0], y[:0]))


def test_checkpoint_with_nan_weights_is_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    fit(net(), loss, problem(), checkpoint=path, epochs=1)
    tensors, record = load_tensors(path)
    from json import dumps

    from safetensors.torch import save_file
    tensors["module/0.weight"][0, 0] = float("nan")
    save_file(tensors, path, metadata={"heedful": dumps(record)})
    with pytest.raises(InputError, match=r"module/0\.weight.*NaN"):
        fit(net(), loss, problem(), checkpoint=path, epochs=1)


CHILD = textwrap.dedent("""
    import os, signal, sys, time
    import numpy as np, torch
    torch.set_num_threads(1)
    from heedful.learn import fit, seeded, load_tensors
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32))
    def net():
        with seeded(0):
            return torch.nn.Linear(4, 1)
    def loss(m, x, y):
        time.sleep(.0005)
        return ((m(x) - y) ** 2).mean()
    def train(path):
        m = net()
        fit(m, loss, (x, x[:, :1]), epochs=12, batch_size=8, checkpoint=path, every=1)
        return m
""")


def child(code, tmp_path, **keys):
    environment = dict(os.environ, OMP_NUM_THREADS="1", PYTHONWARNINGS="ignore")
    return subprocess.run([sys.executable, "-c", CHILD + textwrap.dedent(code), str(tmp_path)],
                          capture_output=True, text=True, timeout=120, env=environment, check=False, **keys)


def test_killed_again_and_again_ends_with_the_same_bytes(tmp_path):
    """kill -9 at random instants: every checkpoint can be read, and the end is the uninterrupted run's."""
    done = child("""
        folder = sys.argv[1]
        whole = train(folder + "/whole.safetensors").weight.detach().numpy().tobytes()
        rng, kills, resumes = np.random.default_rng(0), 0, 0
        for trial in range(40):
            if trial >= 3 and kills >= 20:  # a run may end before its kill comes: then another is begun
                break
            path = f"{folder}/{trial}.safetensors"
            while True:
                pid = os.fork()
                if pid == 0:
                    end = train(path).weight.detach().numpy().tobytes()
                    os._exit(0 if end == whole else 9)
                if kills < 7 * min(trial + 1, 3):
                    time.sleep(float(rng.uniform(.005, .08)))
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                code = os.waitpid(pid, 0)[1]
                if os.path.exists(path):
                    load_tensors(path)
                    resumes += 1
                if code == 0:
                    break
                assert code == signal.SIGKILL, code
        extra = [p for p in os.listdir(folder) if "partial" in p]
        print(kills >= 20, resumes >= 10, len(extra) <= 3)
    """, tmp_path)
    assert done.stdout.split() == ["True", "True", "True"], done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_a_checkpoint(tmp_path, number):
    done = child(f"""
        import threading
        path = sys.argv[1] + "/run.safetensors"
        def later():
            while not os.path.exists(path):
                time.sleep(.01)
            os.kill(os.getpid(), {int(number)})
        threading.Thread(target=later).start()
        fit(net(), loss, (x, x[:, :1]), epochs=100000, batch_size=8, checkpoint=path, patience=None)
    """, tmp_path)
    assert done.returncode == {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 143}[number], done.stderr
    assert load_tensors(tmp_path / "run.safetensors")[1]["step"] > 0
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]


def test_lbfgs_meets_the_closed_form_bounds_and_wald():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 3)), rng.normal(size=200)
    A, B = torch.from_numpy(a), torch.from_numpy(b)
    total = lambda p: 0.5 * ((A @ p["w"] - B) ** 2).sum()
    found = lbfgs(total, {"w": np.zeros(3)})
    exact = np.linalg.lstsq(a, b, rcond=None)[0]
    np.testing.assert_allclose(found.params["w"], exact, atol=1e-7)
    np.testing.assert_allclose(found.covariance(), np.linalg.inv(a.T @ a), atol=1e-10)
    assert found.converged
    from scipy.optimize import nnls
    held = lbfgs(total, {"w": np.zeros(3)}, bounds={"w": (0, None)})
    np.testing.assert_allclose(held.params["w"], nnls(a, b)[0], atol=1e-6)
    assert (held.standard_errors()["w"][held.params["w"] == 0] == 0).all()
    module = torch.nn.Linear(3, 1, bias=False).double()
    lbfgs(lambda p: total({"w": p["weight"][0]}), module)
    np.testing.assert_allclose(module.weight[0].detach().numpy(), exact, atol=1e-7)
    with pytest.raises(InputError, match="not finite at the start"):
        lbfgs(lambda p: torch.log(p["w"]).sum(), {"w": np.array([-1.0])})
    with pytest.raises(InputError, match="no parameters"):
        lbfgs(total, {"w": np.zeros(3)}, bounds={"v": (0, 1)})
    with pytest.raises(InputError, match="not positive definite"):
        lbfgs(lambda p: (p["w"] ** 4).sum(), {"w": np.zeros(2)}).covariance()
