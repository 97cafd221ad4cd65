"""The graph of a crystal is the same to the last bit whatever instructions the processor has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice

from hsegap.structures.exact import lattice_vectors, to_cartesian

ROOT = Path(__file__).resolve().parents[2]
#: Each makes some library take another path through its arithmetic.
LESSER = {
    "numpy without AVX-512": {"NPY_DISABLE_CPU_FEATURES": "X86_V4,AVX512_ICL,AVX512_SPR"},
    "numpy without AVX2": {"NPY_DISABLE_CPU_FEATURES": "X86_V3,X86_V4,AVX512_ICL,AVX512_SPR"},
    "OpenBLAS of an AVX2 processor": {"OPENBLAS_CORETYPE": "Haswell"},
    "OpenBLAS without fused products": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "OpenBLAS of an old processor": {"OPENBLAS_CORETYPE": "Nehalem"},
    "libm without fused products": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"},
}
DIGESTS = """
import hashlib, sys
from pathlib import Path
from hsegap.structures import build_graph, read
for path in sorted([*Path("examples").glob("*.cif"), *Path("tests/odd").glob("*.cif")]):
    crystal = read(path)
    digest = hashlib.sha256(crystal.lattice.tobytes() + crystal.frac_coords.tobytes())
    for flavour in ("symmetric", "jarvis"):
        graph = build_graph(crystal, flavour=flavour)
        for name in ("src", "dst", "r", "line_src", "line_dst"):
            digest.update(getattr(graph, name).tobytes())
    print(path.name, digest.hexdigest())
"""


def digests(**switches: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS],
        cwd=ROOT,
        env=os.environ | switches,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def here() -> str:
    found = digests()
    assert found.count("\n") > 20
    return found


@pytest.mark.parametrize("name", LESSER)
def test_graphs_are_the_same_to_the_last_bit(here: str, name: str) -> None:
    assert digests(**LESSER[name]) == here


@pytest.mark.parametrize(
    "cell",
    [
        (3, 4, 5, 90, 90, 90),
        (3.84, 3.84, 3.84, 60, 60, 60),
        (4.1, 5.2, 6.3, 71.3, 98.6, 110.4),
        (5, 5, 5, 119.9, 119.9, 119.9),
    ],
)
def test_cells_are_pymatgens_but_for_the_last_bits(cell: tuple[float, ...]) -> None:
    np.testing.assert_allclose(
        lattice_vectors(cell[:3], cell[3:]), Lattice.from_parameters(*cell).matrix, rtol=1e-14, atol=1e-14
    )


def test_cartesian_coordinates_are_the_matrix_product_but_for_the_last_bits() -> None:
    generator = np.random.default_rng(1)
    points, lattice = generator.normal(size=(50, 3)), generator.normal(size=(3, 3))
    np.testing.assert_allclose(to_cartesian(points, lattice), points @ lattice, rtol=1e-13, atol=1e-14)
