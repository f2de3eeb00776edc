import struct

import numpy as np
import pytest
from MDAnalysis import Universe
from MDAnalysis.lib.mdamath import triclinic_box
from MDAnalysisTests import datafiles

from openmm_mdgen.errors import MDGenError, MDGenWarning
from openmm_mdgen.upsampling.dcd import DCD, positions_to_records, record_cells, record_positions
from openmm_mdgen.upsampling.dcd_cells import cells_to_boxes
from tests.helpers.dcd_files import STEP_PS, read_with_mdanalysis, walk, write_dcd

REAL = {
    "CHARMM": datafiles.DCD,
    "NAMD": datafiles.DCD_NAMD_GBIS,
    "NAMD cells": datafiles.waterDCD,
    "VMD": datafiles.DCD_NAMD_TRICLINIC,
    "CHARMM cells": datafiles.DCD_TRICLINIC,
    "rewritten": datafiles.DCD2,
    "LAMMPS": datafiles.LAMMPSdcd2,
}


@pytest.mark.filterwarnings("ignore::openmm_mdgen.errors.MDGenWarning")
@pytest.mark.parametrize("path", REAL.values(), ids=REAL)
def test_reads_real_files_as_mdanalysis_does(path):
    header, positions = read_with_mdanalysis(path)
    with DCD(path) as dcd:
        assert len(dcd) == len(positions)
        assert (dcd.header.n_atoms, dcd.header.n_savc, dcd.header.i_start) == (
            header["natoms"],
            header["nsavc"],
            header["istart"],
        )
        assert dcd.header.delta == pytest.approx(header["delta"])
        np.testing.assert_array_equal(record_positions(dcd.records(0, len(dcd))), positions)


@pytest.mark.filterwarnings("ignore::openmm_mdgen.errors.MDGenWarning")
@pytest.mark.parametrize("path", REAL.values(), ids=REAL)
def test_boxes_of_real_files_are_those_of_mdanalysis(path):
    trajectory = Universe.empty(read_with_mdanalysis(path)[0]["natoms"]).load_new(path).trajectory
    with DCD(path) as dcd:
        cells = record_cells(dcd.records(0, 1))
    if trajectory[0].dimensions is None:
        assert cells is None or not cells_to_boxes(cells).any()
    else:
        np.testing.assert_allclose(triclinic_box(*cells_to_boxes(cells)[0]), trajectory[0].dimensions, atol=1e-3)


def test_cells_in_degrees():
    box = cells_to_boxes(np.array([[30.0, 80.0, 40.0, 70.0, 60.0, 50.0]]))[0]
    np.testing.assert_allclose(triclinic_box(*box), [30, 40, 50, 60, 70, 80], atol=1e-4)


@pytest.mark.parametrize("charmm", [True, False], ids=["CHARMM", "X-PLOR"])
@pytest.mark.parametrize("endian", "<>", ids=["little", "big"])
def test_records_round_trip_in_both_byte_orders(tmp_path, endian, charmm):
    frames = walk()
    cells = np.tile([20.0, 0.1, 21.0, 0.0, -0.1, 22.0], (5, 1)) if charmm else None
    path = write_dcd(tmp_path / "a.dcd", frames, endian=endian, cells=cells, charmm=charmm, delta=0.25)
    with DCD(path) as dcd:
        assert dcd.header.delta == 0.25
        records = dcd.records(1, 4)
        np.testing.assert_array_equal(record_positions(records), frames[1:4])
        again = positions_to_records(record_positions(records), record_cells(records), dcd.header)
    assert again.tobytes() == records.tobytes()
    assert records.tobytes() in path.read_bytes()


def test_spacing_and_titles_that_lie_about_their_length(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk(), n_titles=3, title_mark=164, n_savc=500, delta=0.02)
    with DCD(path) as dcd:
        assert dcd.header.spacing == pytest.approx(500 * 0.02 * STEP_PS)
        np.testing.assert_array_equal(record_positions(dcd.records(0, 5)), walk())


