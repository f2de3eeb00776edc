"""What users did in reports, on a peptide of their own: one test per case, with the right value."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import MDAnalysis as mda
import numpy as np
import pytest
from MDAnalysis import Universe
from openmm import app, unit

import openmm_mdgen
from openmm_mdgen.api.inpaint import inpaint
from openmm_mdgen.api.interpolate import interpolate
from openmm_mdgen.api.simulate import simulate
from openmm_mdgen.cli import main
from openmm_mdgen.convert.structures import load_structure
from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.evaluation.topology import heavy_atoms, topology_of
from openmm_mdgen.forcefield.build import build_peptide
from openmm_mdgen.peptide.labels import residue_places
from openmm_mdgen.peptide.peptide import Peptide
from openmm_mdgen.peptide.residues import peptide_selection, residue_to_canonical
from tests.helpers.conventions import (
    altlocs,
    altlocs_behind,
    chain_b,
    charmm_patches,
    insertion_codes,
    mmcif,
    negative,
    numbered,
    original,
    plain,
    repeated,
)
from tests.helpers.tiny import DATA, inpaint_task, moving_universe, simulate_task, structure, upsample_task

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
MODEL, PATHS, GAPS = (str(DATA / f"tiny{end}.safetensors") for end in ("", "-inpaint", "-upsample"))


def run(*arguments: object) -> None:
    """The command line; success exits with 0."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert exit_.value.code in (0, None)


def quiet(path: Path) -> Universe:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Universe(str(path))


def longest_hydrogen_bond(universe: Universe) -> float:
    """Å, over all frames, from each hydrogen to the heavy atom that it had in the structure's own geometry."""
    hydrogens = Peptide.from_structure(load_structure(universe)).hydrogens
    here, there = np.array(list(hydrogens)), np.array(list(hydrogens.values()))
    frames = universe.trajectory.timeseries(order="fac") if hasattr(universe.trajectory, "timeseries") else []
    return float(np.linalg.norm(frames[:, here] - frames[:, there], axis=-1).max())


def test_caps_that_are_charmm_patches(tmp_path):
    path = charmm_patches(original("ACE-A-NME")).write(tmp_path)
    file = app.PDBFile(str(path))
    for source in (path, quiet(path), (file.topology, file.positions)):
        made = simulate(source, time=50, model=simulate_task())
        assert longest_hydrogen_bond(made) < 1.2
    names = [bond for bond in file.topology.bonds() if "CAT" in (bond.atom1.name, bond.atom2.name)]
    assert len(names) < 4  # OpenMM's own list of bonds lacks the methyl's hydrogens, or has them elsewhere


@pytest.mark.parametrize("first", ["H", "H1", "HN1", "HT1", "1H"])
def test_numbers_and_chain_whatever_the_names_are(tmp_path, first):
    atoms = original("QGRE")
    names = tuple(first if k == atoms.names.index("H") else name for k, name in enumerate(atoms.names))
    path = plain(numbered(replace(atoms, names=names), ["27", "28", "29", "30"], "B")).write(tmp_path)
    made = simulate(path, time=80, model=simulate_task())
    assert made.residues.resids.tolist() == [27, 28, 29, 30] and set(made.atoms.chainIDs) == {"B"}
    assert made.atoms.names.tolist() == list(names)
    samples = inpaint(made, [28], model=inpaint_task())
    assert samples[0].residues.resids.tolist() == [27, 28, 29, 30]


def test_one_molecule_by_two_readers(tmp_path):
    path = tmp_path / "a.pdb"
    built = build_peptide("AG")
    with path.open("w") as stream:
        app.PDBFile.writeFile(built.topology, built.positions * unit.angstrom, stream)
    path.write_text(path.read_text().replace(" H   ALA", " H1  ALA"))
    file = app.PDBFile(str(path))
    settings = {"n_paths": 1, "time": 100, "model": inpaint_task()}
    by_path = interpolate(path, quiet(path), **settings)[0]
    by_openmm = interpolate((file.topology, file.positions), quiet(path), **settings)[0]
    np.testing.assert_allclose(
        by_path.trajectory.timeseries(order="fac"), by_openmm.trajectory.timeseries(order="fac"), atol=1e-3
    )


