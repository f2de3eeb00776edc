"""What atoms of MDAnalysis say of themselves: a topology need not have names, elements, chains or bonds."""

from __future__ import annotations

from MDAnalysis import AtomGroup, Universe


def has(atoms: AtomGroup | Universe, *attributes: str) -> bool:
    """Whether the topology has all of these attributes, or a Universe its ``trajectory``.

    Examples
    --------
    >>> chains = atoms.chainIDs if has(atoms, "chainIDs") else atoms.segindices
    """
    return all(hasattr(atoms, attribute) for attribute in attributes)


def texts(atoms: AtomGroup, attribute: str) -> tuple[str, ...]:
    """One attribute of every atom as text without blanks around it; empty where the topology has none.

    Examples
    --------
    >>> elements = texts(atoms, "elements")  # ("", "", ...) for a GRO file
    """
    values = getattr(atoms, attribute) if has(atoms, attribute) else [""] * len(atoms)
    return tuple(str(value).strip() for value in values)
