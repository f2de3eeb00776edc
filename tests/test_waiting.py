"""How torch's threads wait is set before torch is loaded, and never against the user."""

import os
import subprocess
import sys

import pytest

NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def waiting(script: str, **settings: str) -> list[str]:
    """The three variables after a script, in a process of its own that starts with these alone."""
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | settings
    script += f"\nimport os\nprint([os.environ.get(name, '') for name in {NAMES}])"
    result = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    return eval(result.stdout)


def test_threads_sleep_while_they_wait():
    """It is set by the package itself, whichever module of it is imported first, and while torch is not there yet."""
    script = "import sys, openmm_mdgen.errors\nassert 'torch' not in sys.modules"
    assert waiting(script) == ["PASSIVE", "", ""]


@pytest.mark.parametrize(
    "name, value", [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "7"), ("KMP_BLOCKTIME", "3")]
)
def test_a_users_own_setting_stays(name, value):
    found = dict(zip(NAMES, waiting("import openmm_mdgen", **{name: value}), strict=True))
    assert found == dict.fromkeys(NAMES, "") | {name: value}
