"""The bar of a run that may begin above zero."""

from openmm_mdgen.upsampling.progress import Bar


def test_it_counts_what_is_done(capsys):
    with Bar() as bar:
        bar.update(5, 20)
        bar.update(20, 20)
        assert bar.total == 20 and bar._bar is not None and bar._bar.n == 20
    assert "20.0/20.0" in capsys.readouterr().err


def test_quiet_it_draws_nothing(capsys):
    with Bar(disable=True) as bar:
        bar.update(5, 20)
    assert capsys.readouterr().err == "" and bar.total == 20


def test_nothing_done_nothing_drawn(capsys):
    with Bar():
        pass
    assert capsys.readouterr().err == ""
