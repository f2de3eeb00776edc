"""Waters and ions are known by what they are made of."""

import pytest
from openmm import app

from openmm_mdgen.errors import MDGenError
from openmm_mdgen.integrator.solvent import check_solvent


def topology(*residues: tuple[str, tuple[str, ...]]) -> app.Topology:
    made = app.Topology()
    chain = made.addChain()
    for name, symbols in residues:
        residue = made.addResidue(name, chain)
        atoms = [made.addAtom(s, app.Element.getBySymbol(s) if s else None, residue) for s in symbols]
        if name == "ALA":
            made.addBond(atoms[0], atoms[1])
    return made


PEPTIDE = ("ALA", ("N", "C"))


def test_a_peptide_alone_passes():
    check_solvent(topology(PEPTIDE), 0.004)


@pytest.mark.parametrize(
    ("residue", "count"),
    [
        (("XYZ", ("O", "H", "H")), "1 waters and 0 ions"),
        (("OPC", ("O", "H", "H", "")), "1 waters and 0 ions"),
        (("NA", ("Na",)), "0 waters and 1 ions"),
        (("F", ("F",)), "0 waters and 1 ions"),
    ],
)
def test_solvent_whatever_it_is_called(residue, count):
    with pytest.raises(MDGenError, match=count) as raised:
        check_solvent(topology(PEPTIDE, residue), 0.002)
    assert repr(residue[0]) in str(raised.value) and "2*femtoseconds" in str(raised.value)