@pytest.mark.parametrize("charmm", [True, False])
@pytest.mark.parametrize(
    ("factor", "n_savc", "i_start", "n_step", "delta"),
    [(4, 25, 1000, 5000, 0.02), (3, 100, 3000, 15000, 0.02 / 3)],
    ids=["divides NSAVC", "divides DELTA"],
)
def test_finer_header_keeps_times(tmp_path, factor, n_savc, i_start, n_step, delta, charmm):
    path = write_dcd(tmp_path / "a.dcd", walk(), i_start=1000, n_savc=100, n_step=5000, charmm=charmm)
    with DCD(path) as dcd:
        finer = dcd.header.finer(factor, 17)
        assert len(finer.raw) == len(dcd.header.raw)
        coarse_time = dcd.header.i_start * dcd.header.delta
    words = struct.unpack("<4i", finer.raw[8:24])
    assert words == (17, i_start, n_savc, n_step) == (finer.n_set, finer.i_start, finer.n_savc, finer.n_step)
    assert finer.delta == pytest.approx(delta)
    assert finer.i_start * finer.delta == pytest.approx(coarse_time)
    assert finer.raw[92:] == dcd.header.raw[92:]


def test_spacing_can_be_set(tmp_path):
    with DCD(write_dcd(tmp_path / "a.dcd", walk(), n_savc=0, delta=0.0)) as dcd:
        assert dcd.header.spacing == 0
        assert dcd.header.with_spacing(10.0).spacing == pytest.approx(10.0)


def test_lying_nset_warns_and_size_decides(tmp_path):
    with pytest.warns(MDGenWarning, match="says 500 frames and holds 5"):
        assert len(DCD(write_dcd(tmp_path / "a.dcd", walk(), n_set=500))) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_fixed": 2}, "2 fixed atoms"),
        ({"is_4d": True}, "fourth dimension"),
        ({"i_start": -5}, "past 32 bits"),
        ({"n_step": -(2**31)}, "past 32 bits"),
    ],
)
def test_unsupported_headers(tmp_path, options, message):
    path = write_dcd(tmp_path / "a.dcd", walk(), **options)
    with pytest.raises(MDGenError, match=message):
        DCD(path)


def test_corrupt_title_record(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk())
    data = bytearray(path.read_bytes())
    data[92] ^= 3
    path.write_bytes(data)
    with pytest.raises(MDGenError, match="corrupt title"):
        DCD(path)


def test_truncated_file(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(MDGenError, match="truncated: 4 whole frames and"):
        DCD(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a DCD file"),
        (b"REMARK this is text" * 10, "not a DCD file"),
        (struct.pack("<q", 84) + b"CORD" + bytes(100), "64-bit record marks"),
        (struct.pack(">q", 84) + b"CORD" + bytes(100), "64-bit record marks"),
        (struct.pack("<i", 84) + b"CORD" + bytes(20), "truncated in its header"),
    ],
)
def test_not_a_dcd_file(tmp_path, data, message):
    (tmp_path / "a.dcd").write_bytes(data)
    with pytest.raises(MDGenError, match=message):
        DCD(tmp_path / "a.dcd")


def test_missing_file(tmp_path):
    with pytest.raises(MDGenError, match="cannot be read"):
        DCD(tmp_path / "none.dcd")


def test_wrong_record_mark(tmp_path):
    path = write_dcd(tmp_path / "a.dcd", walk())
    data = bytearray(path.read_bytes())
    data[-4] ^= 1
    path.write_bytes(data)
    with DCD(path) as dcd, pytest.raises(MDGenError, match="wrong record mark in frame 4"):
        dcd.records(0, 5)


def test_step_counts_past_32_bits(tmp_path):
    with DCD(write_dcd(tmp_path / "a.dcd", walk(), i_start=10**8, n_savc=100)) as dcd:
        assert dcd.header.finer(50, 201).i_start == 10**8
        with pytest.raises(MDGenError, match="ISTART would be 3,000,000,000, past the 32 bits"):
            dcd.header.finer(30, 121)
        with pytest.raises(MDGenError, match="NSET would be"):
            dcd.header.finer(50, 2**31)
