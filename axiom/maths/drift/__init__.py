"""Whether two samples come from one distribution: how far apart they are, and how far chance alone would put them."""

from axiom.maths.drift.bins import Bins
from axiom.maths.drift.divergence import (
    homogeneity_p_value,
    jensen_shannon_divergence,
    population_stability_index,
    population_stability_noise,
)
from axiom.maths.drift.multiple import benjamini_hochberg
from axiom.maths.drift.two_samples import WelchTest, ks_p_value, ks_statistic, two_proportions_p_value, welch_t_test

__all__ = [
    "Bins",
    "WelchTest",
    "benjamini_hochberg",
    "homogeneity_p_value",
    "jensen_shannon_divergence",
    "ks_p_value",
    "ks_statistic",
    "population_stability_index",
    "population_stability_noise",
    "two_proportions_p_value",
    "welch_t_test",
]
