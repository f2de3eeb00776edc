"""mmCIF files by OpenMM's reader of their syntax, so that none of their names is replaced and no package is needed."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from openmm.app.internal.pdbx.reader.PdbxReader import PdbxReader

from openmm_mdgen.convert.locations import first_locations, tell_left_out
from openmm_mdgen.errors import MDGenError
from openmm_mdgen.peptide.naming import atom_to_element
from openmm_mdgen.peptide.structure import Structure, residue_runs

SUFFIXES = (".cif", ".mmcif", ".pdbx", ".cif.gz", ".mmcif.gz")
_BLANK = {"?": "", ".": ""}


def is_mmcif(path: Path) -> bool:
    """Whether a file's name says that it is mmCIF."""
    return path.name.lower().endswith(SUFFIXES)


def mmcif_to_structure(path: Path) -> Structure:
    """Structure of the first model of an mmCIF file, in the author's names and numbers.

    Raises
    ------
    MDGenError
        If the file has no atoms or no positions.
    """
    columns = _atom_columns(path)
    models = columns.get("pdbx_PDB_model_num", [])
    rows = [row for row in range(len(columns["Cartn_x"])) if not models or models[row] == models[0]]

    def text(*names: str) -> list[str]:
        found = next((columns[name] for name in names if name in columns), None)
        return [""] * len(rows) if found is None else [_BLANK.get(found[row], found[row]) for row in rows]

    chains, codes = text("auth_asym_id", "label_asym_id"), text("pdbx_PDB_ins_code")
    numbers, altlocs = [int(number) for number in text("auth_seq_id", "label_seq_id")], text("label_alt_id")
    resnames, names = text("auth_comp_id", "label_comp_id"), text("auth_atom_id", "label_atom_id")
    elements = [element.capitalize() for element in text("type_symbol")]
    occupancies = [float(value) if value else 1.0 for value in text("occupancy")]
    sites = list(zip(chains, numbers, codes, strict=True))
    kept = first_locations(sites, list(zip(resnames, names, strict=True)), altlocs, occupancies)
    tell_left_out(altlocs, kept)
    keys = [(*sites[atom], resnames[atom]) for atom in kept]
    blocks = np.cumsum([k > 0 and key != keys[k - 1] for k, key in enumerate(keys)])
    hydrogen = [atom_to_element(names[atom], elements[atom]) == "H" for atom in kept]
    xyz = np.array([text(f"Cartn_{axis}") for axis in "xyz"], dtype=np.float64).T
    return Structure(
        names=tuple(names[atom] for atom in kept),
        resnames=tuple(resnames[atom] for atom in kept),
        residues=residue_runs(keys, blocks.tolist(), [names[atom] for atom in kept], hydrogen),
        chains=np.unique([chains[atom] for atom in kept], return_inverse=True)[1],
        elements=tuple(elements[atom] for atom in kept),
        bonds=(),
        positions=xyz[kept],
        numbers=tuple(numbers[atom] for atom in kept),
        icodes=tuple(codes[atom] for atom in kept),
        chain_ids=tuple(chains[atom] for atom in kept),
        altlocs=tuple(altlocs[atom] for atom in kept),
    )


def _atom_columns(path: Path) -> dict[str, list[str]]:
    """Column of ``atom_site`` -> its values."""
    data: list[object] = []
    with gzip.open(path, "rt") if path.suffix.lower() == ".gz" else path.open() as stream:
        PdbxReader(stream).read(data)
    table = data[0].getObj("atom_site") if data else None  # type: ignore[attr-defined]
    if table is None or not table.getRowList():
        raise MDGenError(f"structure file {str(path)!r} cannot be read (no atom_site); give a PDB, mmCIF or GRO file")
    columns = dict(zip(table.getAttributeList(), zip(*table.getRowList(), strict=True), strict=True))
    if not {"Cartn_x", "Cartn_y", "Cartn_z"} <= set(columns):
        raise MDGenError(f"structure file {str(path)!r} has no positions (Cartn_x); give a file with coordinates")
    return {name: list(values) for name, values in columns.items()}
