"""Many systems at once, on the processes of this machine or on any Dask cluster; dask.distributed does the work.

May import everything below the API; dask is imported only where a cluster is needed.
"""
