"""What was read, in crystallographic terms."""

from __future__ import annotations

import numpy as np
import pytest

from hsegap.structures import read, summary_of, to_cif
from support.crystals import GAAS_CIF, SI_POSCAR, simple


def test_gallium_arsenide():
    summary = summary_of(read(GAAS_CIF))
    assert (summary.formula, summary.space_group) == ("GaAs", ("F-43m", 216))
    assert summary.lattice[:6] == (5.6533, 5.6533, 5.6533, 90, 90, 90)
    assert summary.density == pytest.approx(5.317, abs=2e-3)
    assert summary.atoms[4].element == "As"
    assert summary.atoms[4].frac_coords == (0.25, 0.25, 0.25)


def test_a_primitive_cell():
    summary = summary_of(read(SI_POSCAR))
    assert summary.space_group is not None
    assert summary.space_group.number == 227
    assert summary.lattice.alpha == pytest.approx(60)
    assert summary.lattice.volume == pytest.approx(5.431**3 / 4)


def test_a_large_cell_is_summed_up_without_its_space_group():
    crystal = simple(np.eye(3) * 30, np.stack(np.meshgrid(*[np.arange(8)] * 3), -1).reshape(-1, 3) / 8)
    assert summary_of(crystal).space_group is None
    assert len(summary_of(crystal).atoms) == 512


def test_the_cif_it_writes_is_read_by_others():
    from ase.io import read as ase_read
    from pymatgen.core import Structure

    crystal = read(SI_POSCAR)
    text = to_cif(crystal, name="Si; rm -rf")
    assert text.startswith("data_Sirm-rf\n")
    assert read(text).warnings == ()
    theirs = Structure.from_str(text, fmt="cif")
    np.testing.assert_allclose(theirs.lattice.abc, np.linalg.norm(crystal.lattice, axis=1), atol=1e-8)
    assert len(theirs) == 2
    import io

    assert ase_read(io.StringIO(text), format="cif").get_chemical_symbols() == ["Si", "Si"]