@pytest.mark.parametrize("write", [altlocs, altlocs_behind])
@pytest.mark.parametrize("select", [None, "protein"])
def test_second_locations_are_told_and_a_topology_fits(tmp_path, capsys, write, select):
    written = write(original("QGRE"))
    path, out = written.write(tmp_path), tmp_path / "out.xtc"
    chosen = [] if select is None else ["--select", select]
    run("simulate", path, *chosen, "--time", "20ps", "--model", MODEL, "-o", out, "--quiet")
    told = capsys.readouterr()
    assert "second locations (altloc B) and are left out" in told.err
    assert f"topology: {tmp_path / 'out.pdb'}" in told.out
    made = Universe(str(tmp_path / "out.pdb"), str(out))
    assert made.atoms.n_atoms == len(written.kept) == len(load_structure(path).names)
    assert made.atoms.names.tolist() == [written.structure.names[k] for k in written.kept]


def test_second_locations_of_a_trajectory(tmp_path):
    written = altlocs(original("QGRE"))
    path = written.write(tmp_path)
    with pytest.warns(MDGenWarning, match="of .* atoms are second locations"):
        made = simulate(quiet(path), time=20, model=simulate_task())
    assert made.atoms.n_atoms == len(written.kept) and set(made.atoms.altLocs) == {"", "A"}


def test_the_fuller_location_is_kept(tmp_path):
    written = altlocs(original("QGRE"))
    fuller = replace(written, occupancies=tuple(0.7 if second else 0.3 for second in written.second))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert set(load_structure(fuller.write(tmp_path)).altlocs) == {"", "B"}


@pytest.mark.parametrize("select", [[], ["--select", "protein"]])
def test_mmcif_without_a_package_for_it(tmp_path, monkeypatch, select):
    monkeypatch.setitem(sys.modules, "gemmi", None)  # as if it were not installed
    path, out = mmcif(original("QGRE")).write(tmp_path), tmp_path / "out.pdb"
    made = simulate(path, time=20, model=simulate_task())
    assert made.residues.resids.tolist() == [27, 28, 29, 30] and set(made.atoms.chainIDs) == {"BB"}
    run("simulate", path, *select, "--time", "20ps", "--model", MODEL, "-o", tmp_path / "out.xtc", "--quiet")
    run("interpolate", path, path, "--paths", 1, "--time", "20ps", "--model", PATHS, "-o", out)
    assert quiet(out).residues.resids.tolist() == [27, 28, 29, 30]


def test_commands_write_the_ids_of_their_input(tmp_path):
    path, out = chain_b(original("QGRE")).write(tmp_path), tmp_path / "out.pdb"
    universe = moving_universe("QGRE")
    trajectory = tmp_path / "md.xtc"
    universe.atoms.write(str(trajectory), frames="all")
    run("simulate", path, "--time", "20ps", "--model", MODEL, "-o", out, "--quiet")
    run("interpolate", path, path, "--paths", 1, "--time", "20ps", "--model", PATHS, "-o", tmp_path / "paths.pdb")
    inpainted, dt = tmp_path / "inpainted.pdb", ("--model", PATHS)
    with mda.Writer(str(trajectory), universe.atoms.n_atoms) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    run("inpaint", trajectory, "-t", path, "--residues", "28", *dt, "-o", inpainted)
    for name in (out, tmp_path / "paths.pdb", inpainted):
        made = quiet(name)
        assert made.residues.resids.tolist() == [27, 28, 29, 30], name
        assert set(made.atoms.chainIDs) == {"B"} and "HT1" in made.atoms.names


def test_no_chain_stays_no_chain(tmp_path):
    atoms = original("QGRE")
    path = plain(replace(atoms, chain_ids=("",) * len(atoms.names))).write(tmp_path)
    run("simulate", path, "--time", "20ps", "--model", MODEL, "-o", tmp_path / "out.pdb", "--quiet")
    line = next(x for x in (tmp_path / "out.pdb").read_text().splitlines() if "ARG" in x)
    assert line[21] == " " and line[72:76] == "    "


