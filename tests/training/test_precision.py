"""bfloat16 where it is faster, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hsegap.training.precision import computes_in_bf16, mixed

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("able", "computes"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, True),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"architecture": "aarch64", "bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({}, False),
    ],
)
def test_the_instructions_of_the_processor_decide(able, computes, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert computes_in_bf16(CPU) is computes
    assert mixed("auto", CPU) is computes
    assert mixed("bf16", CPU), "who asks for it gets it"
    assert not mixed("none", CPU)


def test_this_processor_is_asked():
    flags = set(Path("/proc/cpuinfo").read_text().split())
    assert computes_in_bf16(CPU) is bool(flags & {"amx_bf16", "avx512_bf16", "bf16"})
    assert torch.cpu.get_capabilities()["architecture"]
