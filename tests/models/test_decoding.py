from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from emotion_kedro.config.training import DecodingConfig
from emotion_kedro.models.decoding import Request, sample_answers
from emotion_kedro.models.device import Device

VOCABULARY = 50
SURE = DecodingConfig(min_new_tokens=0, max_new_tokens=12, top_k=1, top_p=1.0)
ASKED = [
    Request((3, 4, 5, 6, 7), (3, 4, 7)),
    Request((9,), (8,)),
    Request((3, 4, 5, 6, 7), (3, 4, 7)),
    Request((11, 12, 13, 14, 15, 16, 17, 18), (11, 12)),
    Request((21, 22), (23, 24, 25, 26, 27, 28)),
    Request((30, 31, 32), (30, 32)),
]


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def model(request: pytest.FixtureRequest) -> Any:
    """A model that has learned nothing but says other things to other requests."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    shared = {"vocab_size": VOCABULARY, "initializer_range": 0.5, "tie_word_embeddings": False}
    if request.param == "gpt2":
        return GPT2LMHeadModel(GPT2Config(n_positions=64, n_embd=32, n_layer=2, n_head=2, **shared)).eval()
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=2, **shared)).eval()


def slowly(model: Any, asked: Request, *, guidance: float, ends: Sequence[int], least: int = 0) -> list[int]:
    """The likeliest answer to one request, everything read anew for each token."""
    import torch

    answer: list[int] = []
    for step in range(SURE.max_new_tokens):
        sides = [
            model(torch.tensor([[*ids, *answer]])).logits[0, -1].log_softmax(-1)
            for ids in (asked.ids, asked.neutral)
            if ids is not None
        ]
        scores = sides[0] if guidance == 1 else sides[1] + guidance * (sides[0] - sides[1])
        if step < least:
            scores[list(ends)] = float("-inf")
        token = int(scores.argmax())
        if token in ends:
            break
        answer.append(token)
    return answer


def quickly(model: Any, device: Device, decoding: DecodingConfig = SURE, **options: Any) -> list[list[int]]:
    settings = {"guidance": 1.0, "ends": [], "seed": 0, **options}
    requests = settings.pop("requests", ASKED)
    return sample_answers(model, requests, decoding, device=device, **settings)


@pytest.fixture
def widths(model: Any) -> Iterator[list[tuple[int, int]]]:
    """Rows and columns of what the model was given to read, call by call."""
    seen: list[tuple[int, int]] = []
    hook = model.register_forward_pre_hook(
        lambda _module, _inputs, given: seen.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    yield seen
    hook.remove()


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_answers_are_those_of_a_loop_without_cache(model: Any, cpu: Device, guidance: float) -> None:
    import torch

    with torch.inference_mode():
        expected = [slowly(model, asked, guidance=guidance, ends=[]) for asked in ASKED]
        assert quickly(model, cpu, guidance=guidance) == expected
        assert len({tuple(answer) for answer in expected}) == 5, "a model that says the same to all tests nothing"
        # What ends an answer is taken from the answers, so that they end at different places.
        ends = [expected[0][3], expected[4][6]]
        for least in (0, 5):
            ended = [slowly(model, asked, guidance=guidance, ends=ends, least=least) for asked in ASKED]
            assert len({len(answer) for answer in ended}) > 1
            assert not {token for answer in ended for token in answer} & set(ends)
            decoding = SURE.model_copy(update={"min_new_tokens": least})
            assert quickly(model, cpu, decoding, guidance=guidance, ends=ends) == ended


def test_guidance_changes_what_is_said(model: Any, cpu: Device) -> None:
    assert quickly(model, cpu, guidance=2.0) != quickly(model, cpu, guidance=1.0)
    # Without guidance it does not matter whether a request has a neutral side.
    assert quickly(model, cpu, requests=[Request(one.ids) for one in ASKED]) == quickly(model, cpu)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_equal_requests_are_read_once_and_ended_rows_leave(
    model: Any, cpu: Device, widths: list[tuple[int, int]], guidance: float
) -> None:
    sides = 1 if guidance == 1 else 2
    full = quickly(model, cpu, guidance=guidance)
    assert widths[0] == (5 * sides, 8)
    assert widths[1:] == [(6 * sides, 1)] * 11
    widths.clear()
    ends = sorted({full[0][1], full[1][2], full[4][1]})
    ended = quickly(model, cpu, guidance=guidance, ends=ends)
    rows = [height // sides for height, width in widths if width == 1]
    assert rows == sorted(rows, reverse=True)
    assert rows[-1] < 6
    # Whoever goes on says what it said before, up to what ends it now.
    for before, after in zip(full, ended, strict=True):
        cut = next((place for place, token in enumerate(before) if token in ends), len(before))
        assert after == before[:cut]


def test_the_work_stops_when_all_have_ended(model: Any, cpu: Device, widths: list[tuple[int, int]]) -> None:
    assert quickly(model, cpu, ends=range(VOCABULARY)) == [[]] * 6
    assert len(widths) == 1


def test_the_seed_draws_and_equal_requests_differ(model: Any, cpu: Device) -> None:
    decoding = SURE.model_copy(update={"top_k": 20, "temperature": 3.0})
    first = quickly(model, cpu, decoding, seed=4, guidance=1.5)
    assert quickly(model, cpu, decoding, seed=4, guidance=1.5) == first
    assert quickly(model, cpu, decoding, seed=5, guidance=1.5) != first
    assert first[0] != first[2]


def test_guidance_needs_the_request_without_its_label(model: Any, cpu: Device) -> None:
    with pytest.raises(ValueError, match="every request without its label too"):
        quickly(model, cpu, guidance=1.5, requests=[ASKED[0], Request((1, 2))])


def test_texts_are_distributed_as_those_of_generate(model: Any, cpu: Device) -> None:
    """Pairs of tokens, top 4 and a nucleus of .9: a chi-square test finds no difference between 3,000 draws of each."""
    import torch
    from scipy.stats import chi2_contingency

    decoding = DecodingConfig(min_new_tokens=2, max_new_tokens=2, top_k=4, top_p=0.9, temperature=1.5)
    start, count = ASKED[0].ids, 3000
    ours = [tuple(answer) for answer in quickly(model, cpu, decoding, requests=[Request(start)] * count)]
    torch.manual_seed(0)
    ids = torch.tensor([start] * count)
    options = {"top_k": 4, "top_p": 0.9, "temperature": 1.5, "min_new_tokens": 2, "max_new_tokens": 2}
    drawn = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, pad_token_id=0, **options)
    theirs = [tuple(row) for row in drawn[:, len(start) :].tolist()]
    pairs = [pair for pair in sorted({*ours, *theirs}) if ours.count(pair) + theirs.count(pair) >= 10]
    assert len(pairs) > 4
    test = chi2_contingency([[draws.count(pair) for pair in pairs] for draws in (ours, theirs)])
    assert test.pvalue > 0.001
