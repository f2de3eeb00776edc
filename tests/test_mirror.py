"""Tests mirror modules: each has a test file of its name, or a line here that says which file tests it."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "openmm_mdgen"
ELSEWHERE = {
    "atlas": ["evaluation/atlas_table"],
    "bonds_and_hydrogens": [
        "geometry/bond_motion",
        "geometry/bonded",
        "geometry/hydrogen_choice",
        "geometry/hydrogen_rest",
        "geometry/pair_energies",
    ],
    "cases": ["peptide/labels"],
    "chain": ["tasks/propagator"],
    "cli_many": ["many/results"],
    "cli_simulate": ["cli/finishing", "cli/output", "cli/picture", "cli/start", "forcefield/minimizer"],
    "cli_tasks": ["cli/options", "cli/universes"],
    "conventions": ["convert/mmcif", "peptide/structure"],
    "correct": [
        "correction/ensemble",
        "correction/explicit",
        "correction/numbers",
        "correction/page",
        "correction/plan",
        "correction/result",
        "correction/running",
        "correction/summary",
        "correction/verdict",
        "correction/workers",
    ],
    "devices": ["tasks/model"],
    "evaluation_baseline": ["evaluation/sample"],
    "evaluation_compare": [
        "cli/evaluate",
        "evaluation/controls",
        "evaluation/evaluation",
        "evaluation/figures",
        "evaluation/report",
        "evaluation/results",
        "evaluation/sections",
        "evaluation/verdicts",
        "evaluation/view",
    ],
    "evaluation_markov": ["evaluation/paths"],
    "evaluation_scores": ["evaluation/distances", "evaluation/dynamics", "evaluation/ensemble", "evaluation/load"],
    "evaluation_structure": ["evaluation/chains", "evaluation/energies", "evaluation/sequences", "evaluation/topology"],
    "feed": ["train/resident"],
    "first_contact": ["cli/demo", "cli/doctor"],
    "identity": ["train/identity_examples", "train/identity_run", "weights/identities"],
    "integrator_copies": ["integrator/named", "integrator/restoring"],
    "integrator_reporters": ["integrator/discover"],
    "internal": ["geometry/sidechains"],
    "interpolate": ["peptide/matching"],
    "many": ["many/settings", "many/simulating"],
    "many_evaluate": ["many/each", "many/patterns"],
    "many_workers": ["many/engine"],
    "peptide": ["peptide/checks"],
    "protein_run": [
        "cli/train_mdgen",
        "published/config",
        "train/protein_cache",
        "train/protein_flow",
        "train/protein_windows",
    ],
    "published": ["cli/import_", "published/file"],
    "published_network": [
        "published/atom14",
        "published/hyena",
        "published/ipa",
        "published/layers",
        "published/rigids",
    ],
    "published_task": ["published/atoms"],
    "recipe": ["trajectory/recipe_file"],
    "replacing": ["cli/stopping"],
    "reweight": ["correction/iterated", "correction/markov", "correction/prior", "correction/reversible"],
    "show": ["show/page", "show/scene"],
    "simulate": ["tasks/atoms"],
    "thermal_motion": ["geometry/contacts", "geometry/heavy_motion"],
    "tasks_upsample": ["tasks/gap"],
    "train": ["train/cache", "train/gaps", "train/run"],
    "upsampling_bad_input": ["upsampling/assemble", "upsampling/partfile"],
    "upsampling_gaps": ["upsampling/references", "upsampling/residual"],
    "upsampling_reader": ["upsampling/export", "upsampling/universe"],
    "writing": ["convert/mdanalysis"],
    "wrong_task": ["errors"],
}
"""Test files by name, without ``test_``, and the modules that they test and that have none of their own name."""


def modules() -> dict[str, set[str]]:
    """Modules as folder/name, and the names that a test of theirs may have."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if not parts[-1].startswith("__"):
            found["/".join(parts)] = {"_".join(parts[-k:]) for k in range(1, len(parts) + 1)}
    return found


def test_every_module_has_a_test_of_its_name_or_a_line_here():
    tests = {path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py")}
    listed = [module for some in ELSEWHERE.values() for module in some]
    without = {module for module, names in modules().items() if not names & tests}
    assert sorted(listed) == sorted(without), "a module without a test, or one that has it by now"
    assert set(ELSEWHERE) <= tests


def test_no_attribute_is_replaced_by_a_dotted_name():
    call = re.compile(r"monkeypatch\.setattr\(\s*[\"']")
    dotted = [path.name for path in TESTS.rglob("*.py") if call.search(path.read_text())]
    assert not dotted, f"replace the attribute of the imported module: {dotted}"