ALIASES = ("HISE", "HISD", "HSD", "HIP", "NHIE", "CHID", "his", "Hse")


@pytest.mark.parametrize("name", ALIASES)
def test_every_residue_name_is_known_everywhere(tmp_path, name):
    atoms = original("ITVLHC")
    named = replace(atoms, resnames=tuple(name if n == "HIS" else n for n in atoms.resnames))
    path = plain(named).write(tmp_path)
    universe = quiet(path)
    assert Peptide.from_structure(load_structure(path)).sequence == "ITVLHC"
    topology = topology_of(heavy_atoms(universe.atoms))
    assert topology.sequence == ("ILE", "THR", "VAL", "LEU", "HIS", "CYS")
    assert {t.kind for t in topology.torsions if t.residue == 4} == {"phi", "psi", "chi1", "chi2"}
    frames = np.stack([universe.atoms.positions, universe.atoms.positions + 0.1])
    universe.load_new(frames, order="fac", dt=10.0)
    fine = openmm_mdgen.upsample(universe, interval=1.0, model=upsample_task())
    assert fine.atoms.resnames.tolist() == universe.atoms.resnames.tolist()
    run(
        "simulate", path, "--select", "protein", "--time", "20ps", "--model", MODEL, "-o", tmp_path / "o.pdb", "--quiet"
    )
    assert name in quiet(tmp_path / "o.pdb").residues.resnames


def test_advice_for_a_selection_works_as_it_is_written():
    atoms = original("ACE-A-NME")
    aliases = {"ACE": "ACP", "NME": "NAC", "ALA": "ala"}
    named = replace(atoms, resnames=tuple(aliases[n] for n in atoms.resnames))
    from openmm_mdgen.convert.mdanalysis import structure_to_universe

    peptide = structure_to_universe(named)
    water = mda.Universe.empty(3, 1, atom_resindex=[0, 0, 0], trajectory=True)
    water.add_TopologyAttr("names", ["O", "H1", "H2"])
    water.add_TopologyAttr("resnames", ["SPCE"])
    water.add_TopologyAttr("resids", [9])
    water.atoms.positions = [[30, 0, 0], [31, 0, 0], [30, 1, 0]]
    both = mda.Merge(peptide.atoms, water.atoms)
    with pytest.raises(MDGenError, match=r"1 waters \(SPCE\); .*select_atoms\('protein or resname ACP ala NAC'\)"):
        Peptide.from_structure(load_structure(both))
    found = both.select_atoms(peptide_selection(both.residues.resnames))
    assert Peptide.from_structure(load_structure(found)).residue_types == ("ACE", "ALA", "NME")


@pytest.mark.parametrize("name", ["HISE", "NAC", "CT3", "ACP", "NSER", "CCYS", "ser", "QLN", "ASPH", "CHIP"])
def test_one_table_knows(name):
    assert residue_to_canonical(name) is not None


def places(written, wanted) -> list[int]:
    return list(residue_places(Peptide.from_structure(written.structure), written.structure, wanted).values())


@pytest.mark.parametrize(
    ("write", "wanted", "expected"),
    [
        (insertion_codes, ["52A"], [1]),
        (insertion_codes, ["52_"], [0]),
        (insertion_codes, [53], [3]),
        (insertion_codes, ["52A-53"], [1, 2, 3]),
        (insertion_codes, ["52b"], [2]),
        (negative, [-1, 0], [1, 2]),
        (negative, ["-2--1"], [0, 1]),
        (chain_b, ["B:28", 30], [1, 3]),
        (chain_b, ["28-29"], [1, 2]),
    ],
)
def test_residues_are_named_as_their_user_names_them(write, wanted, expected):
    assert places(write(original("QGRE")), wanted) == expected


