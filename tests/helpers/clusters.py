"""Dask clusters for tests."""

from distributed import LocalCluster


def in_process(n_workers: int = 1) -> LocalCluster:
    """Workers that are threads of this process.

    They do not look at memory: a share of the machine's would be held against all of this process, whose other tests
    count too, and a worker that finds it too large stops without an error.
    """
    return LocalCluster(
        n_workers=n_workers, threads_per_worker=1, processes=False, dashboard_address=None, memory_limit=0
    )
