"""Which atom is which slot: naming conventions, atom orders, and everything that is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.peptide import Peptide, Structure

CHARMM_ATOMS = {
    ("ILE", "CD1"): "CD",
    ("CYS", "O"): "OT1",
    ("CYS", "OXT"): "OT2",
    ("ILE", "H"): "HT1",
    ("ILE", "H2"): "HT2",
    ("ILE", "H3"): "HT3",
}
GROMACS_ATOMS = {("ILE", "CD1"): "CD", ("CYS", "O"): "O1", ("CYS", "OXT"): "O2"}


@pytest.fixture(scope="module")
def hexamer(request) -> Structure:
    """ILE THR VAL LEU HIS CYS, zwitterionic, with hydrogens, in Amber names."""
    return load_structure(request.config.rootpath / "tests" / "data" / "ITVLHC.pdb")


@pytest.fixture(scope="module")
def dipeptide(request) -> Structure:
    """ACE ALA NME."""
    return load_structure(request.config.rootpath / "tests" / "data" / "ACE-A-NME.pdb")


def take(structure: Structure, atoms: np.ndarray | list[int]) -> Structure:
    """The structure of some of its atoms, in the order given."""
    return structure.take(atoms)


def without_bonds(structure: Structure) -> Structure:
    """The structure as a bare PDB or GRO reader gives it: no bonds, no elements."""
    return replace(structure, bonds=(), elements=("",) * len(structure.names))


def renamed(structure: Structure, atoms: dict[tuple[str, str], str], residues: dict[str, str]) -> Structure:
    """Other names for atoms, by (residue, atom), and for residues."""
    names = tuple(atoms.get(key, key[1]) for key in zip(structure.resnames, structure.names, strict=True))
    return replace(structure, names=names, resnames=tuple(residues.get(name, name) for name in structure.resnames))


def with_element(structure: Structure, atom: tuple[str, str], name: str, element: str) -> Structure:
    """Another name and element for one atom."""
    place = index(structure, *atom)
    elements = (*structure.elements[:place], element, *structure.elements[place + 1 :])
    return replace(renamed(structure, {atom: name}, {}), elements=elements)


def index(structure: Structure, residue: str, name: str) -> int:
    """Index of the first atom with these names."""
    return list(zip(structure.resnames, structure.names, strict=True)).index((residue, name))


def moved(structure: Structure, atom: int, position: np.ndarray) -> Structure:
    """One atom elsewhere."""
    positions = structure.positions.copy()
    positions[atom] = position
    return replace(structure, positions=positions)


def test_slots_of_a_zwitterion(hexamer):
    peptide = Peptide.from_structure(hexamer)
    assert peptide.residue_types == ("ILE", "THR", "VAL", "LEU", "HIS", "CYS")
    assert (peptide.sequence, peptide.n_residues, peptide.n_atoms) == ("ITVLHC", 6, len(hexamer.names))
    assert peptide.charged_n_terminus and peptide.charged_c_terminus
    assert len(peptide.heavy) + len(peptide.hydrogens) == peptide.n_atoms
    for (residue, name), atom in peptide.heavy.items():
        if not name.startswith("CD") or peptide.residue_types[residue] != "LEU":
            assert (hexamer.residues[atom], hexamer.names[atom]) == (residue, name)


def test_every_hydrogen_is_within_a_bond_of_its_heavy_atom(hexamer):
    for structure in (hexamer, without_bonds(hexamer)):
        hydrogens = Peptide.from_structure(structure).hydrogens
        here, there = np.array(list(hydrogens)), np.array(list(hydrogens.values()))
        assert np.linalg.norm(structure.positions[here] - structure.positions[there], axis=-1).max() < 1.4


def test_hydrogens_far_from_everything_go_by_name(hexamer):
    expected = Peptide.from_structure(hexamer)
    positions = hexamer.positions.copy()
    positions[list(expected.hydrogens)] += 50.0
    assert Peptide.from_structure(without_bonds(replace(hexamer, positions=positions))) == expected


def test_caps(dipeptide):
    peptide = Peptide.from_structure(dipeptide)
    assert peptide.residue_types == ("ACE", "ALA", "NME")
    assert (peptide.sequence, peptide.n_residues) == ("A", 1)
    assert not peptide.charged_n_terminus and not peptide.charged_c_terminus
    assert dipeptide.names[peptide.heavy[2, "CH3"]] == "C"
    assert {name for residue, name in peptide.heavy if residue == 0} == {"CH3", "C", "O"}


@pytest.mark.parametrize(
    ("atoms", "residues"),
    [
        (CHARMM_ATOMS, {"HIS": "HSD"}),
        (CHARMM_ATOMS, {"HIS": "HSP"}),
        (GROMACS_ATOMS, {"HIS": "HISA", "CYS": "CYSH"}),
        ({("CYS", "O"): "OC1", ("CYS", "OXT"): "OC2"}, {"HIS": "HIE", "ILE": "NILE", "CYS": "CCYS"}),
    ],
    ids=["charmm", "charmm-protonated", "gromacs", "amber-termini"],
)
def test_naming_conventions_give_the_same_slots(hexamer, atoms, residues):
    expected = Peptide.from_structure(hexamer)
    assert Peptide.from_structure(renamed(hexamer, atoms, residues)) == expected
    assert Peptide.from_structure(without_bonds(renamed(hexamer, atoms, residues))) == expected


def test_charmm_caps_inside_the_residue(dipeptide):
    names = {("ACE", "CH3"): "CAY", ("ACE", "C"): "CY", ("ACE", "O"): "OY", ("NME", "N"): "NT", ("NME", "C"): "CAT"}
    patched = renamed(dipeptide, names, {"ACE": "ALA", "NME": "ALA"})
    patched = replace(patched, residues=np.zeros_like(patched.residues))
    peptide, expected = Peptide.from_structure(patched), Peptide.from_structure(dipeptide)
    assert (peptide.residue_types, peptide.heavy) == (expected.residue_types, expected.heavy)


def test_amide_cap(dipeptide):
    kept = [atom for atom in range(22) if dipeptide.resnames[atom] != "NME" or dipeptide.names[atom] in ("N", "H")]
    peptide = Peptide.from_structure(renamed(take(dipeptide, kept), {}, {"NME": "NHE"}))
    assert peptide.residue_types == ("ACE", "ALA", "NH2") and not peptide.charged_c_terminus


def test_heavy_atoms_alone_count_as_charged(hexamer):
    heavy = [atom for atom in range(len(hexamer.names)) if hexamer.elements[atom] != "H"]
    peptide = Peptide.from_structure(take(hexamer, heavy))
    assert peptide.hydrogens == {} and peptide.charged_n_terminus and peptide.charged_c_terminus


def test_neutral_n_terminus(hexamer):
    kept = [atom for atom in range(len(hexamer.names)) if atom != index(hexamer, "ILE", "H3")]
    assert not Peptide.from_structure(take(hexamer, kept)).charged_n_terminus


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bonded=st.booleans())
def test_permuting_atoms_permutes_the_slots(hexamer, seed, bonded):
    order = np.random.default_rng(seed).permutation(len(hexamer.names))
    structure = hexamer if bonded else without_bonds(hexamer)
    expected, permuted = Peptide.from_structure(structure), Peptide.from_structure(take(structure, order))
    assert {slot: int(order[atom]) for slot, atom in permuted.heavy.items()} == expected.heavy
    assert {int(order[h]): int(order[atom]) for h, atom in permuted.hydrogens.items()} == expected.hydrogens


def test_residues_in_reverse_file_order(hexamer):
    backwards = replace(hexamer, residues=hexamer.residues.max() - hexamer.residues)
    assert Peptide.from_structure(backwards).heavy == Peptide.from_structure(hexamer).heavy


@pytest.mark.parametrize(("residue", "pair"), [("VAL", ("CG1", "CG2")), ("LEU", ("CD1", "CD2"))])
def test_swapped_methyl_names_are_sorted_by_handedness(hexamer, residue, pair):
    first, second = pair
    swapped = renamed(hexamer, {(residue, first): second, (residue, second): first}, {})
    assert Peptide.from_structure(swapped).heavy == Peptide.from_structure(hexamer).heavy


def test_methyl_slots_have_the_handedness_of_the_iupac_names(hexamer):
    heavy = Peptide.from_structure(hexamer).heavy
    for names in ((2, "CB", "CA", "CG1", "CG2"), (3, "CG", "CB", "CD1", "CD2")):
        center, *others = hexamer.positions[[heavy[names[0], name] for name in names[1:]]]
        assert np.linalg.det(np.stack(others) - center) < 0  # as in crystal structures of VAL and LEU


def test_nonstandard_residue(hexamer):
    with pytest.raises(MDGenError, match=r"residue 3 \(MSE\) is not a standard residue; .* replaceNonstandardResidues"):
        Peptide.from_structure(renamed(hexamer, {}, {"VAL": "MSE"}))


@pytest.mark.parametrize(
    ("residue", "name", "kind"),
    [("VAL", "CA", "backbone"), ("VAL", "N", "backbone"), ("LEU", "CD1", "side-chain"), ("CYS", "OXT", "C-terminal")],
)
def test_missing_heavy_atom(hexamer, residue, name, kind):
    kept = [atom for atom in range(len(hexamer.names)) if atom != index(hexamer, residue, name)]
    with pytest.raises(MDGenError, match=rf"\({residue}\) misses its {kind} atom {name}; .* addMissingAtoms"):
        Peptide.from_structure(take(hexamer, kept))


def test_missing_cap_atom(dipeptide):
    with pytest.raises(MDGenError, match=r"\(ACE\) misses its cap atom CH3"):
        Peptide.from_structure(take(dipeptide, np.arange(1, 22)))


def test_d_amino_acid(hexamer):
    mirrored = replace(hexamer, positions=hexamer.positions * [1, 1, -1])
    with pytest.raises(
        MDGenError, match=r"residue 1 \(ILE\) is a D-amino acid .*; only L-residues .*; mirror or rebuild"
    ):
        Peptide.from_structure(mirrored)


def test_allo_threonine(hexamer):
    swapped = renamed(hexamer, {("THR", "OG1"): "CG2", ("THR", "CG2"): "OG1"}, {})
    with pytest.raises(MDGenError, match=r"residue 2 \(THR\) has the inverted C-beta of allo-THR"):
        Peptide.from_structure(swapped)


def join(first: Structure, second: Structure) -> Structure:
    """Both structures as one, the second in further residues and chains."""
    n_atoms = len(first.names)
    return Structure(
        names=first.names + second.names,
        resnames=first.resnames + second.resnames,
        residues=np.concatenate([first.residues, second.residues + first.residues.max() + 1]),
        chains=np.concatenate([first.chains, second.chains + first.chains.max() + 1]),
        elements=first.elements + second.elements,
        bonds=first.bonds + tuple((i + n_atoms, j + n_atoms) for i, j in second.bonds),
        positions=np.concatenate([first.positions, second.positions]),
    )


def test_several_chains(hexamer):
    other = replace(hexamer, positions=hexamer.positions + 30.0)
    with pytest.raises(MDGenError, match=r"2 chains or chain breaks \(2 chain labels; .*at most 1 chain .*select one"):
        Peptide.from_structure(join(hexamer, other))


def test_chain_break(hexamer):
    positions = hexamer.positions + np.where(hexamer.residues[:, None] > 2, 10.0, 0.0)
    with pytest.raises(MDGenError, match=r"2 chains or chain breaks \(1 chain labels; residue 4 \(LEU\)"):
        Peptide.from_structure(replace(hexamer, positions=positions))


def test_cyclic_peptide(dipeptide):
    alanine = take(dipeptide, np.flatnonzero(dipeptide.residues == 1))
    carbon, nitrogen = index(alanine, "ALA", "C"), index(alanine, "ALA", "N")
    shift = alanine.positions[carbon] - alanine.positions[nitrogen] + [1.3, 0, 0]
    two = join(alanine, replace(alanine, positions=alanine.positions + shift))
    n_atoms = len(alanine.names)
    two = moved(two, nitrogen, two.positions[carbon + n_atoms] + [1.3, 0, 0])
    with pytest.raises(MDGenError, match=r"cyclic \(2 residues\); only linear"):
        Peptide.from_structure(two)


def test_disulphide_bond_by_distance_and_by_bond(hexamer):
    sulphur = index(hexamer, "CYS", "SG")
    positions = hexamer.positions.copy()
    names = {("ILE", "CG1"): "SG", ("ILE", "CG2"): "HX1", ("ILE", "CD1"): "HX2"}
    two = replace(renamed(hexamer, names, {"ILE": "CYX"}), elements=("",) * len(hexamer.names))
    positions[index(two, "CYX", "SG")] = positions[sulphur] + [2.05, 0, 0]
    with pytest.raises(MDGenError, match=r"residue 1 \(CYS\) and residue 6 \(CYS\) form a disulphide bond .*2\.5 Å"):
        Peptide.from_structure(replace(two, positions=positions))
    bond = (index(two, "CYX", "SG"), sulphur)
    bonded = replace(two, bonds=(*two.bonds, bond))
    assert Peptide.from_structure(bonded).sequence == "CTVLHC"  # 9 Å long, so it is no bond
    positions[bond[0]] = positions[sulphur] + [2.7, 0, 0]
    assert Peptide.from_structure(replace(two, positions=positions)).sequence == "CTVLHC"
    with pytest.raises(MDGenError, match="form a disulphide bond"):
        Peptide.from_structure(replace(bonded, positions=positions))


def test_other_cross_link_is_believed_where_geometry_agrees(hexamer):
    sulphur, oxygen = index(hexamer, "CYS", "SG"), index(hexamer, "THR", "OG1")
    bonded = replace(hexamer, bonds=(*hexamer.bonds, (sulphur, oxygen)))
    assert Peptide.from_structure(bonded) == Peptide.from_structure(hexamer)
    near = moved(bonded, sulphur, hexamer.positions[oxygen] + [-1.0, 1.0, 1.0])
    with pytest.raises(MDGenError, match=r"linked by a bond .*; only linear peptides"):
        Peptide.from_structure(near)


def test_a_listed_hydrogen_bond_is_believed_where_geometry_agrees(hexamer):
    expected = Peptide.from_structure(hexamer)
    hydrogen = index(hexamer, "ILE", "HD11")
    wrong = replace(hexamer, bonds=(*hexamer.bonds, (hydrogen, index(hexamer, "CYS", "CA"))))
    assert Peptide.from_structure(wrong) == expected
    only_wrong = tuple(pair for pair in wrong.bonds if hydrogen not in pair or index(hexamer, "CYS", "CA") in pair)
    assert Peptide.from_structure(replace(wrong, bonds=only_wrong)) == expected


@pytest.mark.parametrize(("factor", "unit"), [(0.1, "nm"), (10.0, "Å taken for nm")])
def test_the_wrong_unit_is_named(hexamer, factor, unit):
    with pytest.raises(MDGenError, match=rf"heavy atoms are .* Å from the nearest one, .*positions in {unit}\?"):
        Peptide.from_structure(replace(hexamer, positions=hexamer.positions * factor))


def test_modified_residue_under_a_standard_name(hexamer):
    with pytest.raises(MDGenError, match=r"residue 2 \(THR\) has an atom P that standard THR has not"):
        Peptide.from_structure(with_element(hexamer, ("THR", "HG1"), "P", "P"))


def molecule(resname: str, *names: str) -> Structure:
    """A small molecule far away."""
    size = len(names)
    zeros = np.zeros(size, dtype=int)
    return Structure(
        names, (resname,) * size, zeros, zeros, ("",) * size, (), np.arange(3.0 * size).reshape(-1, 3) + 90
    )


def test_waters_ions_and_ligands_are_named(hexamer):
    crowd = hexamer
    for _ in range(2):
        crowd = join(crowd, molecule("WAT", "O", "H1", "H2"))
    crowd = join(join(crowd, molecule("CL", "CL")), molecule("LIG", "C1", "C2", "N1"))
    message = r"2 waters \(WAT\), 1 ions \(CL\), 1 ligands or other molecules \(LIG\); .*select_atoms\('protein"
    with pytest.raises(MDGenError, match=message):
        Peptide.from_structure(crowd)


def test_nan_positions(hexamer):
    with pytest.raises(MDGenError, match=r"1 of 99 atoms have NaN or infinite positions; set all positions"):
        Peptide.from_structure(moved(hexamer, 4, np.full(3, np.nan)))


def test_positions_of_another_number_of_atoms(hexamer):
    with pytest.raises(MDGenError, match=r"positions have shape \(98, 3\) for 99 atoms"):
        replace(hexamer, positions=hexamer.positions[1:])


def test_no_residues(dipeptide):
    with pytest.raises(MDGenError, match="no atoms, at least one residue is needed"):
        Peptide.from_structure(take(dipeptide, []))
    caps = take(dipeptide, np.flatnonzero(dipeptide.residues == 0))
    with pytest.raises(MDGenError, match="no amino-acid residues"):
        Peptide.from_structure(caps)


def test_oxt_inside_the_chain(hexamer):
    with pytest.raises(MDGenError, match=r"residue 2 \(THR\) has an atom OXT but is not the C terminus"):
        Peptide.from_structure(with_element(hexamer, ("THR", "HG1"), "OXT", "O"))


def test_two_atoms_of_one_name(hexamer):
    with pytest.raises(MDGenError, match=r"residue 2 \(THR\) has two atoms named CG2; keep one alternate location"):
        Peptide.from_structure(renamed(hexamer, {("THR", "OG1"): "CG2"}, {}))