@pytest.mark.parametrize(
    ("write", "wanted", "message"),
    [
        (insertion_codes, [52], r"residue 52 is ambiguous: insertion codes tell '52_', '52A', '52B' apart"),
        (insertion_codes, ["52"], r"residue 52 is ambiguous"),
        (insertion_codes, ["52C"], r"residue 52C is not an amino acid .* 52, 52A, 52B, 53"),
        (repeated, [5], r"residue 5 is ambiguous: 4 residues have this number \(GLN, GLY, ARG, GLU\)"),
        (chain_b, ["A:28"], r"residue A:28 is not an amino acid"),
        (chain_b, ["30-27"], r"the range '30-27' names none"),
        (chain_b, ["x"], r"residue 'x' is no residue number"),
    ],
)
def test_what_names_no_residue_or_several(write, wanted, message):
    with pytest.raises(MDGenError, match=message):
        places(write(original("QGRE")), wanted)


@pytest.mark.parametrize(("write", "text", "changed"), [(negative, "-1,0", [-1, 0]), (insertion_codes, "52A", [52])])
def test_residues_on_the_command_line(tmp_path, write, text, changed):
    path, universe, trajectory = write(original("QGRE")).write(tmp_path), moving_universe("QGRE"), tmp_path / "md.dcd"
    with mda.Writer(str(trajectory), universe.atoms.n_atoms, dt=10.0) as writer:
        for _ in universe.trajectory:
            writer.write(universe.atoms)
    out = tmp_path / "o.dcd"
    run("inpaint", trajectory, "-t", path, f"--residues={text}", "--model", PATHS, "-o", out)
    before, after = (Universe(str(path), str(t)) for t in (trajectory, out))
    before.trajectory[3], after.trajectory[3]
    alphas = before.select_atoms("name CB CA").indices
    moved = np.linalg.norm(before.atoms.positions - after.atoms.positions, axis=-1)[alphas] > 1e-3
    found = before.atoms[alphas[moved]].residues
    residues = {(int(number), str(code)) for number, code in zip(found.resids, found.icodes, strict=True)}
    assert residues == {(n, "A" if write is insertion_codes else "") for n in changed}


def test_what_the_builder_returns_is_a_structure():
    built = build_peptide("AG")
    for source in (built, (built.topology, built.positions), (built.topology, built.positions / 10)):
        assert Peptide.from_structure(load_structure(source)).sequence == "AG"
        np.testing.assert_allclose(load_structure(source).positions, built.positions, atol=1e-9)
    assert simulate(built, time=20, model=simulate_task()).residues.resnames.tolist() == ["ALA", "GLY"]


def test_replicas_that_list_their_atoms_otherwise_have_the_same_energies():
    from openmm_mdgen.convert.mdanalysis import structure_to_universe
    from openmm_mdgen.evaluation.energies import energies

    atoms = structure("QGRE")
    turned = atoms.take(np.random.default_rng(0).permutation(len(atoms.names)))
    first, second = structure_to_universe(atoms).atoms, structure_to_universe(turned).atoms
    found = energies([first, second], 2)
    np.testing.assert_allclose(found.nonbonded[0], found.nonbonded[1], atol=0.1)
    np.testing.assert_allclose(found.torsional[0], found.torsional[1], atol=0.1)


def test_a_topology_fits_wherever_atoms_are_left_out(tmp_path):
    written, universe = altlocs(original("QGRE")), moving_universe("QGRE")
    path, trajectory = written.write(tmp_path), tmp_path / "md.dcd"
    every = mda.Universe.empty(len(written.order), trajectory=True)
    with mda.Writer(str(trajectory), len(written.order), dt=10.0) as writer:
        for _ in universe.trajectory:
            every.atoms.positions = universe.atoms.positions[written.order]
            writer.write(every.atoms)
    run("inpaint", trajectory, "-t", path, "--residues", "2", "--model", PATHS, "-o", tmp_path / "painted.xtc")
    fine = ("--interval", "1ps", "--model", GAPS, "-o", tmp_path / "fine.xtc", "--quiet")
    run("upsample", trajectory, "-t", path, *fine)
    run("interpolate", path, path, "--paths", 1, "--time", "20ps", "--model", PATHS, "-o", tmp_path / "paths.xtc")
    for name in ("painted", "fine", "paths"):
        made = Universe(str(tmp_path / f"{name}.pdb"), str(tmp_path / f"{name}.xtc"))
        assert made.atoms.n_atoms == len(written.kept) and set(made.atoms.altLocs) == {"", "A"}, name
