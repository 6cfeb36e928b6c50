"""Logistic regression with an L1 or elastic-net penalty: proximal Newton over the columns' cross products.

Each Newton step costs one pass over the rows, as one iteration of a first-order solver does, and a handful of them are
enough; the penalised quadratic problem in between is of the size of the columns alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray

TOLERANCE = 1e-6
_BLOCK = 20_000  # rows whose scaled copy is held at a time
_INNER = 20_000
_POLISH = 50


def fit_sparse_logistic(
    Z: FloatArray, y: BoolArray, w: FloatArray, *, C: float, l1_ratio: float, max_iter: int = 100
) -> tuple[FloatArray, float, bool]:
    """Minimise Σ w·ln(1 + e^(−s·η)) + (1/C)·[(1 − r)/2·‖b‖² + r·‖b‖₁], η = Z·b + a, s = ±1; a is free.

    The objective of scikit-learn's `LogisticRegression` divided by C. Source: Friedman, Hastie & Tibshirani 2010; Lee,
    Sun & Saunders 2014 (proximal Newton).

    Args:
        Z: columns, shape (n, k).
        y: outcomes, shape (n,).
        w: row weights, shape (n,).
        C: inverse strength, > 0.
        l1_ratio: r in [0, 1].
        max_iter: Newton steps at most.

    Returns:
        Coefficients (k,), intercept, and whether the optimality conditions hold within 1e-6 of a mean row.
    """
    n, k = w.sum(), Z.shape[1]
    lasso, ridge = l1_ratio / (C * n), (1 - l1_ratio) / (C * n)
    b, a = np.zeros(k), _log_odds(y, w)
    eta = np.full(len(y), a)
    value = _objective(eta, y, w, n, b, lasso, ridge)
    for _ in range(max_iter):
        p = expit(eta)
        residual = w * (p - y) / n
        gradient = np.append(Z.T @ residual, residual.sum())
        if _violation(gradient[:k] + ridge * b, b, lasso) <= TOLERANCE and abs(gradient[k]) <= TOLERANCE:
            return b, float(a), True
        curvature = _cross_products(Z, w * p * (1 - p) / n)
        curvature[np.arange(k), np.arange(k)] += ridge
        gradient[:k] += ridge * b
        start = np.append(b, a)
        aim = _lasso(curvature, gradient - curvature @ start, lasso, start)
        step, moved = aim - start, Z @ (aim[:k] - b) + (aim[k] - a)
        for _ in range(30):
            tried = _objective(eta + moved, y, w, n, b + step[:k], lasso, ridge)
            if tried <= value + 1e-14 * abs(value):
                break
            step, moved = step / 2, moved / 2
        b, a, eta, value = b + step[:k], a + step[k], eta + moved, tried
    return b, float(a), False


def _log_odds(y: BoolArray, w: FloatArray) -> float:
    return float(np.log(w[y].sum() / w[~y].sum()))


def _objective(
    eta: FloatArray, y: BoolArray, w: FloatArray, n: float, b: FloatArray, lasso: float, ridge: float
) -> float:
    loss = w @ (np.logaddexp(0.0, eta) - y * eta) / n
    return float(loss + ridge / 2 * (b @ b) + lasso * np.abs(b).sum())


def _violation(gradient: FloatArray, b: FloatArray, lasso: float) -> float:
    """How far the subgradient is from holding zero."""
    at_zero = np.maximum(np.abs(gradient) - lasso, 0.0)
    return float(np.where(b == 0, at_zero, np.abs(gradient + lasso * np.sign(b))).max(initial=0.0))


def _cross_products(Z: FloatArray, h: FloatArray) -> FloatArray:
    """[Z, 1]'·diag(h)·[Z, 1], shape (k + 1, k + 1)."""
    k = Z.shape[1]
    out = np.zeros((k + 1, k + 1))
    for start in range(0, len(Z), _BLOCK):
        rows = slice(start, start + _BLOCK)
        scaled = Z[rows] * np.sqrt(h[rows])[:, None]
        out[:k, :k] += scaled.T @ scaled
    out[k, :k] = out[:k, k] = Z.T @ h
    out[k, k] = h.sum()
    return out


def _lasso(A: FloatArray, q: FloatArray, lasso: float, start: FloatArray) -> FloatArray:
    """Minimise ½u'Au + q'u + lasso·Σ|u| over all but the last entry, which is free.

    FISTA with restarts finds which entries are zero; for a guess of these and of the signs the minimum is a linear
    system, and the optimality conditions tell whether the guess was right.
    """
    penalty = np.full(len(q), lasso)
    penalty[-1] = 0.0
    step = 1.0 / float(np.linalg.eigvalsh(A)[-1])
    u, ahead, inertia = start, start, 1.0
    for i in range(_INNER):
        moved = ahead - step * (A @ ahead + q)
        found = np.sign(moved) * np.maximum(np.abs(moved) - step * penalty, 0.0)
        if (ahead - found) @ (found - u) > 0:  # it overshot
            inertia = 1.0
        following = (1 + np.sqrt(1 + 4 * inertia**2)) / 2
        ahead = found + (inertia - 1) / following * (found - u)
        u, inertia = found, following
        if i % _POLISH == 0:
            exact = _on_support(A, q, penalty, u)
            if exact is not None:
                return exact
    return u


def _on_support(A: FloatArray, q: FloatArray, penalty: FloatArray, u: FloatArray) -> FloatArray | None:
    """The minimum among points with u's zeros and signs, where that is the minimum of all."""
    support = (u != 0) | (penalty == 0)
    signs = np.sign(u[support]) * penalty[support]
    try:
        there = np.linalg.solve(A[np.ix_(support, support)], -(q[support] + signs))
    except np.linalg.LinAlgError:
        return None
    out = np.zeros_like(u)
    out[support] = there
    kept = penalty[support] == 0
    outside = np.abs(A @ out + q)[~support] <= penalty[~support] * (1 + 1e-9)
    return out if ((np.sign(there) == np.sign(u[support])) | kept).all() and outside.all() else None
