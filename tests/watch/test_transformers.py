"""Hugging Face architectures, randomly initialised: what is read against eager `output_attentions`."""

import pytest
import torch

from heedful import InputError, watch

transformers = pytest.importorskip("transformers")


def bert():
    return transformers.BertModel, transformers.BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=16
    )


def gpt2():
    return transformers.GPT2Model, transformers.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=4)


def llama():
    return transformers.LlamaModel, transformers.LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=16,
    )


def vit():
    return transformers.ViTModel, transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=16,
        image_size=16,
        patch_size=4,
    )


def t5():
    return transformers.T5Model, transformers.T5Config(
        vocab_size=40, d_model=16, d_kv=4, d_ff=16, num_layers=2, num_heads=4
    )


def deberta():
    return transformers.DebertaV2Model, transformers.DebertaV2Config(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=16,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
    )


def build(architecture):
    """The same random model twice: as it comes, and eager."""
    kind, config = architecture()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = kind(config).eval()
        with torch.no_grad():
            for weight in plain.parameters():  # as they come the weights are so small that nobody attends
                weight.mul_(8.0 if weight.ndim > 1 and architecture is not t5 else 1.0)
        _, again = architecture()
        again._attn_implementation = "eager"
        eager = kind(again).eval()
    eager.load_state_dict(plain.state_dict())
    return plain, eager


def inputs(architecture, padded=False):
    generator = torch.Generator().manual_seed(1)
    if architecture is vit:
        return {"pixel_values": torch.randn(2, 3, 16, 16, generator=generator)}
    ids = torch.randint(3, 40, (2, 9), generator=generator)
    given = {"input_ids": ids}
    if padded:
        given["attention_mask"] = torch.ones_like(ids).index_fill(1, torch.tensor([7, 8]), 0)
        given["attention_mask"][0] = 1
    if architecture is t5:
        given["decoder_input_ids"] = ids[:, :5]
    return given


def matrices(out):
    names = ("attentions", "encoder_attentions", "decoder_attentions", "cross_attentions")
    return [p for name in names for p in (getattr(out, name, None) or ())]


def outputs(out):
    return next(v for k, v in out.items() if "last_hidden_state" in k)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("architecture", [bert, gpt2, llama, vit, t5, deberta])
def test_reads_what_eager_attends(architecture, padded):
    if padded and architecture is vit:
        return
    model, eager = build(architecture)
    given = inputs(architecture, padded)
    with torch.inference_mode():
        alone = outputs(model(**given))
        with watch(model, keep=True) as seen:
            out = outputs(model(**given))
        want = matrices(eager(**given, output_attentions=True))
    assert torch.equal(alone, out)
    assert len(seen) == len(want) > 0 and not seen.unseen
    if architecture is t5:  # self and cross run in turn; eager lists them apart
        cross = seen.of("*EncDecAttention")
        calls = [*seen.of("encoder*"), *(c for c in seen.of("decoder*") if c not in cross), *cross]
    else:
        calls = list(seen)
    for call, p in zip(calls, want, strict=True):
        assert call.shape == tuple(p.shape)
        assert call.kind == ("softmax" if architecture is deberta else "sdpa")
        got = call.weights.rows(range(p.shape[-2]))
        assert float((got - p).abs().max()) < 1e-5, call
        columns = call.weights.columns()
        assert float((columns - p.sum(-2)).abs().max()) < 1e-5
        entropy = -(p.double() * p.double().clamp_min(1e-30).log()).sum(-1)
        assert float((call.r.entropy - entropy).abs().max()) < 1e-5
        top = p.topk(3, -1).values
        assert float((call.r.topk.weight[..., :3] - top).abs().max()) < 1e-5


@pytest.mark.parametrize("architecture", [bert, llama])
def test_eager_models_are_read_in_place(architecture):
    _, eager = build(architecture)
    given = inputs(architecture, padded=True)
    with torch.no_grad():
        alone = outputs(eager(**given))
        with watch(eager, keep=True) as seen:
            out = eager(**given, output_attentions=True)
    assert torch.equal(alone, outputs(out))
    assert [c.kind for c in seen] == ["softmax"] * 2
    for call, p in zip(seen, matrices(out), strict=True):
        assert float((call.weights.rows(range(9)) - p).abs().max()) < 1e-5
        assert call.v.shape == (2, 4, 9, 4)


