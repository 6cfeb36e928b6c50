"""One row through LightGBM's own code, by the part of its C interface that is made for that.

`Booster.predict` of one row spends a hundred times longer on preparing the call than on the trees. The C function takes
a row that lies ready in memory; what it answers is the same bit for bit.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import CorruptError

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray

NORMAL, RAW, CONTRIBUTIONS = 0, 1, 3
_FLOAT64 = 1


class OneRowBooster:
    """A LightGBM model that answers one row at a time. Threads may share it: a lock guards the row and the answer.

    Args:
        text: the model in LightGBM's text format.
        columns: encoded columns of a row.
        kind: `NORMAL` (after the link), `RAW` (the sum of the trees) or `CONTRIBUTIONS` (Shapley values and the base).

    Raises:
        CorruptError: the text is no LightGBM model.
    """

    def __init__(self, text: bytes, columns: int, kind: int) -> None:
        from lightgbm.basic import _LIB

        self._lock = threading.Lock()
        self._row = np.zeros(columns)
        self._answer = np.zeros(columns + 1 if kind == CONTRIBUTIONS else 1)
        self._length = ctypes.c_int64()
        handle, config = ctypes.c_void_p(), ctypes.c_void_p()
        _done(
            _LIB,
            _LIB["LGBM_BoosterLoadModelFromString"](
                ctypes.c_char_p(text), ctypes.byref(ctypes.c_int()), ctypes.byref(handle)
            ),
        )
        weakref.finalize(self, _LIB["LGBM_BoosterFree"], handle)
        parameters = b"num_threads=1 predict_disable_shape_check=true"
        _done(
            _LIB,
            _LIB["LGBM_BoosterPredictForMatSingleRowFastInit"](
                handle, kind, 0, -1, _FLOAT64, ctypes.c_int32(columns), parameters, ctypes.byref(config)
            ),
        )
        weakref.finalize(self, _LIB["LGBM_FastConfigFree"], config)  # finalisers run last in, first out
        self._predict = _LIB["LGBM_BoosterPredictForMatSingleRowFast"]
        self._arguments = (
            config,
            ctypes.c_void_p(self._row.ctypes.data),
            ctypes.byref(self._length),
            ctypes.c_void_p(self._answer.ctypes.data),
        )
        self._library = _LIB

    def one(self, z: FloatArray) -> float:
        """The answer for an encoded row, shape (k,)."""
        with self._lock:
            self._row[:] = z
            _done(self._library, self._predict(*self._arguments))
            return float(self._answer[0])

    def many(self, z: FloatArray) -> FloatArray:
        """All numbers of the answer: of Shapley values k and the base, shape (k + 1,)."""
        with self._lock:
            self._row[:] = z
            _done(self._library, self._predict(*self._arguments))
            return self._answer.copy()


def _done(library: Any, status: int) -> None:
    if status != 0:
        said = library["LGBM_GetLastError"]
        said.restype = ctypes.c_char_p
        raise CorruptError(f"the stored LightGBM model cannot be used ({said().decode()})")
