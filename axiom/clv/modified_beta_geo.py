"""MBG/NBD: as BG/NBD, but a customer may drop out right after the first purchase too."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from axiom.clv.beta_geo import BetaGeo

if TYPE_CHECKING:
    from axiom.clv.inputs import Totals
    from axiom.maths.arrays import FloatArray


class ModifiedBetaGeo(BetaGeo):
    """MBG/NBD of Batislam, Denizel & Filiztekin (2007), Int. J. of Research in Marketing 24(3); Hoppe & Wagner (2007).

    One more dropout coin is tossed, at the first purchase, so P(alive) < 1 for customers with x = 0, and a new customer
    is alive with probability b/(a + b). The likelihood in regular form is derived in `axiom.clv.geometric`, the
    predictive distribution in `axiom.clv.geometric_predictive`: both are those of BG/NBD with c = x + 1 coins.
    """

    name: ClassVar[str] = "modified-beta-geo"
    first_coins: ClassVar[int] = 1
    # In 750 simulated populations, an end of the first start below the highest maximum had an sd above 1.3.
    clear_sd: ClassVar[float] = 0.75

    def initial(self, totals: Totals) -> FloatArray:
        """Two starts, as the likelihood may have two maxima: uniform dropout, then frequent and mixed dropout."""
        ln_mu = super().initial(totals)[0]
        return np.array([[ln_mu, 1.0, -1.0, -3.0], [ln_mu, 0.5, 1.0, -1.0]])
