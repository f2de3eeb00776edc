"""The one exception that the command line turns into a single line and exit status 2."""


class MDGenError(ValueError):
    """Bad input, told in the user's words: the value, the limit and the remedy.

    Examples
    --------
    >>> raise MDGenError("interval 0.05 ps is below the model's range (0.1 to 100 ps); choose interval=0.1")
    Traceback (most recent call last):
    openmm_mdgen.errors.MDGenError: ...
    """


class MDGenWarning(UserWarning):
    """Something the user should know that does not stop the work."""