def test_layers_carry_their_names():
    model, _ = build(bert)
    given = inputs(bert)
    names = [f"word{i}" for i in range(9)]
    with torch.no_grad(), watch(model) as seen:
        model(**given)
    assert seen.layers == [f"encoder.layer.{n}.attention.self" for n in range(2)]
    reading = seen["encoder.layer.1.attention.self"].reading(names)
    assert reading.title == "encoder.layer.1.attention.self"
    assert reading.data.sizes["head"] == 4 and reading.data["key_name"].values.tolist() == names
    assert reading.checked[0] < 1e-5
    frame = seen.to_pandas()
    assert set(frame["layer"]) == set(seen.layers) and len(frame) == 2 * 2 * 4 * 9 * 8
    with pytest.raises(InputError, match="not kept"):
        _ = seen[0].weights


def test_decoding_with_a_cache_reads_heads_as_heads():
    """One token after a padded prompt: shared key heads arrive folded into the queries."""
    model, eager = build(llama)
    given = inputs(llama, padded=True)
    steps = []
    for m in (model, eager):
        with torch.no_grad():
            first = m(**given, use_cache=True)
            mask = torch.cat([given["attention_mask"], torch.ones(2, 1, dtype=torch.long)], 1)
            steps.append((m, first.past_key_values, mask))
    token = torch.full((2, 1), 5)
    with torch.no_grad():
        m, cache, mask = steps[0]
        with watch(m, keep=True) as seen:
            m(input_ids=token, past_key_values=cache, attention_mask=mask)
        m, cache, mask = steps[1]
        out = m(input_ids=token, past_key_values=cache, attention_mask=mask, output_attentions=True)
    for call, p in zip(seen, out.attentions, strict=True):
        assert call.shape == tuple(p.shape) == (2, 4, 1, 10)
        assert float((call.weights.rows([0]) - p).abs().max()) < 1e-5


def test_rollout_equals_the_product_of_matrices():
    model, eager = build(vit)
    given = inputs(vit)
    with torch.no_grad():
        with watch(model, reads=[], keep=True) as seen:
            model(**given)
        layers = eager(**given, output_attentions=True).attentions
    n = layers[0].shape[-1]
    whole = torch.eye(n)
    for p in layers:
        whole = (0.5 * torch.eye(n) + 0.5 * p.mean(1)) @ whole
    first = torch.zeros(n)
    first[0] = 1.0
    assert float((whole[:, 0] - whole[:, :, 0]).abs().max()) > 1e-3  # rows and columns are told apart
    assert float((seen.stack().T @ first - whole[:, 0]).abs().max()) < 1e-5
    assert float((seen.stack() @ first - whole[:, :, 0]).abs().max()) < 1e-5


def with_windows(name, **more):
    """A small eager decoder with shared key heads and a sliding window, and its input."""
    config = getattr(transformers, f"{name}Config")(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        intermediate_size=16,
        sliding_window=4,
        **more,
    )
    config._attn_implementation = "eager"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{name}Model")(config).eval()
    return model, {"input_ids": inputs(llama)["input_ids"]}


def test_sinks_are_read_as_sinks():
    """gpt-oss writes one more outcome per head into its softmax, and drops it before the values."""
    model, given = with_windows("GptOss", num_local_experts=2, num_experts_per_tok=1)
    with torch.no_grad():
        alone = outputs(model(**given))
        with watch(model, keep=True) as seen:
            out = model(**given, output_attentions=True)
    assert torch.equal(alone, outputs(out))
    for call, p in zip(seen, out.attentions, strict=True):
        rows = call.weights.rows(range(9))
        assert float((rows - p).abs().max()) < 1e-5
        assert float(rows.sum(-1).max()) < 1.0  # the rest went to the sink


def test_training_mode_is_read_before_dropout():
    _, eager = build(bert)
    eager.train()
    given = inputs(bert)
    runs = []
    for watched in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            if watched:
                with watch(eager) as seen:
                    runs.append(outputs(eager(**given)))
            else:
                runs.append(outputs(eager(**given)))
    assert torch.equal(*runs)
    assert [round(c.dropout, 6) for c in seen] == [0.1, 0.1]
    assert float((seen[0].r.columns.sum(-1) - 9).abs().max()) < 1e-4


def test_softcapped_scores_are_read_with_their_cap():
    model, given = with_windows("Gemma2", attn_logit_softcapping=2.0)
    with torch.no_grad(), watch(model, keep=True) as seen:
        out = model(**given, output_attentions=True)
    for call, p in zip(seen, out.attentions, strict=True):
        assert float((call.weights.rows(range(9)) - p).abs().max()) < 1e-5
