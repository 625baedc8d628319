from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
import torch

from emotion_kedro.models.device import OPENING, Device, choose_device


@pytest.fixture(autouse=True)
def _choose_anew() -> Iterator[None]:
    choose_device.cache_clear()
    yield
    choose_device.cache_clear()


def pretend_cuda(monkeypatch: pytest.MonkeyPatch, *, there: bool, bf16: bool = True) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "invented GPU")
    # Every GPU has bf16 in emulation, which is slower than fp32.
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16 or including_emulation)


def test_nobody_seeds_while_another_thread_draws_what_it_seeded_for() -> None:
    cpu = Device("cpu", "test", half=False)
    cpu.seed(5)
    drawn = torch.rand(2)
    with OPENING:
        cpu.seed(5)
        other = threading.Thread(target=cpu.seed, args=(6,))
        other.start()
        other.join(timeout=0.1)
        assert other.is_alive()
        assert torch.equal(torch.rand(2), drawn)
    other.join()


@pytest.mark.parametrize(
    ("wanted", "there", "kind", "half"),
    [
        ("auto", False, "cpu", False),
        ("cpu", False, "cpu", False),
        ("cpu", True, "cpu", False),
        ("auto", True, "cuda", True),
        ("cuda", True, "cuda", True),
    ],
)
def test_what_is_asked_for_and_there_is_chosen(
    monkeypatch: pytest.MonkeyPatch, wanted: str, there: bool, kind: str, half: bool
) -> None:
    pretend_cuda(monkeypatch, there=there)
    device = choose_device(wanted)
    assert (device.kind, device.half) == (kind, half)
    assert device.place == torch.device(kind)


def test_a_gpu_without_bf16_stays_at_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, there=True, bf16=False)
    assert choose_device("auto") == Device("cuda", "invented GPU", half=False)


def test_cuda_where_there_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, there=False)
    with pytest.raises(ValueError, match="torch sees no CUDA device here; use --params=device=auto"):
        choose_device("cuda")


def test_any_other_word_is_an_error() -> None:
    with pytest.raises(ValueError, match="device is 'gpu'; it may be auto, cuda or cpu"):
        choose_device("gpu")


def test_a_cpu_computes_in_full_precision(cpu: Device) -> None:
    assert isinstance(cpu.autocast(), contextlib.nullcontext)
    batch = {"ids": torch.arange(3)}
    put = cpu.put(batch)
    assert put is not batch
    assert put["ids"] is batch["ids"]
