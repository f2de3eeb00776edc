"""A progress bar that learns its total with the first update."""

from __future__ import annotations

from types import TracebackType

from tqdm.auto import tqdm


class Bar:
    """Frames written, on stderr.

    Parameters
    ----------
    disable
        Count without drawing.
    """

    def __init__(self, disable: bool = False) -> None:
        self.total = 0
        self._disable = disable
        self._bar: tqdm | None = None

    def update(self, done: int, total: int) -> None:
        """`done` of `total` frames are written; a resumed run begins above zero."""
        self.total = total
        if self._bar is None:
            self._bar = tqdm(total=total, unit="frame", unit_scale=True, disable=self._disable)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
