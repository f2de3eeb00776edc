"""mmCIF files by OpenMM's reader of their syntax, so that none of their names is replaced and no package is needed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from MDAnalysis import Universe
from openmm.app.internal.pdbx.reader.PdbxReader import PdbxReader

from openmm_mdgen.convert.mdanalysis import structure_to_universe
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.naming import atom_to_element
from openmm_mdgen.peptide.structure import Structure, residue_runs

SUFFIXES = (".cif", ".mmcif", ".pdbx", ".cif.gz", ".mmcif.gz")
_BLANK = {"?": "", ".": ""}


def is_mmcif(path: Path) -> bool:
    """Whether a file's name says that it is mmCIF."""
    return path.name.lower().endswith(SUFFIXES)


def mmcif_to_universe(path: Path) -> Universe:
    """All locations of the atoms of the first model of an mmCIF file, in the author's names and numbers.

    Raises
    ------
    MDGenError
        If the file has no atoms or no positions.
    """
    columns = _atom_columns(path)
    models = columns.get("pdbx_PDB_model_num", [])
    rows = [row for row in range(len(columns["Cartn_x"])) if not models or models[row] == models[0]]

    def text(*names: str) -> tuple[str, ...]:
        found = next((columns[name] for name in names if name in columns), None)
        return ("",) * len(rows) if found is None else tuple(_BLANK.get(found[row], found[row]) for row in rows)

    chains, codes = text("auth_asym_id", "label_asym_id"), text("pdbx_PDB_ins_code")
    numbers, altlocs = tuple(map(int, text("auth_seq_id", "label_seq_id"))), text("label_alt_id")
    resnames, names = text("auth_comp_id", "label_comp_id"), text("auth_atom_id", "label_atom_id")
    elements = tuple(element.capitalize() for element in text("type_symbol"))
    keys = list(zip(chains, numbers, codes, resnames, strict=True))
    blocks = np.cumsum([k > 0 and key != keys[k - 1] for k, key in enumerate(keys)])
    hydrogen = [atom_to_element(*pair) == "H" for pair in zip(names, elements, strict=True)]
    located = [name + altloc for name, altloc in zip(names, altlocs, strict=True)]
    structure = Structure(
        names=names,
        resnames=resnames,
        residues=residue_runs(keys, blocks.tolist(), located, hydrogen),
        chains=np.unique(chains, return_inverse=True)[1],
        elements=elements,
        bonds=(),
        positions=np.array([text(f"Cartn_{axis}") for axis in "xyz"], dtype=np.float64).T,
        numbers=numbers,
        icodes=codes,
        chain_ids=chains,
        altlocs=altlocs,
    )
    universe = structure_to_universe(structure)
    universe.add_TopologyAttr("occupancies", [float(value) if value else 1.0 for value in text("occupancy")])
    return universe


def _atom_columns(path: Path) -> dict[str, list[str]]:
    """Column of ``atom_site`` -> its values."""
    data: list[object] = []
    with gzip.open(path, "rt") if path.suffix.lower() == ".gz" else path.open(encoding="utf-8") as stream:
        PdbxReader(stream).read(data)
    table = data[0].getObj("atom_site") if data else None  # type: ignore[attr-defined]
    if table is None or not table.getRowList():
        raise MDGenError(f"structure file {str(path)!r} cannot be read (no atom_site); give a PDB, mmCIF or GRO file")
    columns = dict(zip(table.getAttributeList(), zip(*table.getRowList(), strict=True), strict=True))
    if not {"Cartn_x", "Cartn_y", "Cartn_z"} <= set(columns):
        raise MDGenError(f"structure file {str(path)!r} has no positions (Cartn_x); give a file with coordinates")
    return {name: list(values) for name, values in columns.items()}
