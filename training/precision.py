"""Which precision the matrix products of training take."""

from __future__ import annotations

import torch


def computes_in_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 numbers itself; one that converts them first takes longer than in float32.

    Args:
        device: ``cpu`` or ``cuda``.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    # Two sets of instructions on x86, one on ARM.
    return any(able.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def mixed(wanted: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16 where that is safe.

    Args:
        wanted: ``none``, ``bf16`` or ``auto``.
        device: Where the network is.
    """
    return wanted == "bf16" or (wanted == "auto" and computes_in_bf16(device))
