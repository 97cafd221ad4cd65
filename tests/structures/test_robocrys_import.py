"""robocrys imported without the checks of its own data: what does the checking is in place afterwards."""

from __future__ import annotations

from support.needs import installed

installed("robocrys")


def test_what_was_left_out_while_importing_is_back():
    import typeguard
    from pymatgen.util import provenance

    from hsegap.structures.robocrys_import import _unchecked, import_robocrys

    checked, valid = typeguard.typechecked, provenance.is_valid_bibtex
    import_robocrys()
    with _unchecked():
        assert provenance.is_valid_bibtex("anything")
        assert typeguard.typechecked(int) is int
    assert typeguard.typechecked is checked
    assert provenance.is_valid_bibtex is valid
